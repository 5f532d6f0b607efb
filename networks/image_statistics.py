"""What is measured on a preprocessed radiograph without any network: grey values, edges, build. No TensorFlow.

All figures are the same for an image and its mirror images, and none depends on the letterbox.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from networks.preprocessing import Window

Floats = NDArray[np.float32]
# The square that all but sharpness is measured on, and the finest of the grids of means over it.
SIDE = 96
GRID = 8
QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
SCALES = (1, 2, 4, 8)
BANDS = (2, 4, 8, 16, 24, 34, 48)
# How many figures `picture_statistics` gives: of grey values, build, edges, spectrum, and the last two.
STATISTICS = 16 + 24 + 24 + 6 + 2
# Of an unexposed edge: its grey value and that of the air beside it, how much of a line must have them, how much of the
# image the edge may take, and how soon the dark must follow (fractions).
BRIGHT, DARK, MOST, DEEPEST, SOON = 190, 90, 0.75, 0.4, 0.06
# Grey values; keeps the ratios of a flat image finite.
FLOOR = 2.0


def placed(window: Window, size: int) -> tuple[slice, slice]:
    """The rows and columns of a (size, size) input that the radiograph covers: at least one of each."""
    left, top = (min(size - 1, max(0, round(side * size))) for side in (window.left, window.top))
    right, bottom = max(left + 1, round(window.right * size)), max(top + 1, round(window.bottom * size))
    return slice(top, bottom), slice(left, right)


def covered(tensor: NDArray[np.uint8], window: Window) -> NDArray[np.uint8]:
    """The part of the (size, size, 1) input that the radiograph covers, (h, w)."""
    return tensor[(*placed(window, tensor.shape[0]), 0)]


def exposed(part: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(h, w) with the bright edges of a plate that was exposed in its middle only made dark.

    Such an edge is one bright strip along a whole side that ends in the dark of the exposed air. What is bright because
    it is dense, or because the image is inverted, ends in tissue and stays.
    """
    rest = part
    box = [0, part.shape[0], 0, part.shape[1]]
    for _ in range(4):  # a strip on one side hides the ends of the next one's
        depths = [_unexposed(lines) for lines in (rest, rest[::-1], rest.T, rest.T[::-1])]
        if not any(depths):
            break
        box = [box[0] + depths[0], box[1] - depths[1], box[2] + depths[2], box[3] - depths[3]]
        if box[0] >= box[1] or box[2] >= box[3]:
            return part
        rest = part[box[0] : box[1], box[2] : box[3]]
    if rest is part:
        return part
    dark = np.zeros_like(part)
    dark[box[0] : box[1], box[2] : box[3]] = rest
    return dark


def _unexposed(lines: NDArray[np.uint8]) -> int:
    """How many of the first lines are bright, where dark ones follow soon; else 0."""
    bright = (lines >= BRIGHT).mean(axis=1) >= MOST
    count = len(lines) if bright.all() else int(np.argmin(bright))
    if not 0 < count <= DEEPEST * len(lines):
        return 0
    after = lines[count : count + max(2, round(SOON * len(lines)))]
    dark = (np.minimum.accumulate(after, axis=0) <= DARK).mean(axis=1) >= MOST
    return count + int(np.argmax(dark)) if dark.any() else 0


