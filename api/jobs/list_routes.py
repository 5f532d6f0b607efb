"""Jobs by the many: lists, counts, causes, a table of them, and cancelling or retrying many at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

import anyio.to_thread
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from api.cursors import decode_cursor, encode_cursor
from api.dependencies import Caller, CallerOf
from api.jobs.list_schemas import (
    BulkAction,
    BulkBody,
    BulkView,
    CauseList,
    CauseView,
    JobCountView,
    JobFilter,
    JobQuery,
)
from api.jobs.schemas import JobPage
from api.jobs.table import JobTable
from api.jobs.views import ERRORS, job_view
from api.schemas import as_json, json_body
from api.uploads.request_body import receive_json
from core.errors import LucencyError
from core.settings import Settings
from core.vocabulary import AuditAction, JobState, Scope
from db.repositories import audit, jobs
from db.repositories.jobs import Bulk, Cause, Filter
from db.repositories.sites import Principal
from db.session import Session
from db.tables import ACTIVE_STATES, UNSUCCESSFUL_STATES

router = APIRouter(prefix="/v1", tags=["jobs"])

NO_STORE = "no-store"
# A thousand ids are some 40 kB.
BODY_BYTES = 64 * 1024
CSV = "text/csv; charset=utf-8"
DONE = {BulkAction.CANCEL: AuditAction.JOBS_CANCELLED, BulkAction.RETRY: AuditAction.JOBS_REPLAYED}


@router.get("/jobs", response_model=JobPage)
def listing(caller: CallerOf, response: Response, wanted: Annotated[JobQuery, Query()]) -> JobPage:
    """The Site's Jobs, newest first."""
    before = decode_cursor(wanted.cursor) if wanted.cursor is not None else None
    limit = wanted.limit
    with caller.session(Scope.READ) as (session, principal):
        rows = jobs.page(session, site_id=principal.site_id, wanted=wanted.wanted(), limit=limit + 1, before=before)
        items = [job_view(job, job.image) for job in rows[:limit]]
    following = encode_cursor((items[-1].created_at, items[-1].id)) if len(rows) > limit else None
    if following is not None:
        query = urlencode({"limit": limit, **wanted.asked(), "cursor": following}, doseq=True)
        response.headers["Link"] = f'</v1/jobs?{query}>; rel="next"'
    response.headers["Cache-Control"] = NO_STORE
    return JobPage(items=items, next=following)


@router.get("/jobs/count", response_model=JobCountView)
def count(caller: CallerOf, response: Response, wanted: Annotated[JobFilter, Query()]) -> JobCountView:
    """How many Jobs a list has."""
    response.headers["Cache-Control"] = NO_STORE
    with caller.session(Scope.READ) as (session, principal):
        number, exact = jobs.count(session, site_id=principal.site_id, wanted=wanted.wanted())
    return JobCountView(count=number, exact=exact)


@router.get("/jobs/causes", response_model=CauseList)
def causes(caller: CallerOf, response: Response, wanted: Annotated[JobFilter, Query()]) -> CauseList:
    """What kept Jobs from a result: those that failed, died, were cancelled or expired, by error; most jobs first."""
    response.headers["Cache-Control"] = NO_STORE
    with caller.session(Scope.READ) as (session, principal):
        found = jobs.causes(session, site_id=principal.site_id, wanted=wanted.wanted())
    return CauseList(items=[_cause(one) for one in found])


