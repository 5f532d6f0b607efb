"""Whether Grad-CAM points at the fracture: heatmaps against boxes drawn by radiologists.

- Pointing game (Zhang et al. 2018, arXiv 1608.00507): the highest point of the heatmap, laid over the radiograph, lies
  in a box. `strict` allows no distance; `tolerant` 15 pixels of an image whose longest side is 512, as is customary.
- Energy in the box (Wang et al. 2020, Score-CAM, arXiv 1910.01279): the share of the heat that lies in the boxes.
- IoU of the union of the regions of interest that a user is shown with the union of the boxes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imaging.projection import Window, project
from networks.bundle import Bundle
from networks.regions import normalise, regions_of_interest
from trainer.datasets import Record
from trainer.evaluation.bootstrap import Floats, Ints
from trainer.input_pipeline.boxes import Box
from trainer.trust.observation import Observation, decision_thresholds
from trainer.trust.shares import means

# Heatmaps are compared with boxes on a canvas of this longest side: the scale of the customary tolerance.
CANVAS = 512
TOLERANCE = 15
MEASURES = ("pointing_strict", "pointing_tolerant", "energy_in_box", "roi_iou")


@dataclass(frozen=True, slots=True)
class Localisation:
    """One heatmap against its boxes; the last two in [0, 1], and all 0 where the heatmap is nowhere positive."""

    pointing_strict: bool
    pointing_tolerant: bool
    energy_in_box: float
    roi_iou: float


def localise(
    activation: NDArray[np.float32], *, window: Window, rows: int, columns: int, boxes: Sequence[Box]
) -> Localisation:
    """The raw Grad-CAM (gh, gw) of a radiograph of this full size against its boxes, of which there is at least one."""
    heatmap = normalise(activation)
    scale = CANVAS / max(rows, columns)
    height, width = max(1, round(rows * scale)), max(1, round(columns * scale))
    heat = project(heatmap, window=window, size=(height, width))
    if not heat.any():  # nowhere positive, or only in the letterbox
        return Localisation(pointing_strict=False, pointing_tolerant=False, energy_in_box=0.0, roi_iou=0.0)
    pixels = [(b.left * width, b.top * height, b.right * width, b.bottom * height) for b in boxes]
    boxed = _mask(pixels, size=(height, width))
    y, x = (int(value) for value in np.unravel_index(int(heat.argmax()), heat.shape))
    distance = min(_distance(x + 0.5, y + 0.5, box) for box in pixels)
    regions = regions_of_interest(heatmap, window=window, rows=rows, columns=columns)
    shown = _mask(
        [(r.x * scale, r.y * scale, (r.x + r.width) * scale, (r.y + r.height) * scale) for r in regions],
        size=(height, width),
    )
    return Localisation(
        pointing_strict=distance <= 0,
        pointing_tolerant=distance <= TOLERANCE,
        energy_in_box=float(heat[boxed].sum(dtype=np.float64) / heat.sum(dtype=np.float64)),
        roi_iou=float((shown & boxed).sum() / max(1, (shown | boxed).sum())),
    )


def measure_localisation(
    bundle: Bundle, observation: Observation, boxes: Sequence[Sequence[Box]], *, label: str
) -> dict[str, Any]:
    """Figures of the label's heatmaps over the images that have boxes, each with a bootstrap 95 % interval by group.

    `all` counts every boxed image; `found` those that the Bundle calls positive, whose heatmap a user looks at.
    Also by region, and with and without hardware, where the records tell. Empty where no image has a box.
    """
    rows = [row for row, drawn in enumerate(boxes) if drawn]
    if not rows:
        return {}
    index = bundle.labels.index(label)
    records = [observation.records[row] for row in rows]
    found = observation.probabilities[rows, index] >= decision_thresholds(bundle, observation, label)[rows]
    scores = [
        localise(
            observation.class_activations[row, index],
            window=observation.windows[row],
            rows=int(observation.sizes[row, 0]),
            columns=int(observation.sizes[row, 1]),
            boxes=boxes[row],
        )
        for row in rows
    ]
    table = np.array([[float(getattr(score, name)) for name in MEASURES] for score in scores])
    everything = np.arange(len(rows))
    return {
        "label": label,
        "tolerance": f"{TOLERANCE} px at a longest side of {CANVAS} px",
        "all": _figures(table, records, everything),
        "found": _figures(table, records, np.flatnonzero(found)),
        "by_region": _by(table, records, "region"),
        "by_hardware": _by(table, records, "hardware"),
    }


def _figures(table: Floats, records: Sequence[Record], rows: Ints) -> dict[str, Any]:
    """Means of the chosen rows of the (n, measures) table, with intervals."""
    return means(dict(zip(MEASURES, table[rows].T, strict=True)), [records[row] for row in rows])


def _by(table: Floats, records: Sequence[Record], column: str) -> dict[str, Any]:
    """The figures of each value of a column; nothing where no record states it."""
    values = [record.columns.get(column, "").strip().lower() for record in records]
    return {
        value: _figures(table, records, np.array([row for row, own in enumerate(values) if own == value]))
        for value in sorted(set(values) - {""})
    }


def _distance(x: float, y: float, box: tuple[float, float, float, float]) -> float:
    """From a point to the nearest point of a box; 0 inside."""
    left, top, right, bottom = box
    return math.hypot(max(left - x, 0.0, x - right), max(top - y, 0.0, y - bottom))


def _mask(boxes: Sequence[tuple[float, float, float, float]], *, size: tuple[int, int]) -> NDArray[np.bool_]:
    """(h, w) true where a pixel's centre lies in one of the boxes (left, top, right, bottom in pixels)."""
    y, x = np.arange(size[0])[:, None] + 0.5, np.arange(size[1])[None, :] + 0.5
    mask = np.zeros(size, dtype=bool)
    for left, top, right, bottom in boxes:
        mask |= (x >= left) & (x <= right) & (y >= top) & (y <= bottom)
    return mask
