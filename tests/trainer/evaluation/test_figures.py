"""Figures against scikit-learn and values computed by hand; the quick bootstrap against the slow one."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn import metrics as sk

from trainer.evaluation.binary import BinaryFigures, finding_metrics
from trainer.evaluation.bootstrap import Bootstrap
from trainer.evaluation.decisions import three_way_metrics
from trainer.evaluation.multiclass import MulticlassFigures, most_confused, region_metrics
from trainer.evaluation.ranking import CURVE_POINTS, auc, curves
from trainer.evaluation.reliability import BINS, Reliability

TRUTH = np.array([1, 1, 1, 0, 0, 0, 0, 1])
SCORE = np.array([0.9, 0.8, 0.3, 0.7, 0.2, 0.1, 0.4, 0.5])


def _sample(seed: int, *, count: int = 300, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    score = random.random(count)
    truth = (random.random(count) < 0.2 + 0.5 * score).astype(np.int64)
    return truth, np.round(score, 1) if ties else score


def _sklearn(truth, score, decided):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            "auc": sk.roc_auc_score(truth, score),
            "average_precision": sk.average_precision_score(truth, score),
            "sensitivity": sk.recall_score(truth, decided),
            "specificity": sk.recall_score(truth, decided, pos_label=0),
            "precision": sk.precision_score(truth, decided, zero_division=np.nan),
            "npv": sk.precision_score(truth, decided, pos_label=0, zero_division=np.nan),
            "accuracy": sk.accuracy_score(truth, decided),
            "balanced_accuracy": sk.balanced_accuracy_score(truth, decided),
            "f1": sk.f1_score(truth, decided),
            "f1_macro": sk.f1_score(truth, decided, average="macro"),
            "f1_weighted": sk.f1_score(truth, decided, average="weighted"),
            "kappa": sk.cohen_kappa_score(truth, decided),
            "mcc": sk.matthews_corrcoef(truth, decided),
            "brier": sk.brier_score_loss(truth, score),
            "log_loss": sk.log_loss(truth, np.clip(score, 1e-7, 1 - 1e-7), labels=[0, 1]),
        }


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
    for name in ("auc", "sensitivity", "specificity", "f1", "kappa", "ece", "brier"):
        low, high = found[f"{name}_ci95"]
        assert low < high
    assert found["notes"] == []


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("threshold", [0.3, 0.5, 2.0])
def test_every_figure_is_that_of_scikit_learn(ties, threshold):
    truth, score = _sample(3, ties=ties)
    decided = (score >= threshold).astype(np.int64)
    expected = _sklearn(truth, score, decided)
    found = {name: values[0] for name, values in BinaryFigures(truth, score, decided)(np.ones((1, 300))).items()}
    if threshold == 2.0:  # nobody is positive: what scikit-learn calls 0 is undefined here
        assert np.isnan(found.pop("precision"))
        assert np.isnan(expected.pop("precision"))
        assert np.isnan(found.pop("mcc"))
        assert expected.pop("mcc") == 0
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-12), name


@pytest.mark.parametrize("ties", [False, True])
def test_weights_are_rows_drawn_so_often(ties):
    """Each resample, computed with the others, has the figures that scikit-learn gives for its rows alone."""
    truth, score = _sample(5, count=120, ties=ties)
    decided = (score >= 0.5).astype(np.int64)
    bootstrap = Bootstrap(120, groups=[f"g{index // 3}" for index in range(120)], resamples=40)
    weights = np.concatenate(list(bootstrap.weights()))
    assert weights.shape == (40, 120)
    assert (weights[:, 0::3] == weights[:, 1::3]).all()
    assert (weights.sum(axis=1) == 120).all()
    figures = BinaryFigures(truth, score, decided)(weights)
    for draw in range(40):
        rows = np.repeat(np.arange(120), weights[draw].astype(int))
        for name, value in _sklearn(truth[rows], score[rows], decided[rows]).items():
            assert figures[name][draw] == pytest.approx(value, abs=1e-10), name


def test_intervals_are_those_of_the_slow_bootstrap():
    truth, score = _sample(8, count=150)
    groups = [str(index // 2) for index in range(150)]
    decided = (score >= 0.5).astype(np.int64)
    bootstrap = Bootstrap(150, groups=groups, resamples=200)
    quick = bootstrap.intervals(BinaryFigures(truth, score, decided))
    assert quick["auc"] == bootstrap.interval(lambda rows: sk.roc_auc_score(truth[rows], score[rows]))
    assert quick["f1"] == bootstrap.interval(lambda rows: sk.f1_score(truth[rows], decided[rows]))
    assert quick["kappa"] == bootstrap.interval(lambda rows: sk.cohen_kappa_score(truth[rows], decided[rows]))
    assert bootstrap.interval(lambda rows: None if rows[0] == 0 else 1.0) is None


def test_blocks_do_not_change_the_draws(monkeypatch):
    whole = np.concatenate(list(Bootstrap(50, resamples=30).weights()))
    monkeypatch.setattr("trainer.evaluation.bootstrap.CELLS", 200)
    blocks = list(Bootstrap(50, resamples=30).weights())
    assert len(blocks) == 8
    np.testing.assert_array_equal(np.concatenate(blocks), whole)


def test_groups_are_drawn_whole():
    values = np.array([0.0] * 50 + [1.0] * 50)

    def mean(weights):
        return {"mean": weights @ values / weights.sum(axis=1)}

    assert Bootstrap(100, groups=["a"] * 50 + ["b"] * 50).intervals(mean) == {"mean": [0.0, 1.0]}
    single = Bootstrap(100).intervals(mean)["mean"]
    assert single == pytest.approx([0.4, 0.6], abs=0.05)
    assert (Bootstrap(3).unit, Bootstrap(3, groups=["a", "a", None]).unit) == ("image", "group")


@pytest.mark.parametrize(("truth", "absent"), [(np.zeros(4, int), "sensitivity"), (np.ones(4, int), "specificity")])
def test_one_class_alone(truth, absent):
    found = finding_metrics(truth, np.array([0.1, 0.6, 0.7, 0.2]), threshold=0.5)
    for name in ("auc", absent, "balanced_accuracy", "mcc"):
        assert found[name] is None
        assert found[f"{name}_ci95"] is None
    assert found["accuracy"] == 0.5
    assert "ROC AUC" in found["notes"][0]
    assert curves(truth, SCORE[:4]) is None


def test_one_image_and_none():
    one = finding_metrics(np.array([1]), np.array([1.0]), threshold=0.5)
    assert (one["accuracy"], one["ece"], one["brier"], one["auc"], one["kappa"]) == (1.0, 0.0, 0.0, None, None)
    empty = finding_metrics(np.empty(0, int), np.empty(0), threshold=0.5)
    assert (empty["n"], empty["auc"], empty["accuracy"], empty["brier"], empty["brier_ci95"]) == (0, *[None] * 4)
    nobody = region_metrics(np.empty(0, int), np.empty((0, 2)), labels=("a", "b"))
    assert (nobody["accuracy"], nobody["per_class"]["a"]["support"]) == (None, 0)
    assert three_way_metrics(np.empty(0, int), np.empty(0, int), stated=0.9)["coverage"] is None


@pytest.mark.parametrize("absent", [False, True])
def test_labels_that_exclude_each_other(absent):
    random = np.random.default_rng(4)
    truth = random.integers(0, 4 if absent else 5, 400)
    probability = random.dirichlet(np.ones(5), 400) + 0.15 * np.eye(5)[truth]
    probability[:, 4] *= 0 if absent else 1  # the last class is neither true nor ever taken
    probability /= probability.sum(axis=1, keepdims=True)
    predicted = probability.argmax(axis=1)
    found = region_metrics(truth, probability, labels=tuple("abcde"))
    expected = {
        "accuracy": sk.accuracy_score(truth, predicted),
        "top_3_accuracy": sk.top_k_accuracy_score(truth, probability, k=3, labels=range(5)),
        "balanced_accuracy": sk.balanced_accuracy_score(truth, predicted),
        "kappa": sk.cohen_kappa_score(truth, predicted),
        "f1_macro": sk.f1_score(truth, predicted, average="macro"),
        "f1_weighted": sk.f1_score(truth, predicted, average="weighted"),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=5.1e-5), name
        low, high = found[f"{name}_ci95"]
        assert low < value < high
    assert found["confusion_matrix"] == sk.confusion_matrix(truth, predicted, labels=range(5)).tolist()
    table = sk.precision_recall_fscore_support(truth, predicted, labels=range(5), zero_division=np.nan)
    for index, label in enumerate("abcde"):
        row = found["per_class"][label]
        assert row["support"] == table[3][index]
        for name, value in zip(("precision", "recall", "f1"), (column[index] for column in table[:3]), strict=True):
            assert row[name] == (None if np.isnan(value) else pytest.approx(value, abs=5.1e-5))


def test_top_three_with_equal_probabilities():
    """As argmax takes the first of equals, so do ranks: 0, 1 and 2 of four equal labels are in, 3 is not."""
    figures = MulticlassFigures(np.arange(4), np.full((4, 4), 0.25))(np.ones((1, 4)))
    assert (figures["accuracy"][0], figures["top_3_accuracy"][0]) == (0.25, 0.75)


def test_confused_pairs():
    matrix = np.array([[8, 2, 0], [0, 5, 0], [1, 4, 5]])
    pairs = most_confused(matrix, ("a", "b", "c"))
    assert [(p["truth"], p["predicted"], p["count"], p["share"]) for p in pairs] == [
        ("c", "b", 4, 0.4),
        ("a", "b", 2, 0.2),
        ("c", "a", 1, 0.1),
    ]


def test_calibration_error():
    """20 of 0.05 of which one is true, 10 of 0.95 of which 8 are: gaps of 0 and 0.15."""
    probability = np.array([0.05] * 20 + [0.95] * 10)
    outcome = np.array([1] + [0] * 19 + [1] * 8 + [0] * 2)
    reliability = Reliability(outcome, probability)
    figures = reliability.figures(np.ones((1, 30)))
    assert figures["ece"][0] == pytest.approx(0.15 * 10 / 30)
    assert figures["ece_equal_mass"][0] == pytest.approx(0.15 * 10 / 30)
    bins = reliability.bins()
    assert len(bins) == BINS
    assert (bins[0]["n"], bins[0]["share"], bins[9]["n"], bins[9]["share"]) == (20, 0.05, 10, 0.8)
    assert bins[5] == {"from": 0.5, "to": 0.6, "n": 0, "probability": None, "share": None}
    edge = Reliability(np.array([1, 0]), np.array([1.0, 0.0])).bins()
    assert (edge[9]["n"], edge[0]["n"]) == (1, 1)


def test_equal_mass_bins_hold_as_many():
    truth, score = _sample(9, count=500)
    skewed = score**6  # nearly all in the first bin of equal width
    found = Reliability(truth, skewed)
    order = np.argsort(skewed)
    expected = sum(abs((skewed[part] - truth[part]).sum()) for part in np.array_split(order, 10)) / 500
    assert found.errors(np.ones((1, 500)))["ece_equal_mass"][0] == pytest.approx(expected)


def test_curves_end_where_they_must():
    truth, score = _sample(11, count=5000)
    found = curves(truth, score)
    assert (found.fpr[0], found.tpr[0], found.fpr[-1], found.tpr[-1]) == (0, 0, 1, 1)
    assert (found.recall[0], found.precision[0], found.recall[-1]) == (0, 1, 1)
    assert len(found.fpr) <= CURVE_POINTS + 1
    assert np.trapezoid(found.tpr, found.fpr) == pytest.approx(sk.roc_auc_score(truth, score), abs=2e-3)
    assert auc(truth, score) == pytest.approx(sk.roc_auc_score(truth, score), abs=1e-12)


def test_three_way():
    truth = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0])
    decision = np.array([1, 1, -1, 0, 0, 0, 0, -1, -1, 1])
    found = three_way_metrics(truth, decision, stated=0.9)
    assert (found["coverage"], found["referred"]) == (0.8, 0.3)
    assert found["decided_accuracy"] == pytest.approx(5 / 7, abs=1e-4)
    assert (found["coverage_of_positives"], found["referred_of_positives"]) == (0.75, 0.25)
    assert found["decided_accuracy_of_negatives"] == 0.75
    assert found["answers"]["positives"] == {"positive": 2, "negative": 1, "refer": 1}
    low, high = found["coverage_ci95"]
    assert low < 0.8 < high
