"""Regions of interest: where a heatmap is high, as boxes in the original radiograph's pixels. No TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.projection import Window, project

# The side, in pixels, of the canvas on which an enlarged heatmap is cut: fine enough for a box, cheap enough to forget.
CANVAS = 256


@dataclass(frozen=True, slots=True)
class Region:
    """A box in original pixels; x, y is its top left corner. `score` in [0, 1] is the highest heat inside."""

    x: int
    y: int
    width: int
    height: int
    score: float


def normalise(activation: NDArray[np.float32]) -> NDArray[np.float32]:
    """A raw class activation (h, w), ≥ 0, scaled to a maximum of 1; zeros where it is nowhere positive."""
    heat = np.maximum(np.asarray(activation, dtype=np.float32), 0.0)
    highest = float(heat.max(initial=0.0))
    # A subnormal maximum would overflow in the division and carries no information.
    if not np.isfinite(highest) or highest < np.finfo(np.float32).tiny:
        return np.zeros_like(heat)
    scaled: NDArray[np.float32] = np.divide(heat, highest, dtype=np.float32)
    return scaled


def regions_of_interest(
    heatmap: NDArray[np.float32],
    *,
    window: Window,
    rows: int,
    columns: int,
    threshold: float = 0.5,
    smallest: float = 0.001,
    at_most: int = 5,
) -> list[Region]:
    """Boxes around the connected areas of `heatmap` (gh, gw), in [0, 1], that reach `threshold`; highest score first.

    `window` is the part of the heatmap's square that the radiograph covers (fractions: left, top, right, bottom);
    `rows` and `columns` are the radiograph's full size. What lies outside the window is cut away. Areas below
    `smallest` of the radiograph are dropped; no more than `at_most` boxes are given.
    """
    left, top, right, bottom = window
    across, down = max(1, round(CANVAS * (right - left))), max(1, round(CANVAS * (bottom - top)))
    heat = project(heatmap, window=window, size=(down, across))
    mask = (heat >= threshold).astype(np.uint8)
    count, areas, boxes, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    found = []
    for index in range(1, count):
        x, y, width, height, area = (int(value) for value in boxes[index])
        if area < smallest * heat.size:
            continue
        score = min(1.0, float(heat[areas == index].max()))
        x0, y0 = int(x * columns / across), int(y * rows / down)
        x1 = min(columns, -int(-(x + width) * columns // across))
        y1 = min(rows, -int(-(y + height) * rows // down))
        found.append(Region(x=x0, y=y0, width=x1 - x0, height=y1 - y0, score=round(score, 4)))
    found.sort(key=lambda region: (-region.score, region.y, region.x))
    return found[:at_most]