@router.get(
    "/jobs.csv",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
def table(caller: CallerOf, wanted: Annotated[JobFilter, Query()]) -> StreamingResponse:
    """One row a Job, newest first, with the headline of its result. Streamed; written to the audit log."""
    with caller.session(Scope.READ) as (session, principal):
        export = JobTable(caller.backends, principal.site_id, wanted.wanted())
        detail = {"form": "csv", "filter": wanted.recorded()}
        _record(session, principal, AuditAction.RESULT_EXPORTED, detail)
    headers = {"Cache-Control": NO_STORE, "Content-Disposition": 'attachment; filename="jobs.csv"'}
    return StreamingResponse(export.csv(), media_type=CSV, headers=headers)


@router.post("/jobs/bulk", response_model=BulkView, openapi_extra=json_body(BulkBody))
async def bulk(request: Request, caller: CallerOf) -> Response:
    """Cancel or retry many Jobs: named ones, or those of a filter, newest first. One that cannot take part keeps none
    of the others from it. A retry asked for twice is done once: what a later Job repeats already is left. Audited.
    """
    await anyio.to_thread.run_sync(_submitter, caller)
    body = await receive_json(request, caller.backends.settings, BulkBody, limit=BODY_BYTES)
    view = await anyio.to_thread.run_sync(_bulk, caller, body)
    return JSONResponse(as_json(view), headers={"Cache-Control": NO_STORE})


def _submitter(caller: Caller) -> None:
    """Before a byte of the body is read."""
    with caller.session(Scope.SUBMIT):
        return


def _bulk(caller: Caller, body: BulkBody) -> BulkView:
    settings = caller.backends.settings
    with caller.session(Scope.SUBMIT) as (session, principal):
        chosen, more = _chosen(session, principal.site_id, body)
        done = _do(session, principal, body.action, chosen, settings)
        if done.done:
            which = {"ids": len(chosen)} if body.filter is None else {"filter": body.filter.recorded()}
            _record(session, principal, DONE[body.action], {"jobs": done.done, **which})
    if done.done and body.action is BulkAction.RETRY:
        caller.backends.broker.hint()
    return BulkView(
        action=body.action,
        done=done.done,
        unfit=done.unfit,
        repeated=done.repeated,
        missing=done.missing,
        no_room=done.no_room,
        more=more,
    )


def _chosen(session: Session, site_id: UUID, body: BulkBody) -> tuple[list[UUID], bool]:
    """The jobs that are meant, and whether the filter has more."""
    if body.filter is None:
        return list(body.ids or ()), False
    wanted = _fit(body.filter.wanted(), body.action)
    found = [] if wanted is None else jobs.ids(session, site_id=site_id, wanted=wanted, limit=body.limit + 1)
    return found[: body.limit], len(found) > body.limit


def _fit(wanted: Filter, action: BulkAction) -> Filter | None:
    """Of the filter's jobs those that the action can be done with; None where there can be none."""
    fit = ACTIVE_STATES if action is BulkAction.CANCEL else UNSUCCESSFUL_STATES
    states = frozenset(wanted.states or fit) & fit
    if not states or (action is BulkAction.RETRY and wanted.replayed):
        return None
    return replace(wanted, states=states, replayed=False if action is BulkAction.RETRY else wanted.replayed)


def _do(session: Session, principal: Principal, action: BulkAction, chosen: list[UUID], settings: Settings) -> Bulk:
    if action is BulkAction.CANCEL:
        return jobs.cancel_chosen(session, site_id=principal.site_id, job_ids=chosen, actor=principal.actor)
    return jobs.replay_chosen(
        session,
        site_id=principal.site_id,
        job_ids=chosen,
        actor=principal.actor,
        deadline_s=settings.job_deadline,
        queue_limit=settings.queue_limit,
        site_active_limit=settings.site_active_limit,
    )


def _record(session: Session, principal: Principal, action: AuditAction, detail: Mapping[str, object]) -> None:
    site_id, actor = principal.site_id, principal.actor
    audit.append(session, site_id=site_id, actor=actor, action=action, subject="jobs", detail=detail)


def _cause(found: Cause) -> CauseView:
    error = None if found.code is None else ERRORS.get(found.code, LucencyError)
    return CauseView(
        code=found.code,
        title=None if error is None else error.title,
        # A new job has a deadline of its own.
        retryable=error is None or error.retryable or found.state is JobState.EXPIRED,
        state=found.state,
        jobs=found.jobs,
        oldest=found.oldest,
        newest=found.newest,
    )
