"""The ways that the files of a Batch come in: one, many, as a zip, or by way of the object store."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import anyio.to_thread
from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import JSONResponse

from api.batches.items import ItemSubmission, Outcome, filing_of
from api.batches.multipart_files import receive_files
from api.batches.presigned import presign, take_stored
from api.batches.schemas import OutcomeList, OutcomeView, PresignedList, UploadsBody
from api.batches.zips import receive_archive
from api.dependencies import CallerOf
from api.schemas import as_json
from api.uploads.request_body import body_blocks, receive_json
from api.uploads.spool import Spool
from core.errors import UploadEmpty, UploadTooLarge

router = APIRouter(prefix="/v1/batches/{batch_id}", tags=["batches"])

Sha256 = Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="Of the file as the client has it.")]
UPLOADS_BYTES = 128 * 1024
BINARY: dict[str, Any] = {"type": "string", "format": "binary"}


def _body(**schemas: dict[str, Any]) -> dict[str, Any]:
    content = {kind: {"schema": schema} for kind, schema in schemas.items()}
    return {"requestBody": {"required": True, "content": content}}


def _form(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": ["file"], "properties": {"file": schema}, "additionalProperties": False}


@router.put(
    "/files/{sha256}", status_code=201, response_model=OutcomeView, responses={200: {"model": OutcomeView}},
    openapi_extra=_body(**{"application/octet-stream": BINARY}),
)  # fmt: skip
async def put_file(request: Request, caller: CallerOf, batch_id: UUID, sha256: Sha256) -> Response:
    """Send one file, as the raw body. 201 with its new Job; 200 for a duplicate, and for what was decided before."""
    filing = await filing_of(caller, batch_id)
    outcome = await anyio.to_thread.run_sync(filing.look, sha256)
    if outcome.decision is None or not outcome.decision.final:
        outcome = await _receive(request, filing, sha256)
    return _answer(outcome)


async def _receive(request: Request, filing: ItemSubmission, sha256: str) -> Outcome:
    settings, limiters = filing.backends.settings, filing.backends.limiters
    with Spool(settings.temporary_folder, limit=settings.upload_bytes) as spool:
        try:
            async for block in body_blocks(request, settings, limit=settings.upload_bytes):
                await anyio.to_thread.run_sync(spool.write, block, limiter=limiters.spool)
        except UploadTooLarge as refusal:
            return await filing.refuse(sha256, refusal)
        except UploadEmpty:
            pass  # an empty file may be in the manifest; its hash will tell
        await anyio.to_thread.run_sync(spool.finish, limiter=limiters.spool)
        return await filing.take(spool, claimed=sha256)


def _answer(outcome: Outcome) -> Response:
    view = outcome.require()
    return JSONResponse(as_json(view), status_code=201 if outcome.made else 200, headers={"Cache-Control": "no-store"})


@router.post(
    "/files", response_model=OutcomeList,
    openapi_extra=_body(**{"multipart/form-data": _form({"type": "array", "items": BINARY, "maxItems": 1000})}),
)  # fmt: skip
async def post_files(request: Request, caller: CallerOf, batch_id: UUID) -> Response:
    """Send many files, each a part `file`. 200 with the outcome of each, in their order."""
    filing = await filing_of(caller, batch_id)
    return _answers(await receive_files(request, filing))


@router.post(
    "/archive", response_model=OutcomeList,
    openapi_extra=_body(**{"application/zip": BINARY, "multipart/form-data": _form(BINARY)}),
)  # fmt: skip
async def post_archive(request: Request, caller: CallerOf, batch_id: UUID) -> Response:
    """Send a zip. 200 with the outcome of each of its files; 422 `archive_unsafe` with nothing of it taken."""
    filing = await filing_of(caller, batch_id)
    return _answers(await receive_archive(request, filing))


def _answers(outcomes: list[Outcome]) -> Response:
    body = OutcomeList(results=[outcome.view() for outcome in outcomes])
    return JSONResponse(as_json(body), headers={"Cache-Control": "no-store"})


@router.post(
    "/uploads", response_model=PresignedList,
    openapi_extra=_body(**{"application/json": UploadsBody.model_json_schema()}),
)  # fmt: skip
async def presigned(request: Request, caller: CallerOf, batch_id: UUID) -> Response:
    """Forms with which the named files can be sent straight to the object store."""
    filing = await filing_of(caller, batch_id)
    body = await receive_json(request, caller.backends.settings, UploadsBody, limit=UPLOADS_BYTES)
    posts = await anyio.to_thread.run_sync(presign, filing, body)
    return JSONResponse(as_json(posts), headers={"Cache-Control": "no-store"})


@router.post(
    "/uploads/{sha256}/received", status_code=201, response_model=OutcomeView, responses={200: {"model": OutcomeView}}
)
async def received(caller: CallerOf, batch_id: UUID, sha256: Sha256) -> Response:
    """Take a file that was sent to the object store; answers as the upload itself would have been."""
    filing = await filing_of(caller, batch_id)
    return _answer(await take_stored(filing, sha256))
