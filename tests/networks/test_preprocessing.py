"""The letterbox: what of the square the radiograph covers, and what is around it."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from networks.preprocessing import Preprocessing, Window

BRIGHT = 200


@pytest.mark.parametrize(
    ("shape", "window"),
    [
        ((64, 64), (0, 0, 1, 1)),
        ((128, 64), (0.25, 0, 0.75, 1)),  # tall: bars left and right
        ((64, 128), (0, 0.25, 1, 0.75)),  # wide: bars above and below
        ((16, 8), (0.25, 0, 0.75, 1)),  # enlarged
        ((1, 1), (0, 0, 1, 1)),
        ((640, 1), (31 / 64, 0, 32 / 64, 1)),  # thinner than one pixel of the square: still there
        ((1, 640), (0, 31 / 64, 1, 32 / 64)),
    ],
)
def test_the_window_is_where_the_radiograph_stands(shape, window):
    image, found = Preprocessing(size=64, pad=7).apply(np.full(shape, BRIGHT, np.uint8))
    assert image.shape == (64, 64, 1)
    assert image.dtype == np.uint8
    assert isinstance(found, Window)
    assert found == pytest.approx(window)
    left, top, right, bottom = (round(64 * edge) for edge in found)
    inside = np.zeros((64, 64), bool)
    inside[top:bottom, left:right] = True
    assert (image[inside] == BRIGHT).all()
    assert (image[~inside] == 7).all()


def test_shrinking_averages_areas():
    pixels = np.tile(np.array([[0, 100], [100, 200]], np.uint8), (64, 64))
    image, _ = Preprocessing(size=64).apply(pixels)
    assert (image == 100).all()
    # Each pixel of four by four counts, not those in the middle alone.
    rings = np.full((4, 4), 200, np.uint8)
    rings[1:3, 1:3] = 0
    image, _ = Preprocessing(size=64).apply(np.tile(rings, (64, 64)))
    assert (image == 150).all()


def test_orientation_is_kept():
    pixels = np.zeros((100, 50), np.uint8)
    pixels[:10, :10] = 255
    image, window = Preprocessing(size=100).apply(pixels)
    assert image[5, round(100 * window.left) + 5, 0] == 255
    assert image[94, round(100 * window.right) - 5, 0] == 0


@pytest.mark.parametrize(
    "pixels", [np.zeros((4, 4, 1), np.uint8), np.zeros((4, 4), np.uint16), np.zeros((0, 4), np.uint8), np.zeros(4)]
)
def test_other_arrays_are_refused(pixels):
    with pytest.raises(ValueError, match="expected"):
        Preprocessing(size=64).apply(pixels)


@pytest.mark.parametrize("fields", [{}, {"size": 8}, {"size": 64, "pad": 256}, {"size": 64, "version": 2}])
def test_unknown_forms_are_refused(fields):
    with pytest.raises(ValidationError):
        Preprocessing.model_validate(fields)


def test_round_trip():
    made = Preprocessing(size=96, source_longest_side=400, pad=3)
    assert Preprocessing.model_validate_json(made.model_dump_json()) == made
