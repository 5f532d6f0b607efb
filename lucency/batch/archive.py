"""The files of a batch as zip archives that are written while they are sent: neither memory nor disk holds one."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from lucency.batch.upload import LOSSES, Reading

# The server keeps an archive until it is read, and what breaks off is sent again as a whole.
FILES, BYTES = 500, 512 * 1024 * 1024
PIECE_BYTES = 256 * 1024


class _Pipe(io.RawIOBase):
    """What zipfile writes, until it is taken."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        piece = bytes(data)  # type: ignore[call-overload]
        self._pieces.append(piece)
        self._size += len(piece)
        return len(piece)

    def take(self, least: int) -> Iterator[bytes]:
        """All of it, when there are at least so many bytes."""
        if self._size >= least:
            yield b"".join(self._pieces)
            self._pieces, self._size = [], 0


def parts(readings: Iterable[Reading]) -> Iterator[list[Reading]]:
    """Readings in the portions of one archive each."""
    part: list[Reading] = []
    size = 0
    for reading in readings:
        if part and (len(part) >= FILES or size + reading.size > BYTES):
            yield part
            part, size = [], 0
        part.append(reading)
        size += reading.size
    if part:
        yield part


def archive(part: Sequence[Reading]) -> Iterator[bytes]:
    """A stored zip of these files, in pieces. Names in it are numbers: paths may name patients.

    A file that cannot be opened is left out; one that fails in its middle spoils its own entry only.
    """
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED) as target:
        for number, reading in enumerate(part):
            pieces = reading.pieces()
            try:
                first = next(pieces, b"")
            except LOSSES:
                continue
            with target.open(f"{number:06d}{Path(reading.path).suffix}", "w", force_zip64=True) as entry:
                entry.write(first)
                with suppress(*LOSSES):
                    for piece in pieces:
                        yield from pipe.take(PIECE_BYTES)
                        entry.write(piece)
            yield from pipe.take(PIECE_BYTES)
    yield from pipe.take(1)
