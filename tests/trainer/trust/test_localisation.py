"""Heatmaps against boxes: planted heat is found where it was planted, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from networks.bundle import Bundle
from networks.preprocessing import Window
from tests.trainer.trust.conftest import Seeing, bones
from trainer.input_pipeline.boxes import Box
from trainer.trust.localisation import localise, measure_localisation

pytestmark = [
    pytest.mark.keras,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]
WHOLE = Window(0.0, 0.0, 1.0, 1.0)
GRID = 16


def heat_at(row: int, column: int) -> NDArray[np.float32]:
    heat = np.zeros((GRID, GRID), dtype=np.float32)
    heat[row, column] = 3.0
    return heat


def test_heat_in_the_box_is_found() -> None:
    box = Box(4 / GRID, 8 / GRID, 5 / GRID, 9 / GRID)
    found = localise(heat_at(8, 4), window=WHOLE, rows=512, columns=512, boxes=[box])
    assert found.pointing_strict
    assert found.pointing_tolerant
    # Linear between the centres of cells, so the own cell has (3/4)² of the heat.
    assert found.energy_in_box == pytest.approx(0.5625, abs=0.01)
    assert found.roi_iou > 0.5


def test_heat_beside_the_box_is_tolerated_up_to_15_pixels() -> None:
    # The maximum lies at (4.5, 8.5) of 16 cells of 32 pixels: 16 pixels from the cell's border.
    near = Box((4 * 32 + 16 + 13) / 512, 0.5, 0.6, 0.6)
    far = replace(near, left=near.left + 4 / 512)
    found = localise(heat_at(8, 4), window=WHOLE, rows=512, columns=512, boxes=[near])
    assert (found.pointing_strict, found.pointing_tolerant) == (False, True)
    found = localise(heat_at(8, 4), window=WHOLE, rows=512, columns=512, boxes=[far])
    assert (found.pointing_strict, found.pointing_tolerant) == (False, False)
    # The tolerance is of an image of 512 pixels, whatever the file's size is.
    found = localise(heat_at(8, 4), window=WHOLE, rows=2048, columns=2048, boxes=[near])
    assert found.pointing_tolerant


def test_the_letterbox_is_taken_into_account() -> None:
    # An upright image covers the middle half: cell 8 of 16 lies at its centre.
    window = Window(0.25, 0.0, 0.75, 1.0)
    box = Box(0.45, 0.45, 0.65, 0.6)
    found = localise(heat_at(8, 8), window=window, rows=400, columns=200, boxes=[box])
    assert found.pointing_strict
    # Heat in the letterbox is cut away: nothing is left but what reaches over the border.
    found = localise(heat_at(8, 1), window=window, rows=400, columns=200, boxes=[box])
    assert not found.pointing_tolerant
    assert found.energy_in_box == 0.0


def test_one_of_several_boxes_is_enough() -> None:
    boxes = [Box(0.8, 0.8, 0.9, 0.9), Box(0.25, 0.5, 0.32, 0.57)]
    assert localise(heat_at(8, 4), window=WHOLE, rows=300, columns=300, boxes=boxes).pointing_strict


def test_no_heat_points_nowhere() -> None:
    found = localise(np.zeros((9, 9), np.float32), window=WHOLE, rows=64, columns=64, boxes=[Box(0, 0, 1, 1)])
    assert not found.pointing_strict
    assert found.roi_iou == found.energy_in_box == 0.0


def test_the_measures_over_a_split(bundle: Bundle, see: Seeing) -> None:
    seen = see(bones(6, seed=1))
    index = bundle.labels.index("fracture")
    boxes: list[list[Box]] = []
    for row, activation in enumerate(seen.class_activations):
        activation[index] = 0
        activation[index, 2, 3] = 1
        size = activation.shape[-1]
        inside, window = ((3.5 / size), (2.5 / size)), seen.windows[row]
        x = (inside[0] - window.left) / (window.right - window.left)
        y = (inside[1] - window.top) / (window.bottom - window.top)
        there = Box(x - 0.05, y - 0.05, x + 0.05, y + 0.05)
        boxes.append([there] if row < 3 else [Box(0.9, 0.9, 1.0, 1.0)] if row < 5 else [])
    figures = measure_localisation(bundle, seen, boxes, label="fracture")
    assert figures["all"]["n"] == 5
    assert figures["all"]["pointing_strict"] == pytest.approx(0.6)
    low, high = figures["all"]["pointing_strict_ci95"]
    assert low <= 0.6 <= high
    assert set(figures["by_hardware"]) == {"0", "1"}
    assert figures["by_region"]["leg"]["n"] == 5
    assert measure_localisation(bundle, seen, [[] for _ in boxes], label="fracture") == {}
