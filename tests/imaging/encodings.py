"""DICOM files in every transfer syntax that can be written here; and files made to hurt."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.encaps import encapsulate

from tests.imaging.reference import dicom

Pixels = NDArray[Any]
START = "1.2.840.10008.1.2"


def rle_frame(pixels: Pixels) -> bytes:
    """PS3.5 annex G: the high bytes, then the low ones."""
    planes = [pixels] if pixels.dtype == np.uint8 else [pixels >> 8, pixels & 255]
    segments = []
    for plane in planes:
        rows = [imagecodecs.packbits_encode(np.ascontiguousarray(row.astype(np.uint8)).tobytes()) for row in plane]
        data = b"".join(rows)
        segments.append(data + bytes(len(data) % 2))
    offsets, position = [], 64
    for segment in segments:
        offsets.append(position)
        position += len(segment)
    return struct.pack("<16I", len(segments), *offsets, *[0] * (15 - len(segments))) + b"".join(segments)


def j2k(pixels: Pixels) -> bytes:
    return bytes(imagecodecs.jpeg2k_encode(pixels, codecformat="j2k", reversible=True, level=0, resolutions=4))


# The codestream of (h, w) values below 4096 (below 256 for JPEG baseline), by transfer syntax.
CODESTREAMS: dict[str, Callable[[Pixels], bytes]] = {
    START + ".5": rle_frame,
    START + ".4.50": lambda pixels: bytes(imagecodecs.jpeg8_encode(pixels, level=98)),
    START + ".4.51": lambda pixels: bytes(imagecodecs.jpeg8_encode(pixels, level=98, bitspersample=12)),
    START + ".4.57": lambda pixels: bytes(imagecodecs.jpeg8_encode(pixels, lossless=True, bitspersample=16)),
    START + ".4.70": lambda pixels: bytes(
        imagecodecs.jpeg8_encode(pixels, lossless=True, predictor=1, bitspersample=16)
    ),
    START + ".4.80": lambda pixels: bytes(imagecodecs.jpegls_encode(pixels)),
    START + ".4.90": j2k,
    START + ".4.91": j2k,
    START + ".4.201": lambda pixels: bytes(imagecodecs.htj2k_encode(pixels, reversible=True)),
    START + ".4.202": lambda pixels: bytes(imagecodecs.htj2k_encode(pixels, reversible=True)),
    START + ".4.203": lambda pixels: bytes(imagecodecs.htj2k_encode(pixels, reversible=True)),
}
NATIVE = [START + end for end in ("", ".1", ".1.99", ".2")]
EIGHT_BIT = START + ".4.50"


def compressed(pixels: Pixels, stream: bytes, syntax: str, **attributes: Any) -> bytes:
    """A CR file whose only frame is `stream`."""
    return dicom(pixels, syntax=syntax, raw=encapsulate([stream]), **attributes)


def written(pixels: Pixels, syntax: str, **attributes: Any) -> bytes:
    """A CR file of `pixels` in `syntax`."""
    if syntax in NATIVE:
        return dicom(pixels, syntax=syntax, **attributes)
    return compressed(pixels, CODESTREAMS[syntax](pixels), syntax, **attributes)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(rows: int, columns: int, *, bits: int = 8, colour: int = 0, interlace: int = 0, body: bytes = b"") -> bytes:
    """A PNG around the uncompressed scan lines `body`; all zero without it (rows a multiple of 64)."""
    packer = zlib.compressobj(1)
    line = bytes(1 + columns * bits // 8)
    packed = packer.compress(body) if body else b"".join(packer.compress(line * 64) for _ in range(rows // 64))
    header = struct.pack(">IIBBBBB", columns, rows, bits, colour, 0, 0, interlace)
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + chunk(b"IHDR", header) + chunk(b"IDAT", packed + packer.flush()) + chunk(b"IEND", b"")


def slow_jpeg(side: int = 1200, repeats: int = 85) -> bytes:
    """A progressive JPEG of noise that repeats its last scan: every scan is decoded over the whole picture."""
    noise = np.random.default_rng(0).integers(0, 256, (side // 4, side // 4), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(np.tile(noise, (4, 4))).save(buffer, "JPEG", progressive=True, quality=75)
    data = buffer.getvalue()
    before_last = data.rindex(b"\xff\xda", 0, data.rindex(b"\xff\xda"))
    scan = data[data.index(b"\xff\xc4", before_last + 2) : -2]
    return data[:-2] + scan * repeats + b"\xff\xd9"
