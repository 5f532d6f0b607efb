"""Jobs one by one: submit, poll, wait, events, cancel, release, retry."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import anyio.to_thread
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from api.backends import Backends
from api.dependencies import Caller, CallerOf, IdempotencyKey, Prefer
from api.jobs.schemas import JobEventList, JobView
from api.jobs.submission import Submission, Submitted
from api.jobs.views import event_view, job_path, job_view
from api.long_polling import FALLBACK_POLL, wanted_wait
from api.schemas import as_json
from api.uploads.request_body import receive_upload
from core.vocabulary import AuditAction, Scope
from db.repositories import audit, jobs
from db.repositories.sites import Principal
from db.session import Session

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

RETRY_AFTER = "1"
UPLOAD_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary", "description": "DICOM, PNG or JPEG."},
                        "priority": {"type": "integer", "minimum": -10, "maximum": 10, "default": 0},
                        "explain": {
                            "type": "string",
                            "description": "Labels to explain, separated by commas; empty for none.",
                        },
                        "stability": {
                            "type": "boolean",
                            "default": False,
                            "description": "Score each finding by its agreement under small shifts; takes longer.",
                        },
                    },
                    "additionalProperties": False,
                }
            }
        },
    }
}


async def submit_upload(request: Request, caller: Caller, idempotency_key: str | None) -> Submitted:
    """Authenticate, then read the body, then submit: an unknown caller's bytes never reach the disk."""
    backends = caller.backends
    principal = caller.presumed(Scope.SUBMIT)
    if principal is None:
        principal = await anyio.to_thread.run_sync(_submitter, caller)
    async with receive_upload(request, backends.settings, limiter=backends.limiters.spool) as upload:
        return await Submission(backends, principal, idempotency_key=idempotency_key).run(upload)


def _submitter(caller: Caller) -> Principal:
    with caller.session(Scope.SUBMIT) as (_session, principal):
        return principal


