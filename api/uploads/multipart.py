"""One streaming reader of `multipart/form-data` for uploads: the file's bytes pass through, fields stay small.

It sits on python-multipart's low-level parser (RFC 7578). Starlette's `form()` spools a whole body before any limit of
ours could speak.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from core.errors import MultipartMalformed

FILE_PART = "file"
MAX_PARTS = 16
MAX_FIELD_BYTES = 4096
# What a client's own boundary lines and part headers may add to the file and its fields.
MAX_OVERHEAD_BYTES = 64 * 1024


@dataclass(slots=True)
class _Part:
    name: str
    is_file: bool
    value: bytearray = field(default_factory=bytearray)


class FormReader:
    """Feed it the body's chunks; it hands the file part's bytes on and collects the fields.

    Raises MultipartMalformed from `feed` and `finish`; whatever `write` raises passes through.
    """

    def __init__(self, content_type: str, *, write: Callable[[bytes], None]) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary", b"")
        if kind != b"multipart/form-data" or not boundary:
            raise MultipartMalformed("The request needs a multipart/form-data body with a boundary.")
        self.fields: dict[str, str] = {}
        self.file_name = ""
        self.file_content_type = ""
        self.has_file = False
        self._write = write
        self._part: _Part | None = None
        self._parts = 0
        self._headers: dict[bytes, bytes] = {}
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._complete = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._on_header_name,
                    "on_header_value": self._on_header_value,
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_headers,
                    "on_part_data": self._on_data,
                    "on_part_end": self._on_part_end,
                    "on_end": self._on_end,
                },
            )
        except FormParserError as error:
            raise MultipartMalformed("The boundary is too long.") from error

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the body."""
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise MultipartMalformed("The multipart body is malformed.") from error

    def finish(self) -> None:
        """The body ended: it must have been complete, with its one file part."""
        if not self._complete:
            raise MultipartMalformed("The multipart body ends before its last boundary.")
        if not self.has_file:
            raise MultipartMalformed(f"The multipart body has no part named '{FILE_PART}'.")

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise MultipartMalformed(f"The multipart body has more than {MAX_PARTS} parts.")
        self._headers = {}

    def _on_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[bytes(self._header_name).lower()] = bytes(self._header_value)
        self._header_name.clear()
        self._header_value.clear()

    def _on_headers(self) -> None:
        disposition, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if disposition != b"form-data" or not name or len(name) > 100:
            raise MultipartMalformed("A part of the multipart body has no name.")
        is_file = name == FILE_PART
        if is_file:
            if self.has_file:
                raise MultipartMalformed("The multipart body has more than one file part.")
            self.has_file = True
            self.file_name = options.get(b"filename", b"").decode("utf-8", "replace")
            self.file_content_type = self._headers.get(b"content-type", b"").decode("latin-1")
        elif b"filename" in options:
            raise MultipartMalformed(f"Only the part named '{FILE_PART}' may be a file.")
        elif name in self.fields:
            raise MultipartMalformed("A field of the multipart body is given twice.")
        self._part = _Part(name=name, is_file=is_file)

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        part = self._part
        if part is None:
            raise MultipartMalformed("The multipart body is malformed.")
        if part.is_file:
            self._write(data[start:end])
            return
        part.value += data[start:end]
        if len(part.value) > MAX_FIELD_BYTES:
            raise MultipartMalformed(f"A field of the multipart body is longer than {MAX_FIELD_BYTES} bytes.")

    def _on_part_end(self) -> None:
        part = self._part
        if part is not None and not part.is_file:
            try:
                self.fields[part.name] = part.value.decode("utf-8")
            except UnicodeDecodeError as error:
                raise MultipartMalformed("A field of the multipart body is not UTF-8.") from error
        self._part = None

    def _on_end(self) -> None:
        self._complete = True
