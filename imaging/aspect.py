"""Pixels that are not square: how much higher than wide one is, and the size of the picture that a reader sees.

PS3.3 C.7.6.3.1.7 (Pixel Aspect Ratio) and 10.7.1 (spacings). Stored values, boxes and everything else that speaks of
pixels stays in stored pixels; only what is looked at, by the network or by people, has square ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

PIXEL_ASPECT_RATIO = 0x00280034
# Calibrated to the patient, at the detector, of a film scanner: in the order in which they are asked.
PIXEL_SPACING, IMAGER_PIXEL_SPACING, NOMINAL_SCANNED_PIXEL_SPACING = 0x00280030, 0x00181164, 0x00182010
SPACINGS = (PIXEL_SPACING, IMAGER_PIXEL_SPACING, NOMINAL_SCANNED_PIXEL_SPACING)
ASPECT_TAGS = frozenset({PIXEL_ASPECT_RATIO, *SPACINGS})
# Beyond ten to one it is no pixel but a mistake; within one percent of a square nobody sees it, and spacings that were
# measured differ by as much.
STEEPEST, SAME = 10.0, 0.01


def aspect_of(numbers: Callable[[int], Sequence[float]]) -> float:
    """How many times a pixel is higher than wide; 1 where nothing believable is said.

    `numbers` are an element's values. Pixel Aspect Ratio (vertical, then horizontal size) goes before the spacings
    (between rows, then between columns), of which the first that says anything holds.
    """
    for tag in (PIXEL_ASPECT_RATIO, *SPACINGS):
        pair = believable(numbers(tag))
        if pair is not None and 1 / STEEPEST <= (aspect := pair[0] / pair[1]) <= STEEPEST:
            return 1.0 if abs(aspect - 1) <= SAME else aspect
    return 1.0


def aspect_of_attributes(attributes: dict[str, Any]) -> float:
    """The same of DICOM JSON (PS3.18 annex F), such as an Image keeps."""
    return aspect_of(lambda tag: (attributes.get(f"{tag:08X}") or {}).get("Value") or ())


def believable(numbers: Sequence[float]) -> tuple[float, float] | None:
    """The pair of positive numbers that `numbers` are. Some devices write zeros for "unknown"."""
    pair = [one for one in numbers[:2] if isinstance(one, int | float) and math.isfinite(one) and 0 < one < 1e6]
    return (pair[0], pair[1]) if len(pair) == 2 else None


def square_size(rows: int, columns: int, aspect: float) -> tuple[int, int]:
    """(rows, columns) of the picture in square pixels: the side whose pixels are larger grows, so nothing is lost."""
    return (round(rows * aspect), columns) if aspect >= 1 else (rows, round(columns / aspect))
