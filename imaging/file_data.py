"""The bytes of one file, wherever they lie: in memory, or in a mapped file, of which nothing is copied without need."""

from __future__ import annotations

import io
import mmap
from collections.abc import Sequence
from typing import BinaryIO, cast

from imaging.stored import Piece, Pieces, length_of


class FileData:
    """`pieces` one after another; `mapped` is where their ranges lie."""

    def __init__(self, pieces: Sequence[Piece], mapped: mmap.mmap | None = None) -> None:
        self._pieces = pieces
        self._mapped = mapped

    @classmethod
    def of(cls, data: bytes | FileData) -> FileData:
        return data if isinstance(data, FileData) else cls((data,))

    def reading(self) -> BinaryIO:
        """A reader at the start."""
        if len(self._pieces) == 1 and isinstance(self._pieces[0], bytes):
            return io.BytesIO(self._pieces[0])
        return cast(BinaryIO, Pieces(cast(BinaryIO, self._mapped), self._pieces))

    def head(self, size: int) -> bytes:
        """The first `size` bytes, or what there is."""
        return self.reading().read(size)

    def part(self, start: int, length: int) -> bytes | memoryview:
        """The bytes from `start`, at most `length`: not a copy where they lie together."""
        position = start
        for piece in self._pieces:
            size = length_of(piece)
            if position < size:
                if position + length <= size:
                    return self._view(piece)[position : position + length]
                break
            position -= size
        reader = self.reading()
        reader.seek(start)
        return reader.read(length)

    def whole(self) -> bytes:
        """All of it, in memory."""
        if len(self._pieces) == 1 and isinstance(self._pieces[0], bytes):
            return self._pieces[0]
        return b"".join(self._view(piece) for piece in self._pieces)

    def _view(self, piece: Piece) -> memoryview:
        if isinstance(piece, bytes):
            return memoryview(piece)
        start, length = piece
        return memoryview(cast(mmap.mmap, self._mapped))[start : start + length]
