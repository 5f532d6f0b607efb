"""Batches: make, list, look, complete, cancel."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

import anyio.to_thread
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from api.batches.creation import receive_manifest
from api.batches.schemas import (
    BatchPage,
    BatchView,
    FileBody,
    ItemPage,
    ItemQuery,
    ManifestBody,
    NeededPage,
    NewBatchView,
)
from api.batches.views import WINDOW_S, batch_path, batch_view, item_view, summary
from api.cursors import decode_cursor, decode_number, encode_cursor, encode_number
from api.dependencies import Caller, CallerOf, IdempotencyKey
from api.schemas import as_json
from core.vocabulary import AuditAction, Scope
from db.repositories import audit, batches, policies
from db.repositories.sites import Principal
from db.session import Session
from db.tables import Batch

router = APIRouter(prefix="/v1/batches", tags=["batches"])

# While a batch is at work a client that looks more often learns little, and costs a count over all its files.
RETRY_AFTER = "2"
Cursor = Annotated[str | None, Query(max_length=200, description="`next` of the page before.")]


def _manifest_schema() -> dict[str, Any]:
    """In one piece: FastAPI does not see the model, for the body is never held as a whole."""
    schema = ManifestBody.model_json_schema()
    schema.pop("$defs")
    schema["properties"]["files"]["items"] = FileBody.model_json_schema()
    return schema


MANIFEST_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": _manifest_schema()}}}
}


@router.post(
    "", status_code=201, response_model=NewBatchView, responses={200: {"model": NewBatchView}},
    openapi_extra=MANIFEST_BODY,
)  # fmt: skip
async def create(request: Request, caller: CallerOf, idempotency_key: IdempotencyKey = None) -> Response:
    """Make a Batch of a manifest; the answer names the contents that have to be sent."""
    principal = await anyio.to_thread.run_sync(_submitter, caller)
    created = await receive_manifest(request, caller.backends, principal, idempotency_key=idempotency_key)
    headers = {"Location": batch_path(created.batch.id), "Cache-Control": "no-store"}
    if not created.made:
        headers["Idempotent-Replayed"] = "true"
    return JSONResponse(as_json(created.batch), status_code=201 if created.made else 200, headers=headers)


def _submitter(caller: Caller) -> Principal:
    with caller.session(Scope.SUBMIT) as (_session, principal):
        return principal


@router.get("", response_model=BatchPage)
def listing(
    caller: CallerOf, response: Response, limit: Annotated[int, Query(ge=1, le=200)] = 50, cursor: Cursor = None
) -> BatchPage:
    """The site's Batches, newest first."""
    before = decode_cursor(cursor) if cursor is not None else None
    with caller.session(Scope.READ) as (session, principal):
        rows = batches.page(session, site_id=principal.site_id, limit=limit + 1, before=before)
        items = [summary(row) for row in rows[:limit]]
    following = encode_cursor((items[-1].created_at, items[-1].id)) if len(rows) > limit else None
    response.headers["Cache-Control"] = "no-store"
    _link(response, f"/v1/batches?limit={limit}", following)
    return BatchPage(items=items, next=following)


@router.get("/{batch_id}", response_model=BatchView)
def look(caller: CallerOf, response: Response, batch_id: UUID) -> BatchView:
    """One Batch: what became of its files, how fast, and when it will be done."""
    with caller.session(Scope.READ) as (session, principal):
        batch = batches.get(session, site_id=principal.site_id, batch_id=batch_id)
        return _view(session, batch, response)


def _view(session: Session, batch: Batch, response: Response) -> BatchView:
    view = batch_view(batch, batches.tallies(session, batch_id=batch.id, window_s=WINDOW_S))
    response.headers["Cache-Control"] = "no-store"
    if not view.done:
        response.headers["Retry-After"] = RETRY_AFTER
    return view


@router.get("/{batch_id}/needed", response_model=NeededPage)
def needed(
    caller: CallerOf,
    response: Response,
    batch_id: UUID,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
    cursor: Cursor = None,
) -> NeededPage:
    """The contents that are still to be sent, each once, in the manifest's order."""
    after = decode_number(cursor) if cursor is not None else -1
    with caller.session(Scope.SUBMIT) as (session, principal):
        batches.get(session, site_id=principal.site_id, batch_id=batch_id)
        rows = batches.needed(session, batch_id=batch_id, after=after, limit=limit + 1)
    following = encode_number(rows[limit - 1][0]) if len(rows) > limit else None
    response.headers["Cache-Control"] = "no-store"
    _link(response, f"{batch_path(batch_id)}/needed?limit={limit}", following)
    return NeededPage(items=[sha256 for _, sha256 in rows[:limit]], next=following)


@router.get("/{batch_id}/items", response_model=ItemPage)
def items(
    caller: CallerOf,
    response: Response,
    batch_id: UUID,
    wanted: Annotated[ItemQuery, Query()],
) -> ItemPage:
    """The Batch's files, in the manifest's order. Where it shows paths, the audit log records it."""
    after = decode_number(wanted.cursor) if wanted.cursor is not None else -1
    limit = wanted.limit
    with caller.session(Scope.READ) as (session, principal):
        batches.get(session, site_id=principal.site_id, batch_id=batch_id)
        rows = batches.items(
            session,
            batch_id=batch_id,
            states=wanted.state,
            job_states=wanted.job_state,
            code=wanted.code,
            after=after,
            limit=limit + 1,
        )
        key = None
        if wanted.paths:
            key = policies.site_key(session, site_id=principal.site_id, installation=caller.backends.installation)
        views = [item_view(row, batch_id=batch_id, key=key) for row in rows[:limit]]
        if wanted.paths:
            record_export(session, principal, batch_id, form="items")
    following = encode_number(rows[limit - 1].position) if len(rows) > limit else None
    response.headers["Cache-Control"] = "no-store"
    asked = wanted.model_dump(mode="json", exclude_defaults=True, exclude={"cursor", "limit"})
    _link(response, f"{batch_path(batch_id)}/items?{urlencode({'limit': limit, **asked}, doseq=True)}", following)
    return ItemPage(items=views, next=following)


def record_export(session: Session, principal: Principal, batch_id: UUID, *, form: str) -> None:
    """The audit record of whoever sees the paths of a Batch; last in its transaction."""
    audit.append(
        session,
        site_id=principal.site_id,
        actor=principal.actor,
        action=AuditAction.RESULT_EXPORTED,
        subject=f"batch {batch_id}",
        detail={"form": form},
    )


@router.post("/{batch_id}/complete", response_model=BatchView)
def complete(caller: CallerOf, response: Response, batch_id: UUID) -> BatchView:
    """Close the Batch: what was not sent is rejected with `not_received`. May be repeated."""
    with caller.session(Scope.SUBMIT) as (session, principal):
        batch = batches.complete(session, site_id=principal.site_id, batch_id=batch_id)
        return _view(session, batch, response)


@router.post("/{batch_id}/cancel", response_model=BatchView)
def cancel(caller: CallerOf, response: Response, batch_id: UUID) -> BatchView:
    """Close the Batch and cancel those of its Jobs that no other Batch shares. May be repeated."""
    with caller.session(Scope.SUBMIT) as (session, principal):
        batch = batches.cancel(session, site_id=principal.site_id, batch_id=batch_id)
        return _view(session, batch, response)


def _link(response: Response, path: str, following: str | None) -> None:
    if following is not None:
        response.headers["Link"] = f'<{path}&cursor={following}>; rel="next"'
