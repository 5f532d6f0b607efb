"""From a request's body stream to a spooled upload, under limits of size and time that hold while it streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import anyio.to_thread
from fastapi import Request
from pydantic import BaseModel, ValidationError

from api.uploads.multipart import MAX_OVERHEAD_BYTES, FormReader
from api.uploads.spool import Spool
from core.errors import RequestInvalid, UploadEmpty, UploadTooLarge, UploadTooSlow
from core.settings import Settings

# Parsing, hashing and writing happen in threads; one hop moves this much. Times the concurrent uploads, this is the
# API's memory for them.
HOP_BYTES = 500_000

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Upload:
    """A complete upload: the spooled file, its form fields, and what the client said the file is."""

    spool: Spool
    fields: dict[str, str]
    file_name: str
    content_type: str


@asynccontextmanager
async def receive_upload(
    request: Request, settings: Settings, *, limiter: anyio.CapacityLimiter
) -> AsyncIterator[Upload]:
    """Spool the request's multipart body; the file is gone when the block ends.

    Raises UploadTooLarge, UploadTooSlow, UploadEmpty, MultipartMalformed, DiskFull, and starlette's ClientDisconnect.
    """
    limit = settings.upload_bytes + MAX_OVERHEAD_BYTES
    _check_length(request, limit)
    with Spool(settings.temporary_folder, limit=settings.upload_bytes) as spool:
        reader = FormReader(request.headers.get("content-type", ""), write=spool.write)
        try:
            async with asyncio.timeout(settings.upload_timeout):
                await _stream(request, reader, spool, limit=limit, limiter=limiter)
        except TimeoutError as error:
            raise UploadTooSlow(f"The upload took longer than {settings.upload_timeout:g} s.") from error
        yield Upload(
            spool=spool, fields=reader.fields, file_name=reader.file_name, content_type=reader.file_content_type
        )


async def body_blocks(request: Request, settings: Settings, *, limit: int) -> AsyncIterator[bytes]:
    """The body in blocks of about HOP_BYTES, at most `limit` bytes, for bodies of many files.

    The client may take `upload_timeout`, and as long again as bytes take at the slowest rate that a single upload may
    have; what the server does between blocks is not counted. Raises UploadTooLarge, UploadTooSlow, UploadEmpty.
    """
    _check_length(request, limit)
    slowest = settings.upload_bytes / settings.upload_timeout
    clock = asyncio.get_running_loop().time
    received, waited = 0, 0.0
    pending: list[bytes] = []
    waiting = 0
    stream = aiter(request.stream())
    while True:
        started = clock()
        try:
            async with asyncio.timeout(settings.upload_timeout + received / slowest - waited):
                chunk = await anext(stream)
        except StopAsyncIteration:
            break
        except TimeoutError as error:
            raise UploadTooSlow("The body came too slowly.") from error
        waited += clock() - started
        received += len(chunk)
        if received > limit:
            raise UploadTooLarge(f"The request is larger than {limit} bytes.")
        pending.append(chunk)
        waiting += len(chunk)
        if waiting >= HOP_BYTES:
            yield b"".join(pending)
            pending, waiting = [], 0
    if received == 0:
        raise UploadEmpty
    if waiting:
        yield b"".join(pending)


async def receive_json(request: Request, settings: Settings, model: type[Model], *, limit: int) -> Model:
    """A body of at most `limit` bytes as `model`. Raises RequestInvalid, and what `body_blocks` does."""
    body = b"".join([block async for block in body_blocks(request, settings, limit=limit)])
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RequestInvalid(f"The body is not as it should be{f', at {where}' if where else ''}.") from error


def _check_length(request: Request, limit: int) -> None:
    length = request.headers.get("content-length")
    if length is None:
        return
    if not length.isdigit() or int(length) > limit:
        raise UploadTooLarge(f"The request is larger than {limit} bytes.")
    if int(length) == 0:
        raise UploadEmpty


async def _stream(
    request: Request, reader: FormReader, spool: Spool, *, limit: int, limiter: anyio.CapacityLimiter
) -> None:
    received = 0
    pending: list[bytes] = []
    waiting = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > limit:
            raise UploadTooLarge(f"The request is larger than {limit} bytes.")
        pending.append(chunk)
        waiting += len(chunk)
        if waiting >= HOP_BYTES:
            # Not abandoned on a timeout: the thread would write to a file that is being closed.
            await anyio.to_thread.run_sync(_feed, reader, pending, limiter=limiter)
            pending, waiting = [], 0
    if received == 0:
        raise UploadEmpty
    await anyio.to_thread.run_sync(_finish, reader, spool, pending, limiter=limiter)


def _feed(reader: FormReader, chunks: list[bytes]) -> None:
    for chunk in chunks:
        reader.feed(chunk)


def _finish(reader: FormReader, spool: Spool, rest: list[bytes]) -> None:
    _feed(reader, rest)
    reader.finish()
    if spool.size == 0:
        raise UploadEmpty
    spool.finish()
