"""A radiograph in memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.vocabulary import MediaKind


@dataclass(frozen=True, slots=True)
class Radiograph:
    """A decoded image, at the resolution it was asked for.

    `pixels` is (h, w) uint8, bright where the body is dense (the sense of MONOCHROME2), its longest side the
    smaller of what was asked and the full longest side, and each pixel square. `rows` and `columns` are the full-size
    geometry after any EXIF orientation, in stored pixels: the coordinates that regions of interest are given in. Where
    stored pixels are not square (`imaging.aspect`) `pixels` has another shape. The other fields describe the file.
    """

    pixels: NDArray[np.uint8]
    rows: int
    columns: int
    bits_stored: int
    photometric_interpretation: str
    transfer_syntax: str | None
    media_kind: MediaKind
