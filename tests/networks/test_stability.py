"""Small shifts, and the agreement under them."""

from __future__ import annotations

import numpy as np
import pytest

from networks.preprocessing import Preprocessing, Window
from networks.stability import SHIFTS, agreement, shifted
from tests.data import generated_radiograph


def test_shifts_move_the_radiograph_and_not_the_letterbox() -> None:
    tensor, window = Preprocessing(size=96, pad=7).apply(generated_radiograph(192, 96))
    copies = shifted(tensor, window)
    assert copies.shape == (len(SHIFTS), 96, 96, 1)
    assert copies.dtype == np.uint8
    assert (copies[:, :, :24] == 7).all()
    assert (copies[:, :, 72:] == 7).all()
    for copy, (down, right) in zip(copies, SHIFTS, strict=True):
        rows, columns = round(down * 96), round(right * 96)
        inner = tensor[10:80, 30:60]
        assert (copy[10 + rows : 80 + rows, 30 + columns : 60 + columns] == inner).all()
        assert not (copy == tensor).all()


def test_the_gap_repeats_the_edge() -> None:
    tensor = np.arange(64, dtype=np.uint8)[:, None, None] * np.ones((1, 64, 1), np.uint8)
    copies = shifted(tensor, Window(0.0, 0.0, 1.0, 1.0))
    assert copies[0, 0, 0, 0] == copies[0, 1, 0, 0] == 0
    assert copies[1, -1, 0, 0] == 63


def test_a_steady_answer_agrees_wholly() -> None:
    assert agreement(0.8, np.array([0.8, 0.8]), 0.5) == 1.0


def test_changed_decisions_cost_more_than_changed_probabilities() -> None:
    kept, changed = agreement(0.6, np.array([0.8]), 0.5), agreement(0.6, np.array([0.4]), 0.5)
    assert kept == pytest.approx(0.9)
    assert changed == pytest.approx(0.4)
    assert agreement(0.6, np.array([0.8, 0.4]), 0.5) == pytest.approx(0.65)


def test_agreement_lies_between_0_and_1() -> None:
    assert agreement(1.0, np.array([0.0, 0.0], dtype=np.float32), 0.5) == 0.0
    random = np.random.default_rng(0)
    for _ in range(50):
        assert 0 <= agreement(random.random(), random.random(4), random.random()) <= 1
