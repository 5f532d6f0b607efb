"""The figures of the input: of the radiograph alone, whatever the letterbox."""

from __future__ import annotations

import numpy as np
import pytest

from networks.input_statistics import input_statistics
from networks.preprocessing import Preprocessing

PREPROCESSING = Preprocessing(size=64, source_longest_side=64)


def test_of_known_grey_values() -> None:
    pixels = np.full((64, 32), 100, dtype=np.uint8)
    pixels[:16], pixels[48:] = 0, 255
    tensor, window = PREPROCESSING.apply(pixels)
    found = input_statistics(tensor, window, rows=2000, columns=1000)
    assert found["mean"] == pytest.approx((0 + 100 + 100 + 255) / 4 / 255, abs=1e-4)
    assert found["deviation"] == pytest.approx(np.std(pixels) / 255, abs=1e-4)
    assert (found["p05"], found["p50"], found["p95"]) == (0.0, round(100 / 255, 4), 1.0)
    assert (found["black"], found["white"]) == (0.25, 0.25)
    assert (found["aspect"], found["longest_side"]) == (0.5, 2000.0)


def test_the_letterbox_does_not_count() -> None:
    pixels = np.random.default_rng(3).integers(30, 220, (64, 20), dtype=np.uint8)
    tall = input_statistics(*PREPROCESSING.apply(pixels), rows=64, columns=20)
    wide = input_statistics(*PREPROCESSING.apply(pixels.T.copy()), rows=20, columns=64)
    assert tall["black"] == 0.0
    assert {name: value for name, value in tall.items() if name != "aspect"} == {
        name: value for name, value in wide.items() if name != "aspect"
    }
