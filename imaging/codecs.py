"""Compressed or native pixel data of one frame → stored values, at no more resolution than is asked for.

Every function gives (h, w) or (h, w, 3) integers. JPEG with 8 bits uses DCT scaling (ITU-T T.81 by libjpeg-turbo),
JPEG 2000 its resolution levels (T.800 annex B.5); the others are decoded whole. Codecs report faults in many ways:
`decode` turns `CODEC_FAULTS` into DecodeFailed.
"""

from __future__ import annotations

import io
import struct
import warnings
from dataclasses import dataclass

import cv2
import imagecodecs
import jpeg_ls  # type: ignore[import-untyped]
import numpy as np
import openjpeg
import rle
from numpy.typing import NDArray
from PIL import Image

from core import transfer_syntaxes as syntaxes
from core.errors import DicomTruncated, NotApplicable, PixelsInconsistent
from imaging.codestream import Frame
from imaging.dicom import DicomImage
from imaging.endings import closed_jpeg, closed_jpeg_2000, closed_jpeg_ls

# What the codecs raise on damaged input; none of them documents it.
CODEC_FAULTS = (
    RuntimeError, ValueError, TypeError, LookupError, ArithmeticError, OSError, EOFError, SyntaxError, AssertionError,
    AttributeError, struct.error, cv2.error, MemoryError, Warning,
)  # fmt: skip
Stored = NDArray[np.generic]

# The pre-scan bounds the pixels; Pillow's own limit would only warn.
Image.MAX_IMAGE_PIXELS = None


@dataclass(frozen=True, slots=True)
class Decoded:
    """Stored values; `full` tells whether they are all of the frame or a reduced resolution of it."""

    values: Stored
    full: bool = True
    # 12-bit lossy and reduced JPEG 2000 values may overshoot Bits Stored: these are clipped, never masked.
    overshoots: bool = False


def decode_frame(image: DicomImage, data: bytes | memoryview, *, size: tuple[int, int]) -> Decoded:
    """The frame `data` of `image`, with at least `size` (rows, columns).

    Raises PixelsInconsistent where the result differs from Rows × Columns, and DicomTruncated where a frame without its
    end marker lacks a line; codecs raise CODEC_FAULTS.
    """
    syntax = image.transfer_syntax
    if syntax in syntaxes.NATIVE:
        return Decoded(_native(image, data))
    data = bytes(data)
    if syntax == syntaxes.RLE:
        return Decoded(_rle(image, data))
    if image.frame is None:
        raise PixelsInconsistent("The compressed pixel data has no header")
    if not image.ended:
        data = _closed(syntax, data)
    if syntax in syntaxes.JPEG_2000:
        decoded = _jpeg2000(image.frame, data, size=size)
    elif syntax in syntaxes.JPEG_LS:
        decoded = Decoded(_jpeg_ls(data))
    elif syntax in syntaxes.JPEG_LOSSLESS or image.frame.precision > 8:
        decoded = Decoded(imagecodecs.jpeg8_decode(data), overshoots=syntax == syntaxes.JPEG_EXTENDED)
    else:
        decoded = _jpeg(image, image.frame, data, size=size)
    values = decoded.values
    if decoded.full and values.shape[:2] != (image.rows, image.columns):
        raise PixelsInconsistent("The decoded pixels have other dimensions than Rows and Columns")
    if (values.ndim == 3) != (image.samples == 3):
        raise PixelsInconsistent("The decoded pixels have other channels than Samples per Pixel")
    return decoded


def _closed(syntax: str, data: bytes) -> bytes:
    """The frame with its end marker. Raises DicomTruncated where a line is missing."""
    truncated = DicomTruncated("The compressed pixel data ends before its last line")
    if syntax in syntaxes.JPEG_2000:
        return closed_jpeg_2000(data, openjpeg.decode, truncated, faults=CODEC_FAULTS)
    if syntax in syntaxes.JPEG_LS:
        return closed_jpeg_ls(data, _jpeg_ls, truncated, faults=CODEC_FAULTS)
    return closed_jpeg(data, truncated, faults=CODEC_FAULTS)


def _jpeg_ls(data: bytes) -> Stored:
    return np.asarray(jpeg_ls.decode(np.frombuffer(data, np.uint8)))


def _shaped(image: DicomImage, values: Stored) -> Stored:
    if image.samples == 1:
        return values.reshape(image.rows, image.columns)
    if image.planar:
        return values.reshape(3, image.rows, image.columns).transpose(1, 2, 0)
    return values.reshape(image.rows, image.columns, 3)


