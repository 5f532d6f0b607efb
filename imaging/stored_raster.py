"""A PNG or JPEG file as it is stored: its pixels as they came, and no text, time, position, thumbnail or profile.

Kept is what a decoder needs (PNG third edition section 11, T.81 annex B, JFIF 1.02); the orientation is written anew.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import BinaryIO

from core.errors import ImageInvalid
from core.vocabulary import MediaKind
from imaging.exif import ORIENTATION_TAG, SHORT, UPRIGHT
from imaging.header import Limits
from imaging.identify import PNG_SIGNATURE
from imaging.raster_scan import MARKER, RasterImage
from imaging.stored import BLOCK, Piece, Stored, measured

# Header, palette, transparency, pixels; and what says how the numbers are meant, which is numbers only.
PNG_CHUNKS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"pHYs", b"IDAT", b"IEND"})
JFIF, ADOBE = b"JFIF\0", b"Adobe"
APP0, APP1, APP14, APP15, COM, EOI, SOS = 0xE0, 0xE1, 0xEE, 0xEF, 0xFE, 0xD9, 0xDA


def stored_raster(file: BinaryIO, image: RasterImage, *, limits: Limits) -> Stored:
    """What to store of the scanned `file`."""
    png = image.header.media_kind is MediaKind.PNG
    turn = image.orientation
    pieces = tuple(_png(file, turn, limits) if png else _jpeg(file, turn))
    size, sha256 = measured(file, pieces)
    return Stored(header=image.header, pieces=pieces, size=size, sha256=sha256)


def _tiff(turn: int) -> bytes:
    """A TIFF structure of one entry, the orientation (Exif 2.32 section 4.6.2)."""
    return b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, ORIENTATION_TAG, SHORT, 1, turn, 0, 0)


def _png(file: BinaryIO, turn: int, limits: Limits) -> list[Piece]:
    pieces: list[Piece] = [PNG_SIGNATURE]
    file.seek(len(PNG_SIGNATURE))
    for _ in range(limits.chunks):
        start = file.tell()
        length, kind = struct.unpack(">I4s", file.read(8))
        if kind in PNG_CHUNKS:
            pieces.append((start, length + 12))
        if kind == b"IHDR" and turn != UPRIGHT:
            chunk = b"eXIf" + _tiff(turn)
            pieces.append(struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)))
        if kind == b"IEND":
            return pieces
        file.seek(length + 4, io.SEEK_CUR)
    raise ImageInvalid("The PNG has too many chunks")


def _jpeg(file: BinaryIO, turn: int) -> list[Piece]:
    pieces: list[Piece] = [b"\xff\xd8"]
    exif = b"Exif\0\0" + _tiff(turn)
    if turn != UPRIGHT:
        pieces.append(b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif)
    file.seek(2)
    marker = _marker(file)
    while marker != EOI:
        start = file.tell()
        (length,) = struct.unpack(">H", file.read(2))
        head = file.read(min(length - 2, 14))
        pieces += _segment(marker, start, length, head)
        file.seek(start + length)
        if marker == SOS:
            end, is_last = _entropy_end(file)
            pieces.append((start + length, end - start - length))
            if is_last:
                break
            file.seek(end)
        marker = _marker(file)
    return [*pieces, b"\xff\xd9"]


def _segment(marker: int, start: int, length: int, head: bytes) -> list[Piece]:
    if marker == APP0 and head.startswith(JFIF) and len(head) >= 12:
        # Version, unit and density; its thumbnail stays out.
        return [b"\xff\xe0\x00\x10" + head[:12] + b"\0\0"]
    if marker == APP14 and head.startswith(ADOBE) and len(head) >= 12:
        # How its three components are meant.
        return [b"\xff\xee\x00\x0e" + head[:12]]
    if APP0 <= marker <= APP15 or marker == COM:
        return []
    return [bytes((0xFF, marker)), (start, length)]


def _marker(file: BinaryIO) -> int:
    """The next marker's code; the scan has seen that one follows."""
    code = 0xFF
    while code == 0xFF:
        code = file.read(1)[0]
    return code


def _entropy_end(file: BinaryIO) -> tuple[int, bool]:
    """Where the entropy-coded data that `file` stands at ends: the place of the next marker, or the end of the file."""
    carry = b""
    while block := file.read(BLOCK):
        data = carry + block
        found = MARKER.search(data)
        if found:
            return file.tell() - len(data) + found.start(), False
        carry = data[-1:] if data.endswith(b"\xff") else b""
    return file.tell(), True
