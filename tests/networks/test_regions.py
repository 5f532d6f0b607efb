"""Boxes from heatmaps whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from networks.regions import normalise, regions_of_interest

WHOLE = (0.0, 0.0, 1.0, 1.0)


def _heatmap(*blocks: tuple[int, int, int, int, float], grid: int = 16) -> np.ndarray:
    """Zeros with blocks (left, top, right, bottom, value) in cells."""
    heat = np.zeros((grid, grid), np.float32)
    for left, top, right, bottom, value in blocks:
        heat[top:bottom, left:right] = value
    return heat


def _near(region, expected, *, within):
    found = (region.x, region.y, region.x + region.width, region.y + region.height)
    assert np.abs(np.subtract(found, expected)).max() <= within, (found, expected)


def test_a_block_is_its_box():
    # Columns 4–8, rows 8–12 of 16, of an image 1600 wide and 800 high: the border of 0.5 lies on the cells' edge.
    [region] = regions_of_interest(_heatmap((4, 8, 8, 12, 1.0)), window=WHOLE, rows=800, columns=1600)
    _near(region, (400, 400, 800, 600), within=1600 / 256 + 1)
    assert region.score == 1.0


def test_letterbox():
    # The image covers the middle half of the columns: grid column 8 is its middle.
    heat = _heatmap((8, 0, 12, 4, 1.0))
    [region] = regions_of_interest(heat, window=(0.25, 0.0, 0.75, 1.0), rows=1000, columns=500)
    _near(region, (250, 0, 500, 250), within=1000 / 256 + 1)


def test_what_lies_in_the_bars_is_cut_away():
    window = (0.25, 0.0, 0.75, 1.0)
    assert regions_of_interest(_heatmap((0, 0, 3, 16, 1.0)), window=window, rows=1000, columns=500) == []
    [region] = regions_of_interest(_heatmap((0, 4, 6, 8, 1.0)), window=window, rows=1000, columns=500)
    _near(region, (0, 250, 125, 500), within=5)


def test_boxes_stay_within_the_image():
    heat = np.ones((9, 9), np.float32)
    for rows, columns in ((1, 1), (3, 5000), (777, 333)):
        [region] = regions_of_interest(heat, window=WHOLE, rows=rows, columns=columns)
        assert (region.x, region.y, region.width, region.height) == (0, 0, columns, rows)


def test_highest_first_and_no_more_than_asked():
    heat = _heatmap((0, 0, 3, 3, 0.6), (6, 6, 9, 9, 1.0), (12, 12, 15, 15, 0.8))
    scores = [region.score for region in regions_of_interest(heat, window=WHOLE, rows=160, columns=160)]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 3
    assert len(regions_of_interest(heat, window=WHOLE, rows=160, columns=160, at_most=2)) == 2
    assert len(regions_of_interest(heat, window=WHOLE, rows=160, columns=160, threshold=0.7)) == 2
    assert regions_of_interest(heat, window=WHOLE, rows=160, columns=160, smallest=0.5) == []


def test_nothing_hot_gives_no_box():
    assert regions_of_interest(np.zeros((9, 9), np.float32), window=WHOLE, rows=100, columns=100) == []


@pytest.mark.parametrize("value", [0.0, -3.0, 1e-42, np.nan, np.inf])
def test_a_map_without_a_positive_maximum_is_zeros(value):
    found = normalise(np.full((3, 4), value, np.float32))
    assert found.shape == (3, 4)
    assert not found.any()
    assert not np.isnan(found).any()


def test_the_maximum_becomes_one():
    np.testing.assert_allclose(normalise(np.array([[0, -1], [1, 4]], np.float32)), [[0, 0], [0.25, 1]])
