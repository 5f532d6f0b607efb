"""One streaming reader of `multipart/related` (RFC 2387) for STOW-RS: each part goes into a spool of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from api.dicomweb.media_types import DICOM, RELATED, parse
from api.uploads.spool import Spool
from core.errors import AcceptMalformed, LucencyError, MediaTypeUnsupported, MultipartMalformed, UploadEmpty

# So many bytes are parsed before finished parts are handed on: it bounds how many of them are open at once.
SLICE_BYTES = 8 * 1024
MAX_HEADER_BYTES = 8 * 1024


@dataclass(slots=True)
class Part:
    """A finished part: its spool, or why it could not be taken. Close the spool."""

    spool: Spool | None
    error: LucencyError | None


def boundary_of(content_type: str) -> bytes:
    """The boundary of a STOW-RS request. Raises MediaTypeUnsupported, MultipartMalformed."""
    try:
        types = parse(content_type)
    except AcceptMalformed as error:
        raise MediaTypeUnsupported from error
    if len(types) != 1 or not types[0].is_related:
        raise MediaTypeUnsupported(f'Instances are taken as {RELATED}; type="{DICOM}".')
    if types[0].parameters.get("type", DICOM).lower() != DICOM:
        raise MediaTypeUnsupported(f"Parts are taken as {DICOM}; metadata and bulk data apart are not.")
    boundary = types[0].parameters.get("boundary", "")
    if not boundary or len(boundary) > 70 or not boundary.isascii():
        raise MultipartMalformed("The request needs a multipart/related body with a boundary of 1 to 70 signs.")
    return boundary.encode()


class RelatedReader:
    """Feed it the body; `take` finished parts after each `feed`. Raises MultipartMalformed from `feed` and `finish`.

    What is wrong with one part alone, its type, its size or a full disk, is that part's error, and its bytes pass by.
    """

    def __init__(self, boundary: bytes, *, spool: Callable[[], Spool], limit: int) -> None:
        self.parts = 0
        self._spool = spool
        self._limit = limit
        self._current: Part | None = None
        self._finished: list[Part] = []
        self._complete = False
        self._headers: dict[bytes, bytes] = {}
        self._name = bytearray()
        self._value = bytearray()
        self._header_bytes = 0
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

    def feed(self, data: bytes) -> None:
        """The next at most SLICE_BYTES of the body."""
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise MultipartMalformed("The multipart body is malformed.") from error

    @property
    def has_finished(self) -> bool:
        """Whether a part waits to be taken."""
        return bool(self._finished)

    def take(self) -> list[Part]:
        """The parts that were finished since the last call."""
        taken, self._finished = self._finished, []
        return taken

    def finish(self) -> None:
        """The body ended: it must have been complete."""
        if not self._complete:
            raise MultipartMalformed("The multipart body ends before its last boundary.")

    def close(self) -> None:
        """Let go of what was not taken."""
        for part in (*self._finished, self._current):
            if part is not None and part.spool is not None:
                part.spool.__exit__(None, None, None)

    def _begin(self) -> None:
        self.parts += 1
        if self.parts > self._limit:
            raise MultipartMalformed(f"The multipart body has more than {self._limit} parts.")
        self._headers = {}
        self._header_bytes = 0

    def _on_name(self, data: bytes, start: int, end: int) -> None:
        self._grow(end - start)
        self._name += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._grow(end - start)
        self._value += data[start:end]

    def _grow(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > MAX_HEADER_BYTES:
            raise MultipartMalformed("A part of the multipart body has too long a header.")

    def _on_header_end(self) -> None:
        self._headers[bytes(self._name).lower()] = bytes(self._value)
        self._name.clear()
        self._value.clear()

    def _on_headers(self) -> None:
        content_type = self._headers.get(b"content-type", DICOM.encode()).decode("latin-1")
        self._current = Part(None, None)
        if content_type.partition(";")[0].strip().lower() != DICOM:
            self._current.error = MediaTypeUnsupported(f"A part is not {DICOM}.")
            return
        try:
            self._current.spool = self._spool()
        except LucencyError as error:
            self._current.error = error

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        part = self._current
        if part is None:
            raise MultipartMalformed("The multipart body is malformed.")
        if part.spool is None or part.error is not None:
            return
        try:
            part.spool.write(data[start:end])
        except LucencyError as error:
            part.error = error

    def _on_part_end(self) -> None:
        part, self._current = self._current, None
        if part is None:
            return
        if part.spool is not None and part.error is None:
            if part.spool.size == 0:
                part.error = UploadEmpty()
            else:
                part.spool.finish()
        self._finished.append(part)

    def _on_end(self) -> None:
        self._complete = True
