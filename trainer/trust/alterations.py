"""Bone radiographs as they also occur, and as they should not: altered copies of (size, size, 1) inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from networks.image_statistics import covered, placed
from networks.preprocessing import Window

Pixels = NDArray[np.uint8]
Random = np.random.Generator
# (h, w) uint8 → (h, w) uint8
Alteration = Callable[[Pixels, Random], Pixels]


def altered(tensors: Pixels, windows: Sequence[Window], alteration: Alteration, *, seed: int) -> Pixels:
    """(n, size, size, 1) copies: the radiographs altered, the letterbox not; the same for the same seed."""
    random = np.random.default_rng(seed)
    copies = tensors.copy()
    for copy, window in zip(copies, windows, strict=True):
        copy[(*placed(window, copy.shape[0]), 0)] = alteration(covered(copy, window).copy(), random)
    return copies


def inverted(part: Pixels, random: Random) -> Pixels:  # noqa: ARG001 - an Alteration
    """Dark where the body is dense."""
    return 255 - part


def blurred(part: Pixels, random: Random) -> Pixels:
    """Out of focus: a Gaussian of 1/160 to 1/60 of the longest side."""
    return np.asarray(cv2.GaussianBlur(part, (0, 0), max(part.shape) / random.uniform(60, 160)), dtype=np.uint8)


def varied(part: Pixels, random: Random) -> Pixels:
    """Still a good radiograph: other exposure, and in two of three copies the bright edges of a collimated plate."""
    exposed = 255 * (part / 255.0) ** np.exp(random.uniform(-0.5, 0.5))
    if random.random() < 2 / 3:
        exposed = _framed(exposed, random)
    return np.asarray(np.clip(exposed, 0, 255), dtype=np.uint8)


def _framed(part: NDArray[np.float64], random: Random) -> NDArray[np.float64]:
    """Up to three sides bright up to a third of the way in, as where a MONOCHROME1 plate was not exposed."""
    height, width = part.shape
    mask = np.zeros((height, width), dtype=np.float32)
    for side in random.permutation(4)[: random.integers(1, 4)]:
        rows, columns = (max(1, int(full * random.uniform(0.03, 0.33))) for full in (height, width))
        ends = (mask[:rows], mask[-rows:], mask[:, :columns], mask[:, -columns:])
        ends[side][:] = 1
    soft = cv2.GaussianBlur(mask, (0, 0), random.uniform(0.5, 3))
    return np.asarray(part * (1 - soft) + random.uniform(190, 255) * soft, dtype=np.float64)
