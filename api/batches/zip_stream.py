"""A zip written as it is sent: entries are stored whole, and what the end must list is kept on disk, not in memory.

After APPNOTE 6.3.10, with the Zip64 forms wherever a number does not fit. PNG and PDF are compressed already.
"""

from __future__ import annotations

import struct
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

# 1980-01-01 00:00, the least that a zip can say: the same results give the same archive.
DATE, TIME = 0x21, 0
FULL16, FULL32 = 0xFFFF, 0xFFFFFFFF
UTF8 = 1 << 11
PIECE_BYTES = 256 * 1024
_VERSION = 45
_UNIX_FILE = 0o100644 << 16


class ZipStream:
    """Give what `add` and `finish` return to whoever receives the archive, in their order."""

    def __init__(self, folder: Path | None) -> None:
        self._directory = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self._count = 0
        self._offset = 0

    def __enter__(self) -> ZipStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._directory.close()

    def add(self, name: str, content: bytes) -> bytes:
        """One whole entry of less than 4 GiB."""
        return self._begin(name, len(content), zlib.crc32(content)) + content

    def add_file(self, name: str, file: BinaryIO, *, size: int, crc: int) -> Iterator[bytes]:
        """One entry from a file of less than 4 GiB, whose CRC-32 is known."""
        yield self._begin(name, size, crc)
        while piece := file.read(PIECE_BYTES):
            yield piece

    def finish(self) -> Iterator[bytes]:
        """The central directory and the archive's end."""
        start, length = self._offset, self._directory.tell()
        self._directory.seek(0)
        while piece := self._directory.read(PIECE_BYTES):
            yield piece
        end = start + length
        if self._count >= FULL16 or end >= FULL32:
            yield struct.pack(
                "<4sQ2H2L4Q", b"PK\6\6", 44, _VERSION, _VERSION, 0, 0, self._count, self._count, length, start
            )
            yield struct.pack("<4sLQL", b"PK\6\7", 0, end, 1)
        count = min(self._count, FULL16)
        yield struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, min(length, FULL32), min(start, FULL32), 0)

    def _begin(self, name: str, size: int, crc: int) -> bytes:
        raw = name.encode()
        shared = struct.pack("<5H3L", _VERSION, UTF8, 0, TIME, DATE, crc, size, size)
        wide = struct.pack("<HHQ", 1, 8, self._offset) if self._offset >= FULL32 else b""
        self._directory.write(
            b"PK\1\2"
            + struct.pack("<H", 3 << 8 | _VERSION)
            + shared
            + struct.pack("<5H2L", len(raw), len(wide), 0, 0, 0, _UNIX_FILE, min(self._offset, FULL32))
            + raw
            + wide
        )
        header = b"PK\3\4" + shared + struct.pack("<2H", len(raw), 0) + raw
        self._offset += len(header) + size
        self._count += 1
        return header
