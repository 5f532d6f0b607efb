"""What readers say of Findings: accept or reject, with a comment; the running figures, and the export for training."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

import anyio.to_thread
from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from api.dependencies import Caller, CallerOf
from api.feedback.schemas import FeedbackList, FeedbackPut, FeedbackSummary, FeedbackView
from api.feedback.views import FeedbackExport, feedback_view, figures, is_mine, opened
from api.schemas import as_json, json_body
from api.uploads.request_body import receive_json
from core.vocabulary import AuditAction, Scope
from db.repositories import audit, feedback, jobs, policies
from db.repositories.sites import Principal
from db.session import Session

router = APIRouter(prefix="/v1", tags=["feedback"])

BODY_BYTES = 16 * 1024
NDJSON = "application/x-ndjson"
OF_FINDING = "/jobs/{job_id}/feedback/{label}"
Label = Annotated[str, Path(max_length=100)]


@router.get("/jobs/{job_id}/feedback", response_model=FeedbackList)
def of_job(caller: CallerOf, response: Response, job_id: UUID) -> FeedbackList:
    """What readers said of the Job's Findings, oldest first. Others' comments are for administrators."""
    with caller.session(Scope.READ) as (session, principal):
        jobs.get(session, site_id=principal.site_id, job_id=job_id)
        items = _views(session, caller, principal, job_id)
    response.headers["Cache-Control"] = "no-store"
    return FeedbackList(items=items)


def _views(session: Session, caller: Caller, principal: Principal, job_id: UUID) -> list[FeedbackView]:
    rows = feedback.of_job(session, site_id=principal.site_id, job_id=job_id)
    admin = Scope.ADMIN in principal.scopes
    shown = {row.id for row in rows if row.sealed_comment is not None and (admin or is_mine(row, principal))}
    key = None
    if shown:
        installation = caller.backends.installation
        key = policies.site_key(session, site_id=principal.site_id, installation=installation)
    return [
        feedback_view(row, mine=is_mine(row, principal), comment=opened(row, key) if row.id in shown else None)
        for row in rows
    ]


@router.put(OF_FINDING, response_model=FeedbackList, openapi_extra=json_body(FeedbackPut))
async def give(request: Request, caller: CallerOf, job_id: UUID, label: Label) -> Response:
    """Accept or reject a Finding's decision, with a comment or none; it replaces what you said before. Audited.

    Whoever may read results may say this. 404 for a label that is no Finding, 409 `result_not_ready`.
    """
    await anyio.to_thread.run_sync(_reader, caller)
    said = await receive_json(request, caller.backends.settings, FeedbackPut, limit=BODY_BYTES)
    view = await anyio.to_thread.run_sync(_given, caller, job_id, label, said)
    return JSONResponse(as_json(view), headers={"Cache-Control": "no-store"})


def _reader(caller: Caller) -> None:
    """Before a byte of the body is read."""
    with caller.session(Scope.READ):
        return


def _given(caller: Caller, job_id: UUID, label: str, said: FeedbackPut) -> FeedbackList:
    comment = (said.comment or "").strip()
    with caller.session(Scope.READ) as (session, principal):
        sealed = None
        if comment:
            installation = caller.backends.installation
            key = policies.site_key(session, site_id=principal.site_id, installation=installation)
            sealed = key.seal(comment.encode(), context=feedback.context_of(job_id, label))
        feedback.give(session, principal, job_id=job_id, label=label, verdict=said.verdict, sealed_comment=sealed)
    with caller.session(Scope.READ) as (session, principal):
        return FeedbackList(items=_views(session, caller, principal, job_id))


@router.delete(OF_FINDING, status_code=204)
def withdraw(caller: CallerOf, job_id: UUID, label: Label) -> Response:
    """Take back what you said of a Finding. Audited; 404 where you said nothing."""
    with caller.session(Scope.READ) as (session, principal):
        jobs.get(session, site_id=principal.site_id, job_id=job_id)
        feedback.withdraw(session, principal, job_id=job_id, label=label)
    return Response(status_code=204)


@router.get("/feedback/summary", response_model=FeedbackSummary)
def summary(
    caller: CallerOf,
    response: Response,
    days: Annotated[int, Query(ge=1, le=3650, description="Of jobs submitted in so many last days.")] = 90,
    model_version_id: Annotated[UUID | None, Query(description="Of this one alone.")] = None,
) -> FeedbackSummary:
    """Running sensitivity and specificity per ModelVersion and label, with 95 % intervals. `meaning` says what counts
    as what, `bias` what the figures are not.
    """
    since = datetime.now(UTC) - timedelta(days=days)
    with caller.session(Scope.READ) as (session, principal):
        counts = feedback.counts(session, site_id=principal.site_id, since=since, model_version_id=model_version_id)
    response.headers["Cache-Control"] = "no-store"
    return FeedbackSummary(since=since, items=figures(counts))


@router.get(
    "/feedback.ndjson",
    response_class=StreamingResponse,
    responses={200: {"content": {NDJSON: {"schema": {"type": "string"}}}}},
)
def export(
    caller: CallerOf,
    comments: Annotated[bool, Query(description="With the comments; needs the scope `admin`.")] = False,
) -> StreamingResponse:
    """All feedback for training, one line for each reader and Finding, oldest first. `present`: the reader says that
    the label is there. Audited.
    """
    with caller.session(Scope.ADMIN if comments else Scope.READ) as (session, principal):
        key = None
        if comments:
            installation = caller.backends.installation
            key = policies.site_key(session, site_id=principal.site_id, installation=installation)
        audit.append(
            session,
            site_id=principal.site_id,
            actor=principal.actor,
            action=AuditAction.RESULT_EXPORTED,
            subject=f"site {principal.site_id}",
            detail={"form": "feedback", "comments": comments},
        )
        made = FeedbackExport(caller.backends, principal.site_id, key)
    headers = {"Cache-Control": "no-store", "Content-Disposition": 'attachment; filename="feedback.ndjson"'}
    return StreamingResponse(made.ndjson(), media_type=NDJSON, headers=headers)
