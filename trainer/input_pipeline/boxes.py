"""Boxes that people drew around what a label means: from YOLO label files, laid over a network's input and grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.errors import DataInvalid
from networks.preprocessing import Window
from trainer.datasets import Record

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Box:
    """A box in fractions of the image's sides, 0 ≤ left < right ≤ 1 and 0 ≤ top < bottom ≤ 1."""

    left: float
    top: float
    right: float
    bottom: float


def read_boxes(label_file: Path) -> list[Box]:
    """The boxes of a YOLO label file: one a line, `class x-centre y-centre width height` in fractions of the image.

    Parts outside the image are cut off. Raises DataInvalid for a line that is none, or a file that cannot be read.
    """
    try:
        lines = label_file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataInvalid(f"{label_file.name} cannot be read") from error
    return [_box(line, name=label_file.name) for line in lines if line.strip()]


def boxes_of(records: Sequence[Record], folder: Path) -> list[list[Box]]:
    """The boxes of each record: of the label file in `folder` that is named like its image; none where there is none.

    Raises DataInvalid where the folder is missing.
    """
    if not folder.is_dir():
        raise DataInvalid(f"there is no folder of boxes {folder.name}")
    files = [folder / f"{record.file.stem}.txt" for record in records]
    return [read_boxes(file) if file.is_file() else [] for file in files]


def on_input(boxes: Sequence[Box], window: Window, *, size: int) -> Floats:
    """(k, 4) left, top, right, bottom in pixels of the (size, size) input, of which the radiograph covers `window`."""
    corners = np.array([[b.left, b.top, b.right, b.bottom] for b in boxes], dtype=np.float64).reshape(-1, 4)
    start, extent = np.array(window[:2]), np.array(window[2:]) - np.array(window[:2])
    placed: Floats = size * (np.tile(start, 2) + corners * np.tile(extent, 2))
    return placed


def warped(boxes: Floats, matrix: Floats) -> Floats:
    """(k, 4) boxes after the affine (2, 3) `matrix`: about the same centres, parallel to the axes, of the warped area.

    The upright box around a turned one would be too large, and tell the network that what lies beside it counts.
    """
    if not len(boxes):
        return boxes
    corners = np.stack([boxes[:, [0, 1]], boxes[:, [2, 1]], boxes[:, [0, 3]], boxes[:, [2, 3]]], axis=1)
    moved = corners @ matrix[:, :2].T + matrix[:, 2]
    low, high = moved.min(axis=1), moved.max(axis=1)
    area = abs(np.linalg.det(matrix[:, :2])) * (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    around = np.maximum((high - low).prod(axis=1), 1e-9)
    half = (high - low) / 2 * np.sqrt(area / around)[:, None]
    centre = (low + high) / 2
    return np.hstack([centre - half, centre + half])


def coverage(boxes: Floats, *, size: int, grid: tuple[int, int]) -> NDArray[np.float32]:
    """(rows, columns) of `grid` over a (size, size) input: how much of each cell lies in a box, summing to 1; 0 where
    none of it does. Boxes are taken half a cell larger on each side, for a cell on the edge sees the inside too.
    """
    covered = np.zeros(grid)
    for left, top, right, bottom in boxes:
        covered = np.maximum(
            covered, np.outer(_overlap(top, bottom, size, grid[0]), _overlap(left, right, size, grid[1]))
        )
    total = covered.sum()
    return (covered / total if total > 0 else covered).astype(np.float32)


def _overlap(low: float, high: float, size: int, cells: int) -> Floats:
    """(cells,): the share of each cell of a side that lies between `low` − ½ cell and `high` + ½ cell."""
    cell = size / cells
    edges = np.arange(cells + 1) * cell
    inside = np.minimum(edges[1:], high + cell / 2) - np.maximum(edges[:-1], low - cell / 2)
    overlap: Floats = np.clip(inside / cell, 0.0, 1.0)
    return overlap


def _box(line: str, *, name: str) -> Box:
    try:
        _, x, y, width, height = (float(word) for word in line.split())
    except ValueError as error:
        raise DataInvalid(f"{name}: {line[:60]!r} is no YOLO box") from error
    sides = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    if not all(math.isfinite(side) for side in sides):
        raise DataInvalid(f"{name}: {line[:60]!r} is no YOLO box")
    left, top, right, bottom = (min(1.0, max(0.0, side)) for side in sides)
    if left >= right or top >= bottom:
        raise DataInvalid(f"{name}: {line[:60]!r} is a box without area")
    return Box(left, top, right, bottom)
