"""Figures against values computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.calibration import calibrated, fit_temperature, logits_of, threshold_for
from trainer.metrics import Bootstrap, by_group, finding_metrics, region_metrics

TRUTH = np.array([1, 1, 1, 0, 0, 0, 0, 1])
SCORE = np.array([0.9, 0.8, 0.3, 0.7, 0.2, 0.1, 0.4, 0.5])


def test_a_finding():
    found = finding_metrics(TRUTH, SCORE, threshold=0.5)
    # At 0.5: 0.9, 0.8, 0.5 of four positives; of four negatives 0.7 is above.
    assert found["confusion_matrix"] == {"tp": 3, "fp": 1, "tn": 3, "fn": 1}
    assert (found["sensitivity"], found["specificity"], found["accuracy"]) == (0.75, 0.75, 0.75)
    # Pairs (positive, negative) in order: 4 + 4 + 2 (0.3 beats 0.2, 0.1) + 3 (0.5 beats all but 0.7) of 16.
    assert found["auc"] == 0.8125
    # Precision at each positive: 1/1, 2/2, 3/4, 4/6.
    assert found["average_precision"] == pytest.approx((1 + 1 + 3 / 4 + 4 / 6) / 4, abs=1e-4)
    assert found["brier"] == pytest.approx(float(np.mean((SCORE - TRUTH) ** 2)), abs=1e-4)
    for name in ("auc", "sensitivity", "specificity"):
        low, high = found[f"{name}_ci95"]
        assert low <= found[name] <= high
        assert low < high
    assert found["notes"] == []


@pytest.mark.parametrize(("truth", "absent"), [(np.zeros(4, int), "sensitivity"), (np.ones(4, int), "specificity")])
def test_one_class_alone(truth, absent):
    found = finding_metrics(truth, np.array([0.1, 0.6, 0.7, 0.2]), threshold=0.5)
    assert found["auc"] is None
    assert found["auc_ci95"] is None
    assert found[absent] is None
    assert found["accuracy"] == 0.5
    assert "ROC AUC" in found["notes"][0]


def test_no_truth_at_all():
    found = finding_metrics(np.empty(0, int), np.empty(0), threshold=0.5)
    assert (found["n"], found["auc"], found["accuracy"], found["brier"]) == (0, None, None, None)
    assert region_metrics(np.empty(0, int), np.empty((0, 2)), labels=("a", "b"))["accuracy"] is None


def test_regions():
    probability = np.eye(3)[[0, 1, 1, 2]]
    found = region_metrics(np.array([0, 0, 1, 2]), probability, labels=("a", "b", "c"))
    assert found["accuracy"] == 0.75
    assert found["confusion_matrix"] == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]


def test_by_region():
    membership = np.array([0, 0, 0, 0, 0, 0, 0, 1])
    found = by_group(TRUTH, SCORE, threshold=0.5, membership=membership, names=("hand", "leg", "hip"))
    assert found["hand"] == {"n": 7, "positives": 3, "auc": 0.8333, "sensitivity": 0.6667, "specificity": 0.75}
    assert found["leg"] == {"n": 1, "positives": 1, "auc": None, "sensitivity": 1.0, "specificity": None}
    assert "hip" not in found


def test_groups_are_drawn_whole():
    values = np.array([0.0] * 50 + [1.0] * 50)
    single = Bootstrap(100).interval(lambda rows: float(values[rows].mean()))
    grouped = Bootstrap(100, groups=["a"] * 50 + ["b"] * 50).interval(lambda rows: float(values[rows].mean()))
    assert grouped == [0.0, 1.0]
    assert single is not None
    assert single == pytest.approx([0.4, 0.6], abs=0.05)


def test_temperature_of_overconfident_logits():
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (4000, 1))
    truth = (random.random((4000, 1)) < 1 / (1 + np.exp(-logits))).astype(np.int64)
    assert fit_temperature(logits * 3, truth, kind="sigmoid") == pytest.approx(3, rel=0.1)
    assert fit_temperature(logits, np.full_like(truth, -1), kind="sigmoid") == 1.0


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
