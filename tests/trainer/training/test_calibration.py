"""Temperatures and thresholds, fitted on made-up logits."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.training.calibration import calibrated, fit_shift, fit_temperature, logits_of, threshold_for


def test_temperature_of_overconfident_logits():
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (4000, 1))
    truth = (random.random((4000, 1)) < 1 / (1 + np.exp(-logits))).astype(np.int64)
    assert fit_temperature(logits * 3, truth, kind="sigmoid") == pytest.approx(3, rel=0.1)
    assert fit_temperature(logits, np.full_like(truth, -1), kind="sigmoid") == 1.0


def test_a_shift_undoes_another_share_of_positives():
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, 4000)
    truth = (random.random(4000) < 1 / (1 + np.exp(-logits))).astype(np.int64)
    truth[:10] = -1
    assert fit_shift(2 * (logits + 1.5), truth) == pytest.approx(-3.0, abs=0.3)
    assert fit_shift(logits, np.ones(4000, dtype=np.int64)) == 0.0


@pytest.mark.parametrize("kind", ["sigmoid", "softmax"])
def test_logits_and_back(kind):
    probability = np.array([[0.2, 0.5, 0.3], [0.7, 0.1, 0.2]])
    np.testing.assert_allclose(calibrated(logits_of(probability, kind=kind), kind=kind, temperature=1.0), probability)


def test_a_threshold_keeps_its_sensitivity():
    score, truth = np.array([0.9, 0.7, 0.5, 0.3, 0.95]), np.array([1, 1, 1, 1, 0])
    for sensitivity, last in ((0.75, 0.5), (0.76, 0.3), (1.0, 0.3)):
        found = threshold_for(score, truth, sensitivity=sensitivity)
        assert last - 1e-3 < found < last  # an engine whose probability is a hair lower still finds it
    assert threshold_for(score, np.zeros(5, int), sensitivity=0.9) == 0.5
