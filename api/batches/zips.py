"""A Batch's files in one zip: received whole, checked whole, and only then taken file by file."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

import anyio
import anyio.to_thread
from fastapi import Request

from api.batches.archive import Archive, Entry, Limits
from api.batches.items import SIDE_BY_SIDE, ItemSubmission, Outcome
from api.uploads.multipart import MAX_OVERHEAD_BYTES, FormReader
from api.uploads.request_body import body_blocks
from api.uploads.spool import Scratch, Spool
from core.errors import LucencyError, UploadEmpty


async def receive_archive(request: Request, filing: ItemSubmission) -> list[Outcome]:
    """The outcomes in the archive's order, without its folders.

    Raises ArchiveUnsafe, with nothing of it taken; and UploadTooLarge, UploadTooSlow, UploadEmpty, MultipartMalformed,
    DiskFull.
    """
    settings, limiters = filing.backends.settings, filing.backends.limiters
    with Scratch(settings.temporary_folder, limit=settings.archive_bytes) as scratch:
        feed, finish = _sink(request.headers.get("content-type", ""), scratch)
        async for block in body_blocks(request, settings, limit=settings.archive_bytes + MAX_OVERHEAD_BYTES):
            await anyio.to_thread.run_sync(feed, block, limiter=limiters.spool)
        finish()
        if scratch.size == 0:
            raise UploadEmpty
        with scratch.reading() as file:
            # The second walk shares the file's position with the first.
            archive, digests = await anyio.to_thread.run_sync(
                _check, file, scratch.size, filing, limiter=limiters.archive
            )
            return await _take(filing, archive, digests)


def _sink(content_type: str, scratch: Scratch) -> tuple[Callable[[bytes], None], Callable[[], None]]:
    """Where the body's blocks go, and what ends it: the zip may be the body, or the one file of a form."""
    if content_type.lower().startswith("multipart/"):
        reader = FormReader(content_type, write=scratch.write)
        return reader.feed, reader.finish
    return scratch.write, lambda: None


def _check(file: BinaryIO, size: int, filing: ItemSubmission) -> tuple[Archive, list[str]]:
    archive = Archive(file, size=size, limits=Limits.of(filing.backends.settings))
    return archive, archive.digests()


async def _take(filing: ItemSubmission, archive: Archive, digests: list[str]) -> list[Outcome]:
    """Submit each content once, some side by side; reading goes on one by one, for they share one file."""
    limiters = filing.backends.limiters
    outcomes: dict[str, Outcome] = {}
    room = anyio.Semaphore(SIDE_BY_SIDE)

    async def submit(spool: Spool) -> None:
        try:
            with spool:
                outcomes[spool.received_sha256] = await filing.take(spool)
        finally:
            room.release()

    async with anyio.create_task_group() as group:
        for entry, sha256 in zip(archive.entries, digests, strict=True):
            if entry.is_folder or sha256 in outcomes:
                continue
            known = await anyio.to_thread.run_sync(_look, filing, sha256)
            outcomes[sha256] = known
            if known.error is not None or (known.decision is not None and known.decision.final):
                continue
            await room.acquire()
            try:
                spool = await anyio.to_thread.run_sync(_extract, filing, archive, entry, limiter=limiters.spool)
            except LucencyError as error:
                outcomes[sha256] = Outcome(sha256, error=error)
                room.release()
                continue
            group.start_soon(submit, spool)
    return [outcomes[sha256] for entry, sha256 in zip(archive.entries, digests, strict=True) if not entry.is_folder]


def _look(filing: ItemSubmission, sha256: str) -> Outcome:
    try:
        return filing.look(sha256)
    except LucencyError as error:
        return Outcome(sha256, error=error)


def _extract(filing: ItemSubmission, archive: Archive, entry: Entry) -> Spool:
    settings = filing.backends.settings
    spool = Spool(settings.temporary_folder, limit=settings.upload_bytes, hash_beyond=True)
    try:
        for piece in archive.inflate(entry):
            spool.write(piece)
        spool.finish()
    except BaseException:
        spool.__exit__(None, None, None)
        raise
    return spool
