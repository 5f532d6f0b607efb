"""The Site's audit log, and whether it is whole. For its administrators; the platform's own for operators."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query, Response

from api.audit.schemas import AuditBreak, AuditPage, AuditVerification, AuditView
from api.cursors import decode_number, encode_number
from api.dependencies import CallerOf
from core.vocabulary import AuditAction, Scope
from db.repositories import audit, audit_search
from db.repositories.audit_search import Wanted
from db.repositories.sites import PLATFORM
from db.session import Session
from db.tables import AuditRecord

router = APIRouter(prefix="/v1/audit", tags=["audit"])

Platform = Annotated[bool, Query(description="The platform's own log instead of the Site's. Needs `operate`.")]


@router.get("", response_model=AuditPage)
def listing(  # noqa: PLR0913, PLR0917 — one parameter a filter
    caller: CallerOf,
    response: Response,
    action: Annotated[list[AuditAction] | None, Query(description="Only these actions.")] = None,
    actor: Annotated[str | None, Query(max_length=100, description="Only of this actor: `user <id>`.")] = None,
    subject: Annotated[str | None, Query(max_length=200, description="Only on this subject: `image <id>`.")] = None,
    since: Annotated[datetime | None, Query(description="Only at this time or later.")] = None,
    until: Annotated[datetime | None, Query(description="Only before this time.")] = None,
    platform: Platform = False,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=200, description="`next` of the page before.")] = None,
) -> AuditPage:
    """The records, newest first. No record holds patient data: ids only."""
    wanted = Wanted(frozenset(action or ()), actor, subject, since, until)
    before = decode_number(cursor) if cursor is not None else None
    with caller.session(Scope.OPERATE if platform else Scope.ADMIN) as (session, principal):
        site_id = PLATFORM if platform else principal.site_id
        rows = audit_search.page(session, site_id=site_id, wanted=wanted, before=before, limit=limit + 1)
        items = _views(session, site_id, rows[:limit])
    following = encode_number(items[-1].number) if len(rows) > limit else None
    if following is not None:
        asked = [("limit", str(limit)), *(("action", one.value) for one in action or ())]
        texts = {"actor": actor, "subject": subject, "since": since and since.isoformat()}
        texts |= {"until": until and until.isoformat(), "platform": "true" if platform else None, "cursor": following}
        asked += [(name, value) for name, value in texts.items() if value]
        response.headers["Link"] = f'</v1/audit?{urlencode(asked)}>; rel="next"'
    response.headers["Cache-Control"] = "no-store"
    return AuditPage(items=items, next=following)


@router.post("/verify", response_model=AuditVerification)
def verify(caller: CallerOf, response: Response, platform: Platform = False) -> AuditVerification:
    """Read the whole chain, and say where it does not hold: altered, removed or inserted records."""
    with caller.session(Scope.OPERATE if platform else Scope.ADMIN) as (session, principal):
        site_id = PLATFORM if platform else principal.site_id
        found = audit.verify(session, site_id=site_id)
        head = next(iter(audit.heads(session, site_id=site_id)), None)
    response.headers["Cache-Control"] = "no-store"
    return AuditVerification(
        records=found.records,
        breaks=[AuditBreak(number=one.number, last=one.last, kind=one.kind.value) for one in found.breaks],
        head_number=head.number if head is not None else None,
        head_hash=head.hash.hex() if head is not None else None,
    )


def _views(session: Session, site_id: UUID, rows: list[AuditRecord]) -> list[AuditView]:
    names = audit_search.names(session, site_id=site_id, actors={row.actor for row in rows})
    return [
        AuditView(
            id=row.id,
            number=row.number,
            at=row.at,
            actor=row.actor,
            actor_name=names.get(row.actor),
            action=AuditAction(row.action),
            subject=row.subject,
            detail=row.detail,
            hash=bytes(row.hash).hex(),
        )
        for row in rows
    ]