def _native(image: DicomImage, data: bytes | memoryview) -> Stored:
    """PS3.5 section 8.1.1 and annex A.1–A.3, A.5."""
    if image.photometric == "YBR_FULL_422":
        raise NotApplicable("Uncompressed subsampled colour is not supported")
    if image.bits_allocated == 8:
        values = np.frombuffer(data, np.uint8)
        if image.elements.encoding.big_endian and image.elements.pixel_vr == b"OW" and values.size % 2 == 0:
            values = values.view(">u2").astype("<u2").view(np.uint8)
        return _shaped(image, values)
    values = np.frombuffer(data, image.elements.encoding.order + "u2").astype(np.uint16, copy=False)
    # In a file that is mapped they may lie at an odd address.
    return _shaped(image, np.require(values, requirements="A"))


def _rle(image: DicomImage, data: bytes) -> Stored:
    """PS3.5 annex G. The codec gives the frame's planes one after the other, little endian."""
    # Its own reader of the data set is not wanted: what it asks for is given as keywords.
    raw = rle.decode_pixel_data(
        data, version=2, rows=image.rows, columns=image.columns, samples_per_pixel=image.samples,
        bits_allocated=image.bits_allocated,
    )  # fmt: skip
    values = np.frombuffer(raw, f"<u{image.bits_allocated // 8}")
    if values.size != image.rows * image.columns * image.samples:
        raise PixelsInconsistent("The RLE data has other dimensions than Rows and Columns")
    if image.samples == 3:
        return values.reshape(3, image.rows, image.columns).transpose(1, 2, 0)
    return values.reshape(image.rows, image.columns)


def _jpeg(image: DicomImage, frame: Frame, data: bytes, *, size: tuple[int, int]) -> Decoded:
    raw = image.photometric == "RGB"
    values = scaled_jpeg(data, frame, size=size, raw=raw)
    return Decoded(values, full=values.shape[:2] == (frame.rows, frame.columns))


def scaled_jpeg(data: bytes, frame: Frame, *, size: tuple[int, int], raw: bool = False) -> NDArray[np.uint8]:
    """An 8-bit JPEG stream at 1, 1/2, 1/4 or 1/8 of its size, not below `size`: grey (h, w) or RGB (h, w, 3).

    `raw` takes three components as they are: the header, not the stream, says that they are red, green and blue.
    """
    with Image.open(io.BytesIO(data), formats=["JPEG"]) as picture:
        if picture.size != (frame.columns, frame.rows):
            raise PixelsInconsistent("The JPEG stream has other dimensions than its header")
        mode = "L" if frame.components == 1 else "RGB"
        if raw and frame.components == 3 and frame.component_ids != b"RGB" and "adobe" not in picture.info:
            mode = "YCbCr"
        picture.draft(mode, (size[1], size[0]))
        picture.load()
        return np.asarray(picture)


def _jpeg2000(frame: Frame, data: bytes, *, size: tuple[int, int]) -> Decoded:
    """Pillow reads resolution levels but is strict; what it refuses is decoded whole by pylibjpeg-openjpeg."""
    reduce = 0
    while reduce < frame.levels and max(frame.rows, frame.columns) >> (reduce + 1) >= max(size):
        reduce += 1
    if reduce and frame.precision <= 16:
        # A fragment is padded to an even length (PS3.5 A.4). Where the length of the last tile-part is left open
        # (T.800 A.4.2), the padding would count as its data, and Pillow refuse the whole.
        end = data.rfind(b"\xff\xd9") + 2
        try:
            values = _reduced(frame, data[:end], reduce)
        except (OSError, SyntaxError, ValueError):
            values = None
        if values is not None:
            return Decoded(values, full=False, overshoots=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Decoded(openjpeg.decode(data))


def _reduced(frame: Frame, data: bytes, reduce: int) -> Stored | None:
    with Image.open(io.BytesIO(data), formats=["JPEG2000"]) as picture:
        if picture.mode not in ("L", "I;16", "RGB"):
            return None
        setattr(picture, "reduce", reduce)  # noqa: B010 - Pillow shadows a method with this attribute
        picture.load()
        values = np.asarray(picture)
    # Pillow shifts values to the top of 8 or 16 bits and makes signed ones unsigned.
    values = values >> (values.dtype.itemsize * 8 - frame.precision)
    if frame.signed:
        values = values.astype(np.int32) - (1 << (frame.precision - 1))
    return values
