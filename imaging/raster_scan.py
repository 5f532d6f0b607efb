"""PNG and JPEG files: what their markers say, without decoding a pixel (PNG third edition section 5; ITU-T T.81
annex B).
"""

from __future__ import annotations

import io
import re
import struct
from dataclasses import dataclass
from typing import BinaryIO

from core.errors import ImageAnimated, ImageColoured, ImageInvalid, ImageTruncated, PixelsTooLarge, TypeUnsupported
from core.vocabulary import MediaKind
from imaging.codestream import FRAME_MARKERS, Frame
from imaging.exif import UPRIGHT, orientation, transposed
from imaging.header import Header, Limits
from imaging.identify import PNG_SIGNATURE

EXIF_BYTES = 65_536
BLOCK = 1024 * 1024
# Baseline, extended sequential and progressive Huffman: what camera and viewer exports are.
FILE_FRAMES = frozenset({0xC0, 0xC1, 0xC2})
# Inside entropy-coded data FF is followed by a zero or a restart number; anything else is a marker (T.81 B.1.1.5).
MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")


@dataclass(frozen=True, slots=True)
class RasterImage:
    """A checked PNG or JPEG file. `frame` is the JPEG's frame header.

    `ended` is false of a JPEG without its end marker: only its decoder can tell whether every line is there.
    """

    header: Header
    orientation: int
    frame: Frame | None = None
    ended: bool = True


def _checked_size(rows: int, columns: int, limits: Limits) -> None:
    if rows == 0 or columns == 0:
        raise ImageInvalid("The image has no pixels")
    if rows * columns > limits.pixels:
        raise PixelsTooLarge(f"The image has more than {limits.pixels} pixels")


def _header(kind: MediaKind, *, rows: int, columns: int, bits: int, turn: int) -> Header:
    if transposed(turn):
        rows, columns = columns, rows
    return Header(media_kind=kind, rows=rows, columns=columns, bits_stored=bits)


def scan_png(file: BinaryIO, *, limits: Limits) -> RasterImage:  # noqa: C901 - one flat pass over the chunks
    """Walk the chunks of a PNG. Raises ImageInvalid, ImageTruncated, ImageAnimated, PixelsTooLarge."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    if file.read(8) != PNG_SIGNATURE:
        raise ImageInvalid
    rows = columns = bits = 0
    turn, seen_data = UPRIGHT, False
    for index in range(limits.chunks):
        head = file.read(8)
        if len(head) < 8:
            raise ImageTruncated
        length, kind = struct.unpack(">I4s", head)
        if file.tell() + length + 4 > size:
            raise ImageTruncated
        if (index == 0) != (kind == b"IHDR") or (kind == b"IHDR" and length != 13):
            raise ImageInvalid("The PNG does not start with its header")
        if kind == b"acTL":
            raise ImageAnimated
        if kind == b"IEND":
            if not seen_data:
                raise ImageTruncated("The PNG holds no pixel data")
            return RasterImage(_header(MediaKind.PNG, rows=rows, columns=columns, bits=bits, turn=turn), turn)
        data = file.read(length) if kind == b"IHDR" or (kind == b"eXIf" and length <= EXIF_BYTES) else b""
        file.seek(length - len(data) + 4, io.SEEK_CUR)
        if kind == b"IHDR":
            columns, rows, bits = struct.unpack_from(">IIB", data)
            _checked_size(rows, columns, limits)
        elif kind == b"eXIf":
            turn = orientation(data)
        seen_data |= kind == b"IDAT"
    raise ImageInvalid("The PNG has too many chunks")


class _JpegScan:
    """The walk over one JPEG file's segments."""

    def __init__(self, file: BinaryIO, limits: Limits) -> None:
        self._file = file
        self._limits = limits
        self.frame: Frame | None = None
        self.turn = UPRIGHT
        self._scans = 0

    def run(self) -> RasterImage:
        self._file.seek(2)
        marker: int | None = self._next_marker()
        while marker is not None and marker != 0xD9:
            marker = self._segment(marker)
        if self.frame is None or not self._scans:
            raise ImageTruncated("The JPEG holds no pixel data")
        frame = self.frame
        bits, turn = frame.precision, self.turn
        header = _header(MediaKind.JPEG, rows=frame.rows, columns=frame.columns, bits=bits, turn=turn)
        return RasterImage(header, turn, frame, ended=marker is not None)

    def _exactly(self, size: int) -> bytes:
        data = self._file.read(size)
        if len(data) < size:
            raise ImageTruncated
        return data

    def _next_marker(self) -> int:
        if self._exactly(1) != b"\xff":
            raise ImageInvalid("The JPEG's segments are damaged")
        for _ in range(1000):
            code = self._exactly(1)[0]
            if code != 0xFF:
                return code
        raise ImageInvalid("The JPEG's segments are damaged")

    def _segment(self, marker: int) -> int | None:
        """Pass one segment (and the entropy-coded data after a scan header); the next marker, None at the end."""
        if marker in (0x00, 0x01, 0xD8) or 0xD0 <= marker <= 0xD7:
            raise ImageInvalid("The JPEG's segments are damaged")
        (length,) = struct.unpack(">H", self._exactly(2))
        data = self._exactly(max(length - 2, 0))
        if marker in FRAME_MARKERS:
            self._take_frame(marker, data)
        elif marker == 0xE1 and data.startswith(b"Exif\x00\x00"):
            self.turn = orientation(data[6:])
        elif marker == 0xDA:
            self._scans += 1
            if self.frame is None:
                raise ImageInvalid("The JPEG has a scan before its frame")
            if self._scans > self._limits.scans:
                raise ImageInvalid("The JPEG has too many scans")
            return self._after_scan()
        return self._next_marker()

    def _take_frame(self, marker: int, data: bytes) -> None:
        if self.frame is not None:
            raise ImageInvalid("The JPEG has two frames")
        if marker not in FILE_FRAMES or len(data) < 6:
            raise TypeUnsupported("This JPEG process is not supported; baseline and progressive are")
        precision, rows, columns, components = struct.unpack_from(">BHHB", data)
        if precision != 8:
            raise TypeUnsupported("Only 8-bit JPEG files are supported; send 12-bit pixels as DICOM or PNG")
        _checked_size(rows, columns, self._limits)
        if components not in (1, 3):
            raise ImageColoured("The JPEG has neither one nor three components")
        identifiers = data[6 : 6 + 3 * components : 3]
        self.frame = Frame(rows, columns, components, precision, marker, component_ids=identifiers)

    def _after_scan(self) -> int | None:
        """Skip entropy-coded data to the next marker, a block at a time; None where the file ends in it."""
        carry = b""
        while block := self._file.read(BLOCK):
            data = carry + block
            found = MARKER.search(data)
            if found:
                self._file.seek(found.end() - len(data), io.SEEK_CUR)
                return data[found.end() - 1]
            carry = data[-1:] if data.endswith(b"\xff") else b""
        return None


def scan_jpeg(file: BinaryIO, *, limits: Limits) -> RasterImage:
    """Walk the segments of a JPEG file to its end marker, or to the end of its last scan where that is missing.

    Raises ImageInvalid, ImageTruncated, PixelsTooLarge, ImageColoured (CMYK) and TypeUnsupported (lossless, arithmetic,
    12-bit). What follows the end marker is not looked at.
    """
    file.seek(0)
    if file.read(2) != b"\xff\xd8":
        raise ImageInvalid
    return _JpegScan(file, limits).run()
