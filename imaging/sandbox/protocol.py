"""What goes between the pool and a decoder process: requests over a socket, answers over a pipe.

A file on disk is not sent: its descriptor is, once more opened and for reading only, and the child maps it. What is
nowhere but in memory is sent.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterable

from imaging.stored import Piece

# Lengths of the request (`imaging.decode_requests`), of the table of pieces and of the bytes that are sent, all of
# which follow; `longest_side`, `timeout_s`. With it comes the descriptor, where a piece is a range of its file.
REQUEST = struct.Struct(">HQQId")
# Length of a JSON head, length of the pixels; both follow.
ANSWER = struct.Struct(">IQ")
# Start and length of a range of the file; SENT for a start: the next bytes of those that are sent.
PIECE = struct.Struct(">qQ")
SENT = -1


def table(pieces: Iterable[tuple[int, int]]) -> bytes:
    """(start, length) of all pieces."""
    return b"".join(itertools.starmap(PIECE.pack, pieces))


def pieces_of(written: bytes, sent: bytes) -> list[Piece]:
    """The pieces of a table, with their bytes."""
    pieces: list[Piece] = []
    position = 0
    for start, length in PIECE.iter_unpack(written):
        if start == SENT:
            pieces.append(sent[position : position + length])
            position += length
        else:
            pieces.append((start, length))
    return pieces
