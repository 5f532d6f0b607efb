"""Does the network read the letters? Radiographs judged again with what lies bright beside the anatomy covered: side
markers, burnt-in text, the edges of plates."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from networks.bundle import Bundle
from networks.engines import Engine
from trainer.datasets import UNKNOWN
from trainer.evaluation.bootstrap import Bootstrap, Floats
from trainer.evaluation.predictions import group_of
from trainer.evaluation.ranking import Ranking
from trainer.trust.alterations import Random, altered
from trainer.trust.observation import Observation, probabilities_of

Pixels = NDArray[np.uint8]
# A marker stands out from its surroundings by so many grey values, and its strokes are no wider than this part of the
# longest side: bones are wider, and what is narrower of them (edges) stands out less.
CONTRAST = 60
STROKE = 1 / 48
# Parts of the image's area: a letter or a line of text, its box.
SMALLEST, LARGEST = 1e-5, 1e-2
# Markers lie beside the anatomy: less than this of the box's surroundings is bright.
BRIGHT, SURROUNDED = 60, 0.35


def marker_mask(part: Pixels) -> NDArray[np.bool_]:
    """(h, w) uint8 → where small bright shapes stand on a dark ground: letters, arrows, text, edges of the plate.
    Found by form alone, so that now and then a fingertip, a screw or the like is among them."""
    height, width = part.shape
    side = max(3, round(max(height, width) * STROKE)) | 1
    standing_out = cv2.morphologyEx(part, cv2.MORPH_TOPHAT, np.ones((side, side), np.uint8)) > CONTRAST
    count, areas, boxes, _ = cv2.connectedComponentsWithStats(standing_out.astype(np.uint8), connectivity=8)
    mask = np.zeros((height, width), dtype=bool)
    for index in range(1, count):
        x, y, across, down, area = (int(value) for value in boxes[index])
        if not SMALLEST * part.size <= area or across * down > LARGEST * part.size:
            continue
        near = part[max(0, y - side) : y + down + side, max(0, x - side) : x + across + side]
        own = areas[max(0, y - side) : y + down + side, max(0, x - side) : x + across + side] == index
        if float((near[~own] > BRIGHT).mean()) < SURROUNDED:
            mask |= areas == index
    return np.asarray(cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0)


def without_markers(part: Pixels, random: Random) -> Pixels:  # noqa: ARG001 - an Alteration
    """The radiograph with its markers painted over from around them."""
    mask = marker_mask(part)
    return np.asarray(cv2.inpaint(part, mask.astype(np.uint8), 3, cv2.INPAINT_TELEA)) if mask.any() else part


def measure_markers(
    bundle: Bundle, engine: Engine, observation: Observation, truth: NDArray[np.int64], *, label: str
) -> dict[str, Any]:
    """ROC AUC as they are and with markers covered, and the difference, with bootstrap 95 % intervals by group.

    `truth` (n,) is 0, 1 or UNKNOWN. Empty where no image has a marker or a class is absent.
    """
    covered = altered(observation.tensors, observation.windows, without_markers, seed=0)
    marked = (covered != observation.tensors).any(axis=(1, 2, 3))
    rows = np.flatnonzero(truth != UNKNOWN)
    if not marked[rows].any() or len(set(truth[rows])) < 2:
        return {}
    index = bundle.labels.index(label)
    before = observation.probabilities[:, index].astype(np.float64)
    after = before.copy()
    after[marked] = probabilities_of(engine, covered[marked])[:, index]
    plain, changed = Ranking(truth[rows], before[rows]), Ranking(truth[rows], after[rows])

    def figures(weights: Floats) -> dict[str, Floats]:
        first, second = plain.areas(weights)[0], changed.areas(weights)[0]
        return {"auc": first, "auc_markers_covered": second, "auc_minus_covered": first - second}

    groups = [group_of(observation.records[row]) for row in rows]
    return {
        "label": label,
        "n": len(rows),
        "with_markers": int(marked[rows].sum()),
        **Bootstrap(len(rows), groups=groups).measured(figures),
        "mean_change_of_probability": round(float(np.abs(after - before)[rows].mean()), 4),
    }
