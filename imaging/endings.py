"""Codestreams without their end marker: whole where every line is there, cut short where one is not.

JPEG (ITU-T T.81), JPEG-LS (T.87) and JPEG 2000 (T.800) all end with FF D9. Some writers leave it out, or a fragment's
padding takes its place. The codecs of JPEG-LS and JPEG 2000 refuse what lacks a line once the marker is written behind
it. libjpeg only warns, to nobody, and paints the rest in one grey: there a frame is whole where its picture does not
depend on what is written behind it. Only decoder processes do this.
"""

from __future__ import annotations

import random
import re
import struct
from collections.abc import Callable, Iterator
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from core.errors import InputRejected
from imaging.codestream import FRAME_MARKERS, J2K_START, LOSSLESS, START_OF_SCAN, jpeg_frame

END = b"\xff\xd9"
Decode = Callable[[bytes], NDArray[Any]]
# Of the zeros at the end so many may be the frame's own; the others are padding.
OWN_ZEROS = 8
# So many lines, or this part of them, may be coded by zeros alone. What was cut short and filled with zeros has more.
LINES, SHARE = {True: 2, False: 16}, 0.01
# How much is written behind a JPEG, between restart markers, for a decoder that waits for one skips all else.
BEHIND, RESTARTS = 64, 8
MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
RESTART = re.compile(rb"\xff([\xd0-\xd7])")
PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
START_OF_TILE_PART = b"\xff\x90\x00\x0a"


def closed_jpeg(data: bytes, truncated: InputRejected, *, faults: tuple[type[BaseException], ...]) -> bytes:
    """The JPEG `data` with an end marker. Raises `truncated` where a line is missing.

    `faults` are what codecs raise.
    """
    scan = data.rfind(b"\xff\xda")
    found = data.find(END, scan)
    if found >= 0:
        return data[: found + 2]
    data = data.rstrip(b"\xff")  # half of the marker
    try:
        if _is_coded_throughout(data) and _is_whole(data, scan):
            return data + END
    except MemoryError:
        raise  # which says nothing of the file
    except faults as error:
        raise truncated from error
    raise truncated


def closed_jpeg_ls(
    data: bytes, decode: Decode, truncated: InputRejected, *, faults: tuple[type[BaseException], ...]
) -> bytes:
    """The same of JPEG-LS, by `decode`, which refuses what is cut short."""
    found = data.rfind(END)
    if found >= 0:
        return data[: found + 2]
    data = data.rstrip(b"\xff")
    bare = _bare(data)
    lengths = range(len(bare), min(len(bare) + OWN_ZEROS, len(data)) + 1)
    # Last, half of the marker with padding behind it.
    bodies = [data[:length] for length in (*lengths, len(bare.rstrip(b"\0\xff")))]
    return _first_decoded(bodies, decode, truncated, faults=faults)


def closed_jpeg_2000(
    data: bytes, decode: Decode, truncated: InputRejected, *, faults: tuple[type[BaseException], ...]
) -> bytes:
    """The same of JPEG 2000. Its tile-parts say how long they are, but for the last, which may go on to the end."""
    found = data.rfind(END)
    if found >= 0:
        return data[: found + 2]
    end = _end_of_tiles(data)
    if end is None:
        raise truncated
    bare = _bare(data[:end].rstrip(b"\xff")) if end == len(data) else data[:end]
    lengths = range(len(bare), min(len(bare) + OWN_ZEROS, end) + 1)
    bodies = [data[:length] for length in (*lengths, len(bare.rstrip(b"\0\xff")))]
    return _first_decoded(bodies if end == len(data) else [bare], decode, truncated, faults=faults)


def _first_decoded(
    bodies: list[bytes], decode: Decode, truncated: InputRejected, *, faults: tuple[type[BaseException], ...]
) -> bytes:
    for body in bodies:
        try:
            decode(body + END)
        except MemoryError:
            raise
        except faults:
            continue
        return body + END
    raise truncated


def _bare(data: bytes) -> bytes:
    """`data` without the zeros at its end. FF is never coded data's last byte: a zero follows it."""
    bare = data.rstrip(b"\0")
    return data[: len(bare) + 1] if bare.endswith(b"\xff") else bare


