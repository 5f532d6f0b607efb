"""A Finding's figures: how it ranks, how it decides at its threshold, how far its probabilities can be believed.

Positives are 1. Precision, recall and the like are undefined (None) where nothing stands in their denominator; nothing
is quietly counted as 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.evaluation.bootstrap import Bootstrap, Floats, Ints, ratio
from trainer.evaluation.ranking import Ranking
from trainer.evaluation.reliability import Reliability

# What is measured for the rows of a table; a Finding as a whole has many more.
TABLE_FIGURES = ("auc", "average_precision", "sensitivity", "specificity", "precision", "f1", "accuracy", "kappa")


class BinaryFigures:
    """(n,) truth 0/1, (n,) calibrated probability and (n,) decision 0/1, as figures of any (r, n) weights."""

    def __init__(self, truth: Ints, probability: Floats, decided: Ints) -> None:
        self.truth = truth
        self.reliability = Reliability(truth, probability)
        self._ranking = Ranking(truth, probability)
        # One column each: true negative, false positive, false negative, true positive.
        self._cells = np.eye(4)[truth * 2 + decided]

    def confusion(self, weights: Floats) -> Floats:
        """(r, 4): true negatives, false positives, false negatives, true positives."""
        return np.asarray(weights @ self._cells, dtype=np.float64)

    def __call__(self, weights: Floats) -> dict[str, Floats]:
        roc, average_precision = self._ranking.areas(weights)
        return {
            "auc": roc,
            "average_precision": average_precision,
            **decision_figures(self.confusion(weights)),
            **self.reliability.figures(weights),
        }


def decision_figures(cells: Floats) -> dict[str, Floats]:
    """(r, 4) true negatives, false positives, false negatives, true positives → (r,) figures, NaN where undefined."""
    tn, fp, fn, tp = (cells[:, index] for index in range(4))
    total, positives, negatives = cells.sum(axis=1), tp + fn, tn + fp
    sensitivity, specificity = ratio(tp, positives), ratio(tn, negatives)
    f1, f1_negative = ratio(2 * tp, 2 * tp + fp + fn), ratio(2 * tn, 2 * tn + fp + fn)
    accuracy = ratio(tp + tn, total)
    chance = ratio(positives * (tp + fp) + negatives * (tn + fn), total**2)
    product = positives * negatives * (tp + fp) * (tn + fn)
    return {
        "sensitivity": sensitivity,
        "specificity": specificity,
        "precision": ratio(tp, tp + fp),
        "npv": ratio(tn, tn + fn),
        "accuracy": accuracy,
        "balanced_accuracy": (sensitivity + specificity) / 2,
        "f1": f1,
        "f1_macro": mean_of_defined(np.stack([f1_negative, f1], axis=1)),
        "f1_weighted": ratio(np.nan_to_num(f1) * positives + np.nan_to_num(f1_negative) * negatives, total),
        "kappa": ratio(accuracy - chance, 1 - chance),
        "mcc": ratio(tp * tn - fp * fn, np.sqrt(product)),
    }


def finding_metrics(
    truth: Ints,
    probability: Floats,
    *,
    threshold: float | Floats,
    groups: Sequence[str | None] | None = None,
) -> dict[str, Any]:
    """All figures of (n,) truth 0/1 and (n,) calibrated probability, each with its interval; None where undefined.

    `threshold` is one for all, or (n,) one a row (a hierarchy's specialists have their own).
    """
    decided = (probability >= threshold).astype(np.int64)
    figures = BinaryFigures(truth, probability, decided)
    bootstrap = Bootstrap(len(truth), groups=groups)
    tn, fp, fn, tp = (int(count) for count in figures.confusion(np.ones((1, len(truth))))[0])
    return {
        "n": len(truth),
        "positives": int(truth.sum()),
        "threshold": threshold if isinstance(threshold, float) else None,
        **bootstrap.measured(figures),
        "confusion_matrix": {"tp": tp, "fp": fp, "tn": tn, "fn": fn},
        "reliability": figures.reliability.bins(),
        "bootstrap": bootstrap.described(),
        "notes": _notes(truth),
    }


def table_row(
    truth: Ints, probability: Floats, *, decided: Ints, groups: Sequence[str | None] | None = None
) -> dict[str, Any]:
    """n, positives and TABLE_FIGURES, with intervals, of some of the rows."""
    figures = BinaryFigures(truth, probability, decided)

    def chosen(weights: Floats) -> dict[str, Floats]:
        found = figures(weights)
        return {name: found[name] for name in TABLE_FIGURES}

    measured = Bootstrap(len(truth), groups=groups).measured(chosen)
    return {"n": len(truth), "positives": int(truth.sum()), **measured}


def mean_of_defined(values: Floats) -> Floats:
    """(r, k) → (r,) the mean over the k that are not NaN; NaN where none is."""
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0.0).sum(axis=1), defined.sum(axis=1).astype(np.float64))


def _notes(truth: NDArray[np.int64]) -> list[str]:
    """Why figures are missing."""
    if not len(truth):
        return ["no image has known truth"]
    if truth.all() or not truth.any():
        there, lacking = ("positive", "specificity") if truth.all() else ("negative", "sensitivity, average precision")
        return [f"all {len(truth)} images are {there}: ROC AUC, {lacking} are undefined"]
    return []
