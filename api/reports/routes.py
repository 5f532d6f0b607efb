"""A result in the forms that people and systems take: PDF, DICOM, FHIR, tables. Made on request, never by a worker."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import anyio.to_thread
from fastapi import APIRouter, Query, Request, Response

from api.backends import Backends
from api.dependencies import Caller, CallerOf
from api.jobs.routes import entity_tag, matches
from core.errors import ImageInvalid, InputIntegrity, NotFound, RequestInvalid
from core.identity import Identity
from core.result_record import ResultRecord
from core.vocabulary import AuditAction, ReportKind, Scope
from db.repositories import audit, identities, policies, results
from db.repositories.sites import Principal
from db.session import Session
from reports.render import REVISION, Rendered, render

router = APIRouter(prefix="/v1/jobs", tags=["results"])

CONTENT: dict[str, dict[str, str]] = {kind.form.media_type.partition(";")[0]: {} for kind in ReportKind}
NAMING = [f"`{kind}`" for kind in ReportKind if kind.form.identity]
WithIdentity = Annotated[
    bool,
    Query(
        description=f"Name the patient and the original UIDs ({', '.join(NAMING)}). Needs the scope "
        "`admin`; each time is written to the audit log. 404 where the image came without an identity."
    ),
]


@router.get(
    "/{job_id}/reports/{kind}",
    response_class=Response,
    responses={200: {"content": CONTENT}, 304: {"description": "Unchanged"}},
)
async def report(
    request: Request, caller: CallerOf, job_id: UUID, kind: ReportKind, identity: WithIdentity = False
) -> Response:
    """The result of a succeeded Job as `pdf`, `sr` (DICOM structured report), `sc` (DICOM secondary capture of the
    overlay), `gsps` (DICOM presentation state; 404 for a PNG or JPEG), `fhir` (R4 bundle), `overlay` (PNG), `csv` or
    `json`. The same result always gives the same bytes. 409 `result_not_ready` before there is a result.
    """
    if identity and not kind.form.identity:
        raise RequestInvalid(f"The form '{kind}' names nobody: ask for it without an identity.")
    etag = entity_tag([str(job_id), kind.value, identity, REVISION])
    known = matches(request.headers.get("if-none-match"), etag)
    record, who = await anyio.to_thread.run_sync(_load, caller, job_id, kind, identity, known)
    headers = {"ETag": etag, "Cache-Control": "private, no-cache", "Vary": "Authorization, X-API-Key"}
    if known:
        return Response(status_code=304, headers=headers)
    backends = caller.backends
    made = await backends.drawing.run(_render, backends, kind, record, who)
    headers["Content-Disposition"] = f'attachment; filename="{job_id}{made.suffix}"'
    return Response(made.content, media_type=made.media_type, headers=headers)


def _load(
    caller: Caller, job_id: UUID, kind: ReportKind, identity: bool, known: bool
) -> tuple[ResultRecord, Identity | None]:
    """`known`: the caller has the bytes already and is sent none, so that no identity is opened for them."""
    with caller.session(Scope.ADMIN if identity else Scope.READ) as (session, principal):
        record = results.record(session, site_id=principal.site_id, job_id=job_id)
        if not identity or known:
            return record, None
        return record, _opened(session, principal, caller.backends, record, kind)


def _opened(
    session: Session, principal: Principal, backends: Backends, record: ResultRecord, kind: ReportKind
) -> Identity:
    image_id = record.image.image_id
    sealed = identities.sealed_of(session, site_id=principal.site_id, image_id=image_id)
    if sealed is None:
        raise NotFound("This image has no identity: it came without one, or it was erased.")
    key = policies.site_key(session, site_id=principal.site_id, installation=backends.installation)
    opened = Identity.from_bytes(key.open(sealed, context=identities.context_of(image_id)))
    subject, actor, site_id = f"image {image_id}", principal.actor, principal.site_id
    audit.append(session, site_id=site_id, actor=actor, action=AuditAction.IDENTITY_OPENED, subject=subject)
    detail = {"form": kind.value, "identity": True}
    audit.append(
        session,
        site_id=site_id,
        actor=actor,
        action=AuditAction.RESULT_EXPORTED,
        subject=f"job {record.job_id}",
        detail=detail,
    )
    return opened


def _render(backends: Backends, kind: ReportKind, record: ResultRecord, who: Identity | None) -> Rendered:
    try:
        pictures = backends.pictures.fetch(record) if kind.form.pictures else None
        return render(kind, record, pictures, who)
    except ImageInvalid as error:
        raise InputIntegrity("The result's stored pictures were altered.") from error
