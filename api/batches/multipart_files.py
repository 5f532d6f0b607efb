"""Many files in one multipart body: each is spooled, submitted when it is complete, and forgotten."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import anyio.to_thread
from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from api.batches.items import SIDE_BY_SIDE, ItemSubmission, Outcome
from api.uploads.multipart import FILE_PART
from api.uploads.request_body import body_blocks
from api.uploads.spool import Spool
from core.errors import LucencyError, MultipartMalformed

MAX_FILES = 1000


class FilesReader:
    """Feed it the body's blocks; complete files gather in `finished`, to be taken and closed by the caller.

    Raises MultipartMalformed from `feed` and `finish`; what the spools raise passes through.
    """

    def __init__(self, content_type: str, *, open_spool: Callable[[], Spool]) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary", b"")
        if kind != b"multipart/form-data" or not boundary:
            raise MultipartMalformed("The request needs a multipart/form-data body with a boundary.")
        self.finished: list[Spool] = []
        self.files = 0
        self._open_spool = open_spool
        self._spool: Spool | None = None
        self._name = bytearray()
        self._value = bytearray()
        self._disposition = b""
        self._complete = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._on_name,
                    "on_header_value": self._on_value,
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_headers,
                    "on_part_data": self._on_data,
                    "on_part_end": self._on_part_end,
                    "on_end": self._on_end,
                },
            )
        except FormParserError as error:
            raise MultipartMalformed("The boundary is too long.") from error

    def feed(self, block: bytes) -> None:
        """Take the next bytes of the body."""
        try:
            self._parser.write(block)
        except FormParserError as error:
            raise MultipartMalformed("The multipart body is malformed.") from error

    def finish(self) -> None:
        """The body ended: it must have been complete, with one file at least."""
        if not self._complete:
            raise MultipartMalformed("The multipart body ends before its last boundary.")
        if self.files == 0:
            raise MultipartMalformed(f"The multipart body has no part named '{FILE_PART}'.")

    def close(self) -> None:
        """Give up what was not taken."""
        for spool in [*self.finished, *([self._spool] if self._spool else [])]:
            spool.__exit__(None, None, None)
        self.finished, self._spool = [], None

    def _begin(self) -> None:
        self._disposition = b""
        self._name.clear()
        self._value.clear()

    def _on_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        if bytes(self._name).lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._name.clear()
        self._value.clear()

    def _on_headers(self) -> None:
        disposition, options = parse_options_header(self._disposition)
        if disposition != b"form-data" or options.get(b"name") != FILE_PART.encode():
            raise MultipartMalformed(f"Every part of the multipart body must be named '{FILE_PART}'.")
        self.files += 1
        if self.files > MAX_FILES:
            raise MultipartMalformed(f"The multipart body has more than {MAX_FILES} files.")
        self._spool = self._open_spool()

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if self._spool is None:
            raise MultipartMalformed("The multipart body is malformed.")
        self._spool.write(data[start:end])

    def _on_part_end(self) -> None:
        if self._spool is not None:
            self._spool.finish()
            self.finished.append(self._spool)
            self._spool = None

    def _on_end(self) -> None:
        self._complete = True


async def receive_files(request: Request, filing: ItemSubmission) -> list[Outcome]:
    """Take every file of the body; the outcomes are in their order.

    Raises what ends the whole body: MultipartMalformed, UploadTooLarge, UploadTooSlow, UploadEmpty, DiskFull and
    starlette's ClientDisconnect. What was complete by then is taken all the same.
    """
    settings, limiters = filing.backends.settings, filing.backends.limiters

    def open_spool() -> Spool:
        return Spool(settings.temporary_folder, limit=settings.upload_bytes, hash_beyond=True)

    reader = FilesReader(request.headers.get("content-type", ""), open_spool=open_spool)
    outcomes: dict[int, Outcome] = {}
    room = anyio.Semaphore(SIDE_BY_SIDE)

    async def take(number: int, spool: Spool) -> None:
        try:
            with spool:
                outcomes[number] = await filing.take(spool)
        finally:
            room.release()

    failure: Exception | None = None
    try:
        async with anyio.create_task_group() as group:
            number = 0
            try:
                async for block in body_blocks(request, settings, limit=MAX_FILES * settings.upload_bytes):
                    await anyio.to_thread.run_sync(reader.feed, block, limiter=limiters.spool)
                    while reader.finished:
                        await room.acquire()
                        group.start_soon(take, number, reader.finished.pop(0))
                        number += 1
                reader.finish()
            except (LucencyError, ClientDisconnect) as error:
                # The group would otherwise stop the files that are on their way.
                failure = error
    finally:
        reader.close()
    if failure is not None:
        raise failure
    return [outcomes[number] for number in sorted(outcomes)]