def picture_statistics(tensor: NDArray[np.uint8], window: Window) -> Floats:
    """(S,) float32 of a (size, size, 1) uint8 input, S = `STATISTICS`; the last is `blurredness`.

    They are those of the exposed part: an unexposed edge would look like the bright surroundings of an inverted bone.
    """
    part = exposed(covered(tensor, window))
    grey = cv2.resize(part, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.concatenate(
        [
            _grey_values(part),
            _build(grey),
            _edges(grey),
            _spectrum(grey),
            [abs(np.log(part.shape[0] / part.shape[1])), blurredness(part)],
        ]
    ).astype(np.float32)


def blurredness(part: NDArray[np.uint8]) -> float:
    """How little the finest detail of (h, w) uint8 adds: minus the logarithm of the energy of the finest of three
    differences of Gaussians over that of the coarsest, at the radiograph's sharpest places; 0 for a flat image.

    The ratio does not change with contrast. Only where edges are strongest is a sharp radiograph sharp at all: most of
    its area is smooth, but its bones end somewhere.
    """
    grey = part.astype(np.float32)
    levels = [cv2.GaussianBlur(grey, (0, 0), sigma) for sigma in (0.7, 1.4, 2.8, 5.6)]
    fine, coarse = np.abs(levels[0] - levels[1]), np.abs(levels[2] - levels[3])
    strongest = coarse >= np.quantile(coarse, 0.9)
    if float(coarse[strongest].mean()) < FLOOR / 4:
        return 0.0
    # The edges' own neighbourhoods: the finest detail lies beside, not on, the maximum of the coarse one.
    near = cv2.dilate(strongest.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    top = np.quantile(fine[near], 0.9)
    return float(-np.log((top + 1e-3) / np.quantile(coarse[near], 0.9)))


def _grey_values(part: NDArray[np.uint8]) -> Floats:
    share = np.bincount(part.ravel(), minlength=256).astype(np.float64) / part.size
    cumulated = np.cumsum(share)
    quantiles = np.searchsorted(cumulated, QUANTILES) / 255
    levels = share[share > 0]
    values = np.arange(256)
    mean = float((values * share).sum())
    deviation = float(np.sqrt(((values - mean) ** 2 * share).sum()))
    skew = float(((values - mean) ** 3 * share).sum()) / max(deviation, FLOOR) ** 3
    return np.array(
        [
            *quantiles,
            mean / 255,
            deviation / 128,
            skew,
            float(-(levels * np.log2(levels)).sum()) / 8,
            share[:9].sum(),
            share[247:].sum(),
            share.max(),
        ],
        dtype=np.float32,
    )


def _build(grey: Floats) -> Floats:
    """Where it is bright: the border against the middle, and a grid of means averaged over the mirror images."""
    deviation = max(float(grey.std()), FLOOR)
    normal = (grey - grey.mean()) / deviation
    cells = cv2.resize(normal, (GRID, GRID), interpolation=cv2.INTER_AREA)
    mirrored = (cells + cells[::-1] + cells[:, ::-1] + cells[::-1, ::-1]) / 4
    quarter = mirrored[: GRID // 2, : GRID // 2]
    width = SIDE // 16
    sides = [normal[:width], normal[-width:], normal[:, :width], normal[:, -width:]]
    vertical = sorted(float(side.mean()) for side in sides[:2])
    horizontal = sorted(float(side.mean()) for side in sides[2:])
    spread = [float(np.mean([side.std() for side in pair])) for pair in (sides[:2], sides[2:])]
    symmetry = [
        float((normal * normal[::-1]).mean()),
        float((normal * normal[:, ::-1]).mean()),
    ]
    return np.array([*quarter.ravel(), *vertical, *horizontal, *spread, *symmetry], dtype=np.float32)


def _edges(grey: Floats) -> Floats:
    """Edge strength at four scales, its relation to the grey value, and how the edges are oriented."""
    deviation = max(float(grey.std()), FLOOR)
    found: list[float] = []
    for scale in SCALES:
        smooth = cv2.GaussianBlur(grey, (0, 0), 0.6 * scale)
        strength = np.hypot(cv2.Sobel(smooth, cv2.CV_32F, 1, 0) / 8, cv2.Sobel(smooth, cv2.CV_32F, 0, 1) / 8)
        relative = strength * scale / deviation
        found += [
            float(np.log(relative.mean() + 1e-3)),
            float(np.log(np.quantile(relative, 0.95) + 1e-3)),
            float((strength < 1).mean()),
            _correlation(strength, smooth),
        ]
    smooth = cv2.GaussianBlur(grey, (0, 0), 1.0)
    x, y = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    angle = np.mod(np.arctan2(np.abs(y), np.abs(x)), np.pi / 2)
    histogram, _ = np.histogram(angle, bins=6, range=(0, np.pi / 2), weights=np.hypot(x, y))
    share = histogram / max(float(histogram.sum()), 1e-6)
    # Second differences: bright ridges (bones are) against dark valleys.
    ridge = cv2.GaussianBlur(grey, (0, 0), 1.5) - cv2.GaussianBlur(grey, (0, 0), 4.0)
    third = float((ridge**3).mean()) / max(float(ridge.std()), FLOOR / 4) ** 3
    return np.array([*found, *share, third, _correlation(np.abs(ridge), grey)], dtype=np.float32)


def _spectrum(grey: Floats) -> Floats:
    """Logarithms of the mean power in rings of spatial frequency, each against the first."""
    window = np.hanning(SIDE).astype(np.float32)
    power = np.abs(np.fft.fft2((grey - grey.mean()) * np.outer(window, window))) ** 2
    frequency = np.fft.fftfreq(SIDE, 1 / SIDE)
    radius = np.hypot(frequency[:, None], frequency[None, :])
    rings = [
        float(np.log(power[(radius >= low) & (radius < high)].mean() + FLOOR))
        for low, high in zip((1, *BANDS[:-1]), BANDS, strict=True)
    ]
    return np.array([ring - rings[0] for ring in rings[1:]], dtype=np.float32)


def _correlation(first: Floats, second: Floats) -> float:
    """Pearson's; 0 where one of them is flat."""
    deviations = float(first.std()) * float(second.std())
    if deviations < 1e-3:
        return 0.0
    return float(((first - first.mean()) * (second - second.mean())).mean() / deviations)
