"""A file as it is stored: pieces of our own between ranges of the file that came, so that pixels are never copied."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, cast

from core.identity import Identity
from imaging.header import Header

BLOCK = 1024 * 1024

# Bytes, or (start, length) of the file.
Piece = bytes | tuple[int, int]


class Pieces(io.RawIOBase):
    """Reads `pieces` one after another, as one file; `file` is where their ranges lie."""

    def __init__(self, file: BinaryIO, pieces: Sequence[Piece]) -> None:
        self.file = file
        self.pieces = pieces
        self._index = 0
        self._inside = 0
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if whence != io.SEEK_SET:
            offset += self._position if whence == io.SEEK_CUR else sum(map(length_of, self.pieces))
        self._index, self._inside, self._position = 0, offset, offset
        while self._index < len(self.pieces) and self._inside >= length_of(self.pieces[self._index]):
            self._inside -= length_of(self.pieces[self._index])
            self._index += 1
        return offset

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes, fewer at the end only; none after it."""
        parts = []
        while size != 0 and self._index < len(self.pieces):
            part = self._some(size)
            if not part:
                self._index, self._inside = self._index + 1, 0
                continue
            self._inside += len(part)
            self._position += len(part)
            size = size - len(part) if size > 0 else size
            parts.append(part)
        return b"".join(parts)

    def _some(self, size: int) -> bytes:
        piece = self.pieces[self._index]
        if isinstance(piece, bytes):
            return piece[self._inside :] if size < 0 else piece[self._inside : self._inside + size]
        start, length = piece
        left = length - self._inside
        self.file.seek(start + self._inside)
        return self.file.read(left if size < 0 else min(size, left))


@dataclass(frozen=True, slots=True)
class Stored:
    """What is put into the store for one upload; `header` is that of the stored bytes.

    `identity` is None of a file that can hold none (PNG, JPEG). `patient`: the Patient ID that the stored instance has
    instead of its own, empty where it had none. `made`: a file of our own that the pieces are ranges of, where they are
    not of the file that came.
    """

    header: Header
    pieces: tuple[Piece, ...]
    size: int
    sha256: str
    identity: Identity | None = None
    patient: str = ""
    made: BinaryIO | None = field(default=None, compare=False)

    def reading(self, file: BinaryIO) -> BinaryIO:
        """A reader at the start of what is stored; `file` is the one that came."""
        return cast(BinaryIO, Pieces(self.made or file, self.pieces))

    def close(self) -> None:
        if self.made is not None:
            self.made.close()


def length_of(piece: Piece) -> int:
    return len(piece) if isinstance(piece, bytes) else piece[1]


def measured(file: BinaryIO, pieces: Sequence[Piece]) -> tuple[int, str]:
    """Size in bytes and SHA-256 of what the pieces make."""
    digest = hashlib.sha256()
    reader = Pieces(file, pieces)
    while block := reader.read(BLOCK):
        digest.update(block)
    return reader.tell(), digest.hexdigest()
