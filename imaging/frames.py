"""One image for others than the network: as stored values, in full depth, or as a picture. Runs in a decoder process.

Raises what `imaging.decode.decode` raises.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core import transfer_syntaxes as syntaxes
from core.errors import DecodeFailed, DicomInvalid, LucencyError
from imaging.aspect import square_size
from imaging.codecs import CODEC_FAULTS, Decoded, decode_frame
from imaging.decode import asked_of, frame_bytes, luminance
from imaging.decode_requests import MAX_SIDE, DecodeRequest, FrameRequest, FullDepthRequest, PictureRequest
from imaging.depth import full_depth
from imaging.dicom import DicomImage, scan_dicom
from imaging.file_data import FileData
from imaging.greyscale import grey_levels, own_levels, stored_values, window
from imaging.header import Limits
from imaging.picture import encoded, fit
from imaging.resize import fitted, target_size

PICTURE_PIXELS = 16_000_000


def answer(data: bytes | FileData, request: DecodeRequest, *, limits: Limits) -> tuple[dict[str, object], bytes]:
    """The fields that describe what was asked for, and its bytes."""
    try:
        data = FileData.of(data)
        if isinstance(request, FullDepthRequest):
            return full_depth(data, limits=limits)
        image = scan_dicom(data.reading(), limits=limits)
        if isinstance(request, FrameRequest):
            return frame(image, data, limits)
        return {"media_type": request.format.media_type}, picture(image, data, request, limits)
    except LucencyError:
        raise
    except CODEC_FAULTS as error:
        raise DecodeFailed from error


def frame(image: DicomImage, data: FileData, limits: Limits) -> tuple[dict[str, object], bytes]:
    """The stored values (PS3.5 section 8.1.1), little endian, `Bits Allocated` each, colour by pixel.

    Fields: `photometric` is what the values are in: RGB where a codec has turned YBR into it.
    """
    decoded = decode_frame(image, frame_bytes(image, data, limits), size=(image.rows, image.columns))
    values = _in_container(image, decoded)
    converted = image.samples == 3 and image.transfer_syntax in syntaxes.ENCAPSULATED - {syntaxes.RLE}
    return {"photometric": "RGB" if converted else image.photometric}, values.tobytes()


def _in_container(image: DicomImage, decoded: Decoded) -> NDArray[np.generic]:
    container = np.dtype(f"<u{image.bits_allocated // 8}")
    values = decoded.values
    if decoded.overshoots:
        return stored_values(image, values, overshoots=True).astype(container)
    precision = image.frame.precision if image.frame is not None else 0
    if image.signed and values.dtype.kind == "u" and 0 < precision < image.bits_allocated:
        # The codestream has no room for the sign's copies above its own bits.
        sign = 1 << (precision - 1)
        values = (values.astype(np.int32) ^ sign) - sign
    return values.astype(container)


def picture(image: DicomImage, data: FileData, request: PictureRequest, limits: Limits) -> bytes:
    """An encoded 8-bit picture of at most PICTURE_PIXELS before it is fitted into a viewport."""
    if request.source is None:
        return encoded(_grey(image, data, request, limits), request)
    _left, _top, width, height = request.source
    pixels = _grey(image, data, request, limits)
    rows, columns = pixels.shape
    whole = (0, 0, columns if width > 0 else -columns, rows if height > 0 else -rows)
    return encoded(pixels, replace(request, source=whole))


def _grey(image: DicomImage, data: FileData, request: PictureRequest, limits: Limits) -> NDArray[np.uint8]:
    """The part of the frame that is asked for, no more of it than is shown, in square pixels."""
    shown = square_size(image.rows, image.columns, image.aspect)
    longest = MAX_SIDE
    if request.viewport is not None and request.source is None:
        longest = max(fit(shown[::-1], request.viewport))
    size = target_size(*shown, min(longest, _longest_of(shown)))
    wanted = asked_of(image, size) if request.source is None else (image.rows, image.columns)
    decoded = decode_frame(image, frame_bytes(image, data, limits), size=wanted)
    if image.samples == 3:
        part, size = _cut(np.ascontiguousarray(luminance(image, decoded.values)), request, size, image.aspect)
        return fitted(part, size)
    stored = stored_values(image, decoded.values, overshoots=decoded.overshoots)
    levels = window(*request.window) if request.window is not None else None
    if request.window is not None and levels is None:
        raise DicomInvalid("The window is none")
    if request.source is not None and levels is None:
        levels = own_levels(image, stored)
    part, size = _cut(stored, request, size, image.aspect)
    return np.ascontiguousarray(grey_levels(image, part, size, voi=levels))


def _cut(
    values: NDArray[Any], request: PictureRequest, size: tuple[int, int], aspect: float
) -> tuple[NDArray[Any], tuple[int, int]]:
    """The part of the stored `values` (h, w) that is asked for, and the size to show it in. Raises DicomInvalid."""
    if request.source is None:
        return values, size
    rows, columns = _part((values.shape[0], values.shape[1]), request.source)
    part = np.ascontiguousarray(values[rows, columns])
    shown = square_size(part.shape[0], part.shape[1], aspect)
    return part, target_size(*shown, _longest_of(shown))


def _longest_of(shape: tuple[int, ...]) -> int:
    """The longest side that keeps a picture of this shape within PICTURE_PIXELS: its windows are floats in memory."""
    rows, columns = shape[:2]
    return max(1, int(max(rows, columns) * min(1.0, math.sqrt(PICTURE_PIXELS / (rows * columns)))))


def _part(shape: tuple[int, int], source: tuple[int, int, int, int]) -> tuple[slice, slice]:
    """The rows and columns of `source`. Raises DicomInvalid where it begins outside of the image."""
    left, top, width, height = source
    if not (0 <= left < shape[1] and 0 <= top < shape[0] and width and height):
        raise DicomInvalid("The part asked for lies outside of the image")
    return slice(top, top + abs(height)), slice(left, left + abs(width))