async def wait_for(backends: Backends, job_id: UUID, load: Callable[[], JobView], *, seconds: float) -> JobView:
    """Look, and look again when the job finishes, until it has or `seconds` are over. Holds nothing in between."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    with backends.finished.watch(job_id) as event:
        while True:
            event.clear()
            view = await anyio.to_thread.run_sync(load)
            remaining = end - loop.time()
            if view.state.terminal or remaining <= 0:
                return view
            try:
                async with asyncio.timeout(min(remaining, FALLBACK_POLL)):
                    await event.wait()
            except TimeoutError:
                continue


def _load(caller: Caller, job_id: UUID) -> JobView:
    with caller.session(Scope.READ) as (session, principal):
        job = jobs.get(session, site_id=principal.site_id, job_id=job_id)
        return job_view(job, job.image)


def loader(caller: Caller, job_id: UUID) -> Callable[[], JobView]:
    """`jobs.get` as this caller, in a session of its own each time."""
    return lambda: _load(caller, job_id)


@router.post(
    "", status_code=202, response_model=JobView, responses={200: {"model": JobView}}, openapi_extra=UPLOAD_BODY
)
async def submit(
    request: Request, caller: CallerOf, idempotency_key: IdempotencyKey = None, prefer: Prefer = None
) -> Response:
    """Upload one radiograph. 202 with the Job; with `Prefer: wait=N` 200 when it is done in time."""
    submitted = await submit_upload(request, caller, idempotency_key)
    backends, view = caller.backends, submitted.job
    seconds = wanted_wait(prefer, limit=backends.settings.wait_limit)
    if seconds is not None and not view.state.terminal:
        view = await wait_for(backends, view.id, _reader_of(caller, view.id), seconds=seconds)
    headers = {"Location": job_path(view.id), "Cache-Control": "no-store"}
    if not submitted.created:
        headers["Idempotent-Replayed"] = "true"
    if seconds is not None:
        headers["Preference-Applied"] = f"wait={seconds:g}"
    if not view.state.terminal:
        headers["Retry-After"] = RETRY_AFTER
    done = view.state.terminal and seconds is not None
    return JSONResponse(as_json(view), status_code=200 if done else 202, headers=headers)


def _reader_of(caller: Caller, job_id: UUID) -> Callable[[], JobView]:
    """A submitter may wait for its own job without the scope to read others."""

    def load() -> JobView:
        with caller.session(Scope.SUBMIT) as (session, principal):
            job = jobs.get(session, site_id=principal.site_id, job_id=job_id)
            return job_view(job, job.image)

    return load


@router.get("/{job_id}", response_model=JobView, responses={202: {"model": JobView}, 304: {"description": "Unchanged"}})
async def poll(request: Request, caller: CallerOf, job_id: UUID, prefer: Prefer = None) -> Response:
    """One Job, with `Retry-After` until it is terminal. A failed Job is 200 too, with its problem inside."""
    seconds = wanted_wait(prefer, limit=caller.backends.settings.wait_limit)
    view = await wait_for(caller.backends, job_id, loader(caller, job_id), seconds=seconds or 0.0)
    body = as_json(view)
    etag = entity_tag(body)
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if seconds is not None:
        headers["Preference-Applied"] = f"wait={seconds:g}"
    if not view.state.terminal:
        headers["Retry-After"] = RETRY_AFTER
    if matches(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    status = 202 if seconds is not None and not view.state.terminal else 200
    return JSONResponse(body, status_code=status, headers=headers)


@router.get("/{job_id}/events", response_model=JobEventList)
def events(caller: CallerOf, response: Response, job_id: UUID) -> JobEventList:
    """What happened to the Job, oldest first."""
    with caller.session(Scope.READ) as (session, principal):
        rows = jobs.events(session, site_id=principal.site_id, job_id=job_id)
        items = [event_view(row) for row in rows]
    response.headers["Cache-Control"] = "no-store"
    return JobEventList(items=items)


@router.post("/{job_id}/cancel", response_model=JobView)
def cancel(caller: CallerOf, job_id: UUID) -> JobView:
    """Cancel a Job that is not terminal; 409 otherwise."""
    with caller.session(Scope.SUBMIT) as (session, principal):
        job = jobs.cancel(session, site_id=principal.site_id, job_id=job_id, actor=principal.actor)
        view = job_view(job, job.image)
        _record(session, principal, AuditAction.JOBS_CANCELLED, job_id)
    return view


@router.post("/{job_id}/release", response_model=JobView)
def release(caller: CallerOf, job_id: UUID) -> JobView:
    """Let a held Job run, and every other one of its image: somebody looked, and no patient data is burned into it.

    Audited; 409 for a Job that is not held.
    """
    with caller.session(Scope.ADMIN) as (session, principal):
        actor = principal.actor
        job = jobs.release_held(session, site_id=principal.site_id, job_id=job_id, actor=actor)
        view = job_view(job, job.image)
        audit.append(
            session,
            site_id=principal.site_id,
            actor=actor,
            action=AuditAction.QUARANTINE_RELEASED,
            subject=f"image {job.image_id}",
            detail={"job": str(job_id)},
        )
    caller.backends.broker.hint()
    return view


@router.post("/{job_id}/retry", status_code=202, response_model=JobView)
def retry(caller: CallerOf, response: Response, job_id: UUID) -> JobView:
    """Run a failed, dead, cancelled or expired Job again as a new one (`replay_of`); 409 otherwise."""
    with caller.session(Scope.SUBMIT) as (session, principal):
        settings = caller.backends.settings
        job = jobs.replay(
            session,
            site_id=principal.site_id,
            job_id=job_id,
            deadline_s=settings.job_deadline,
            queue_limit=settings.queue_limit,
            site_active_limit=settings.site_active_limit,
            actor=principal.actor,
        )
        view = job_view(job, job.image)
        _record(session, principal, AuditAction.JOBS_REPLAYED, job_id, as_job=view.id)
    caller.backends.broker.hint()
    response.headers["Location"] = job_path(view.id)
    response.headers["Retry-After"] = RETRY_AFTER
    return view


def _record(
    session: Session, principal: Principal, action: AuditAction, job_id: UUID, *, as_job: UUID | None = None
) -> None:
    detail = {"jobs": 1} if as_job is None else {"jobs": 1, "as": str(as_job)}
    audit.append(
        session,
        site_id=principal.site_id,
        actor=principal.actor,
        action=action,
        subject=f"job {job_id}",
        detail=detail,
    )


def entity_tag(body: Any) -> str:
    """A weak ETag of what is shown."""
    return f'W/"{hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:32]}"'


def matches(if_none_match: str | None, etag: str) -> bool:
    """RFC 9110 section 13.1.2, with the weak comparison."""
    if if_none_match is None:
        return False
    known = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return "*" in known or etag.removeprefix("W/") in known
