"""One frame of a DICOM file for others than the network: as stored values, or as a picture. Runs in a decoder process.

Raises what `imaging.decode.decode` raises.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from core.errors import DecodeFailed, DicomInvalid, LucencyError
from imaging import syntaxes
from imaging.codecs import CODEC_FAULTS, Decoded, decode_frame
from imaging.decode import frame_bytes, luminance
from imaging.dicom import DicomImage, scan_dicom
from imaging.greyscale import grey_levels, stored_values, window
from imaging.header import Limits
from imaging.picture import encoded, fit
from imaging.resize import target_size
from imaging.wish import MAX_SIDE, FrameWish, PictureWish, Wish


def answer(data: bytes, wish: Wish, *, limits: Limits) -> tuple[dict[str, object], bytes]:
    """The fields that describe what was asked for, and its bytes."""
    try:
        image = scan_dicom(io.BytesIO(data), limits=limits)
        if isinstance(wish, FrameWish):
            return frame(image, data, limits)
        return {"media_type": wish.format.media_type}, picture(image, data, wish, limits)
    except LucencyError:
        raise
    except CODEC_FAULTS as error:
        raise DecodeFailed from error


def frame(image: DicomImage, data: bytes, limits: Limits) -> tuple[dict[str, object], bytes]:
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


def picture(image: DicomImage, data: bytes, wish: PictureWish, limits: Limits) -> bytes:
    """An encoded 8-bit picture."""
    return encoded(_grey(image, data, wish, limits), wish)


def _grey(image: DicomImage, data: bytes, wish: PictureWish, limits: Limits) -> NDArray[np.uint8]:
    longest = MAX_SIDE
    if wish.viewport is not None and wish.source is None:
        longest = max(fit((image.columns, image.rows), wish.viewport))
    size = target_size(image.rows, image.columns, longest)
    if wish.source is not None:
        size = image.rows, image.columns
    decoded = decode_frame(image, frame_bytes(image, data, limits), size=size)
    if image.samples == 3:
        return np.ascontiguousarray(luminance(image, decoded.values))
    levels = None
    if wish.window is not None:
        levels = window(*wish.window)
        if levels is None:
            raise DicomInvalid("The window is none")
    values = stored_values(image, decoded.values, overshoots=decoded.overshoots)
    return np.ascontiguousarray(grey_levels(image, values, size, voi=levels))
