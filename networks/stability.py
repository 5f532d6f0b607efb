"""Does the answer hold when the radiograph lies a little beside where it lay? Agreement under small shifts.

A network with strides is not indifferent to shifts (Zhang 2019, arXiv 1904.11486), and where its answer hangs on a few
pixels it is not to be relied on. No TensorFlow.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from networks.image_statistics import covered, placed
from networks.preprocessing import Window

# Down and right, in parts of the input's side: 1/48 is 6 of 288 pixels, about 1 cm on a radiograph of a forearm.
SHIFTS = ((1 / 48, 1 / 48), (-1 / 48, -1 / 48), (1 / 48, -1 / 48), (-1 / 48, 1 / 48))


def shifted(tensor: NDArray[np.uint8], window: Window) -> NDArray[np.uint8]:
    """(size, size, 1) uint8 → (k, size, size, 1) uint8: the radiograph moved within its window by each of `SHIFTS`.

    Whole pixels. What leaves the window is lost, its outermost row or column is repeated into the gap on the other
    side, and the letterbox stays as it is.
    """
    size = tensor.shape[0]
    part, place = covered(tensor, window), placed(window, size)
    moved = np.repeat(tensor[None], len(SHIFTS), axis=0)
    height, width = part.shape
    for index, (down, right) in enumerate(SHIFTS):
        rows, columns = _pixels(down, size), _pixels(right, size)
        wide = cv2.copyMakeBorder(
            part, max(rows, 0), max(-rows, 0), max(columns, 0), max(-columns, 0), cv2.BORDER_REPLICATE
        )
        top, left = max(-rows, 0), max(-columns, 0)
        moved[(index, *place, 0)] = wide[top : top + height, left : left + width]
    return moved


def agreement(probability: float, shifted_probabilities: NDArray[np.floating], threshold: float) -> float:
    """How far the (k,) probabilities after shifts agree with `probability`, in [0, 1].

    The mean over the shifts of ½ · [same decision at `threshold`] + ½ · (1 − |difference of the probabilities|): 1
    where nothing changes, at least ½ where only the probability does, and ½ at most where every decision changes.
    """
    others = np.asarray(shifted_probabilities, dtype=np.float64)
    same = (others >= threshold) == (probability >= threshold)
    close = 1 - np.abs(others - probability)
    return float(np.mean(0.5 * same + 0.5 * close))


def _pixels(part: float, size: int) -> int:
    """At least one pixel."""
    return int(np.sign(part)) * max(1, round(abs(part) * size))
