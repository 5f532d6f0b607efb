"""Geometry written in the compressed pixel data itself, read from its first bytes without decoding it.

JPEG and JPEG-LS: ITU-T T.81 annex B.2 and T.87 annex C (frame header). JPEG 2000: T.800 annex A.5 and A.6 (SIZ, COD).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

from core.errors import PixelsInconsistent
from core.transfer_syntaxes import JPEG_BASELINE, JPEG_EXTENDED, RLE

# T.81 table B.1: SOF0–SOF15 without DHT, JPG and DAC; 0xF7 is SOF55 of JPEG-LS.
FRAME_MARKERS = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7})
LOSSLESS, JPEG_LS_FRAME = 0xC3, 0xF7
SEQUENTIAL_DCT = frozenset({0xC0, 0xC1})
START_OF_SCAN = 0xDA
JP2_SIGNATURE = b"\x00\x00\x00\x0cjP  "
J2K_START = b"\xff\x4f\xff\x51"
# Of the code-block style: the block coder of high-throughput JPEG 2000 (T.814 A.4).
HIGH_THROUGHPUT = 0x40
RLE_HEADER_BYTES = 64


@dataclass(frozen=True, slots=True)
class Frame:
    """What a codestream says of itself. `levels` is the number of wavelet decompositions (JPEG 2000), else 0."""

    rows: int
    columns: int
    components: int
    precision: int
    marker: int
    signed: bool = False
    levels: int = 0
    component_ids: bytes = b""
    # Of lossless JPEG the predictor, of JPEG-LS the error that is allowed, of JPEG 2000 1 where its wavelet is
    # reversible, and the style of its code-blocks.
    selector: int = 0
    style: int = 0


def jpeg_frame(data: bytes) -> Frame:
    """The frame header of a JPEG or JPEG-LS stream whose first bytes are `data`.

    Raises PixelsInconsistent where there is none, or where the scan of a sequential process names another spectral
    selection than the only one it may (T.81 table B.3: 0 to 63).
    """
    frame: Frame | None = None
    try:
        if data[:2] != b"\xff\xd8":
            raise PixelsInconsistent("The compressed pixel data is not a JPEG stream")
        position = 2
        while True:
            if data[position] != 0xFF:
                raise PixelsInconsistent("The JPEG header is damaged")
            marker = data[position + 1]
            if marker == 0xFF:
                position += 1
                continue
            (length,) = struct.unpack_from(">H", data, position + 2)
            if marker in FRAME_MARKERS:
                frame = _frame_header(data, position + 4, marker)
            elif marker == START_OF_SCAN:
                return _checked_scan(frame, data[position + 4 : position + 2 + length])
            position += 2 + length
    except (IndexError, struct.error) as error:
        raise PixelsInconsistent("The JPEG header ends before its first scan") from error


def _frame_header(data: bytes, position: int, marker: int) -> Frame:
    precision, rows, columns, components = struct.unpack_from(">BHHB", data, position)
    identifiers = data[position + 6 : position + 6 + 3 * components : 3]
    return Frame(rows, columns, components, precision, marker, component_ids=identifiers)


def _checked_scan(frame: Frame | None, scan: bytes) -> Frame:
    if frame is None:
        raise PixelsInconsistent("The JPEG header has no frame")
    if frame.marker in SEQUENTIAL_DCT and tuple(scan[-3:-1]) != (0, 63):
        raise PixelsInconsistent(
            "The JPEG data is damaged: its scan header leaves frequencies out (spectral selection is not 0 to 63)"
        )
    return replace(frame, selector=scan[-3])


def jpeg2000_frame(data: bytes) -> Frame:
    """The SIZ and COD segments of a JPEG 2000 codestream, bare or in a JP2 box. Raises PixelsInconsistent."""
    start = 0
    if data[:8] == JP2_SIGNATURE:
        start = max(data.find(J2K_START), 0)
    try:
        if data[start : start + 4] != J2K_START:
            raise PixelsInconsistent("The compressed pixel data is not a JPEG 2000 codestream")
        _, x1, y1, x0, y0 = struct.unpack_from(">HIIII", data, start + 6)
        (components,) = struct.unpack_from(">H", data, start + 40)
        depth = data[start + 42]
        levels, style, wavelet = _coding_style(data, start + 2)
    except (IndexError, struct.error) as error:
        raise PixelsInconsistent("The JPEG 2000 header is cut short") from error
    signed, precision = bool(depth & 0x80), (depth & 0x7F) + 1
    return Frame(
        y1 - y0, x1 - x0, components, precision, 0x51, signed=signed, levels=levels, selector=wavelet, style=style
    )


def _coding_style(data: bytes, position: int) -> tuple[int, int, int]:
    """Decomposition levels, code-block style and wavelet of the COD segment (T.800 A.6.1); zeros without one."""
    while data[position] == 0xFF and data[position + 1] not in (0x90, 0x93):
        (length,) = struct.unpack_from(">H", data, position + 2)
        if data[position + 1] == 0x52:
            return data[position + 9], data[position + 12], data[position + 13]
        position += 2 + length
    return 0, 0, 0


def syntax_of_codestream(head: bytes) -> str | None:
    """The transfer syntax (PS3.6 table A-1) of a frame whose first bytes are `head`; None of what is none of ours.

    Raises PixelsInconsistent where its header is damaged.
    """
    if head[:2] == b"\xff\xd8":
        frame = jpeg_frame(head)
        lossless = {
            LOSSLESS: ("1.2.840.10008.1.2.4.70" if frame.selector == 1 else "1.2.840.10008.1.2.4.57"),
            JPEG_LS_FRAME: ("1.2.840.10008.1.2.4.80" if frame.selector == 0 else "1.2.840.10008.1.2.4.81"),
        }
        return {0xC0: JPEG_BASELINE, 0xC1: JPEG_EXTENDED, **lossless}.get(frame.marker)
    if head[:4] == J2K_START or head[:8] == JP2_SIGNATURE:
        frame = jpeg2000_frame(head)
        if frame.style & HIGH_THROUGHPUT:
            return "1.2.840.10008.1.2.4.201" if frame.selector == 1 else "1.2.840.10008.1.2.4.203"
        return "1.2.840.10008.1.2.4.90" if frame.selector == 1 else "1.2.840.10008.1.2.4.91"
    if len(head) >= RLE_HEADER_BYTES and struct.unpack_from("<II", head)[1] == RLE_HEADER_BYTES:
        return RLE
    return None