def _is_whole(data: bytes, scan: int) -> bool:
    """Whether the JPEG `data`, whose last scan begins at `scan`, codes every line of its picture."""
    bare = _bare(data)
    sure, lines = _sure_lines(bare, scan)
    if sure == lines or bare == data:
        return sure == lines
    few = max(LINES[jpeg_frame(data).marker == LOSSLESS], lines * SHARE)
    return lines - sure <= few and _sure_lines(data, scan)[0] == lines


def _sure_lines(data: bytes, scan: int) -> tuple[int, int]:
    """How many lines of the picture do not depend on what is written behind `data`, and how many there are."""
    one, other = (imagecodecs.jpeg8_decode(data + behind + END) for behind in _behind(data[scan:]))
    differs = (one != other).reshape(len(one), -1).any(axis=1)
    return int(np.argmax(differs)) if differs.any() else len(one), len(one)


def _behind(scan: bytes) -> tuple[bytes, bytes]:
    """Two ways in which the last `scan` could go on: no bit of them is the same."""
    numbers = RESTART.findall(scan)
    following = numbers[-1][0] - 0xD0 + 1 if numbers else 0
    restarts = [bytes((0xFF, 0xD0 + (following + step) % 8)) for step in range(RESTARTS)]
    noise = random.Random(0)
    one = [bytes(noise.randrange(1, 255) for _ in range(BEHIND)) for _ in range(RESTARTS + 1)]
    other = [bytes(255 - value for value in part) for part in one]
    first, second = (parts[0] + b"".join(map(bytes.__add__, restarts, parts[1:])) for parts in (one, other))
    return first, second


def _is_coded_throughout(data: bytes) -> bool:
    """Whether the scans that there are hold every component, and of a progressive JPEG every bit of every frequency."""
    components: set[int] = set()
    coded: dict[int, list[int | None]] = {}
    progressive = False
    try:
        for marker, segment in _segments(data):
            if marker in FRAME_MARKERS:
                progressive = marker in PROGRESSIVE
                components = set(segment[6 : 6 + 3 * segment[5] : 3])
            elif marker == START_OF_SCAN:
                count = segment[0]
                start, stop, low_bit = segment[1 + 2 * count], segment[2 + 2 * count], segment[3 + 2 * count] & 15
                for component in segment[1 : 1 + 2 * count : 2]:
                    bands = coded.setdefault(component, [None] * 64)
                    first, last, bit = (start, min(stop, 63), low_bit) if progressive else (0, 63, 0)
                    bands[first : last + 1] = [bit] * (last + 1 - first)
    except (IndexError, struct.error):
        return False
    return bool(components) and all(coded.get(component) == [0] * 64 for component in components)


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(marker, content) of each marker segment. Raises struct.error where one is cut short."""
    position = 2
    while (found := MARKER.search(data, position)) is not None:
        (length,) = struct.unpack_from(">H", data, found.end())
        yield found[1][0], data[found.end() + 2 : found.end() + length]
        position = found.end() + max(length, 2)


def _end_of_tiles(data: bytes) -> int | None:
    """Where the last tile-part (T.800 A.4.2) ends, or all of `data` where it does not say; None where one is missing or
    cut short.
    """
    start = data.find(J2K_START)
    parts: dict[int, int] = {}
    stated: dict[int, int] = {}
    try:
        x1, y1, _x0, _y0, width, height, left, top = struct.unpack_from(">8I", data, start + 8)
        tiles = -(-(x1 - left) // max(width, 1)) * -(-(y1 - top) // max(height, 1))
        end = data.find(START_OF_TILE_PART, start)
        while end >= 0 and data.startswith(START_OF_TILE_PART, end):
            tile, length, _part, count = struct.unpack_from(">HIBB", data, end + 4)
            parts[tile] = parts.get(tile, 0) + 1
            stated[tile] = max(stated.get(tile, 0), count)
            end = end + max(length, 12) if length else len(data)
    except struct.error:
        return None
    whole = end <= len(data) and len(parts) == tiles and all(parts[tile] >= stated[tile] for tile in parts)
    return end if whole else None
