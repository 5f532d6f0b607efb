"""The one EXIF entry that matters for pixels: Orientation."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

ORIENTATION_TAG = 0x0112
SHORT = 3
UPRIGHT = 1


def orientation(tiff: bytes) -> int:
    """Orientation, 1–8, from the TIFF structure of an EXIF block (Exif 2.32 section 4.6.4 A); 1 where it cannot be
    read.
    """
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return UPRIGHT
    try:
        (offset,) = struct.unpack_from(order + "I", tiff, 4)
        (entries,) = struct.unpack_from(order + "H", tiff, offset)
        for index in range(min(entries, 1000)):
            tag, kind, _, value = struct.unpack_from(order + "HHIH", tiff, offset + 2 + 12 * index)
            if tag == ORIENTATION_TAG:
                return value if kind == SHORT and 1 <= value <= 8 else UPRIGHT
    except struct.error:
        return UPRIGHT
    return UPRIGHT


def transposed(value: int) -> bool:
    """Whether this orientation exchanges rows and columns."""
    return value >= 5


def upright(pixels: NDArray[np.generic], value: int) -> NDArray[np.generic]:
    """`pixels` (h, w[, channels]) turned so that its first row is the visual top."""
    if transposed(value):
        pixels = pixels.swapaxes(0, 1)
    # For each orientation, which axes run backwards (after the exchange of rows and columns).
    rows_back = value in (3, 4, 7, 8)
    columns_back = value in (2, 3, 6, 7)
    return pixels[:: -1 if rows_back else 1, :: -1 if columns_back else 1]
