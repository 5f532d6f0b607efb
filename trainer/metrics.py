"""Figures of a model on labelled images, each with a bootstrap 95 % interval; known groups are resampled whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
RESAMPLES = 1000
SEED = 20


class Bootstrap:
    """Resamples of n rows: single rows, or whole groups where `groups` names them. The same draws for the same rows."""

    def __init__(self, count: int, *, groups: Sequence[str | None] | None = None, resamples: int = RESAMPLES) -> None:
        names = (
            [f"row {i}" if g is None else g for i, g in enumerate(groups)] if groups else list(map(str, range(count)))
        )
        _, membership = np.unique(np.array(names), return_inverse=True)
        order = np.argsort(membership, kind="stable")
        self._members = np.split(order, np.cumsum(np.bincount(membership))[:-1])
        self._resamples = resamples
        self.unit = "group" if len(self._members) < count else "image"

    def interval(self, figure: Callable[[Ints], float | None]) -> list[float] | None:
        """2.5 and 97.5 percentiles of `figure`(row indices); None where fewer than half of the draws define it."""
        random = np.random.default_rng(SEED)
        values = []
        for _ in range(self._resamples):
            chosen = random.integers(0, len(self._members), len(self._members))
            value = figure(np.concatenate([self._members[index] for index in chosen]))
            if value is not None:
                values.append(value)
        if len(values) * 2 < self._resamples:
            return None
        low, high = np.percentile(values, [2.5, 97.5])
        return [_rounded(float(low)), _rounded(float(high))]


def finding_metrics(
    truth: Ints, probability: Floats, *, threshold: float, groups: Sequence[str | None] | None = None
) -> dict[str, Any]:
    """A Finding's figures from (n,) truth 0/1 and (n,) calibrated probability; None, and a note, where undefined."""
    decided = (probability >= threshold).astype(np.int64)
    (tn, fp), (fn, tp) = _confusion(truth, decided, count=2)
    figures: dict[str, Callable[[Ints], float | None]] = {
        "auc": lambda rows: auc(truth[rows], probability[rows]),
        "average_precision": lambda rows: _average_precision(truth[rows], probability[rows]),
        "sensitivity": lambda rows: _share(decided[rows] == 1, truth[rows] == 1),
        "specificity": lambda rows: _share(decided[rows] == 0, truth[rows] == 0),
        "accuracy": lambda rows: _share(decided[rows] == truth[rows], np.ones(len(rows), dtype=bool)),
    }
    bootstrap = Bootstrap(len(truth), groups=groups)
    result: dict[str, Any] = {"n": len(truth), "positives": int(truth.sum()), "threshold": threshold}
    everything = np.arange(len(truth))
    for name, figure in figures.items():
        result[name] = _optional(figure(everything))
        result[f"{name}_ci95"] = bootstrap.interval(figure) if result[name] is not None else None
    result["brier"] = _rounded(float(np.mean((probability - truth) ** 2))) if len(truth) else None
    result["confusion_matrix"] = {"tp": tp, "fp": fp, "tn": tn, "fn": fn}
    result["bootstrap"] = {"unit": bootstrap.unit, "resamples": RESAMPLES}
    result["notes"] = _notes(truth)
    return result


def by_group(
    truth: Ints, probability: Floats, *, threshold: float, membership: Ints, names: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """AUC, sensitivity and specificity of the rows with known truth of each group; `membership` (n,) indexes `names`.

    Groups without such rows are left out. Without intervals: the groups are small, and n says so.
    """
    result = {}
    for index, name in enumerate(names):
        rows = np.flatnonzero((membership == index) & (truth >= 0))
        if not len(rows):
            continue
        known, decided = truth[rows], probability[rows] >= threshold
        result[name] = {
            "n": len(rows),
            "positives": int(known.sum()),
            "auc": _optional(auc(known, probability[rows])),
            "sensitivity": _optional(_share(decided, known == 1)),
            "specificity": _optional(_share(~decided, known == 0)),
        }
    return result


def region_metrics(
    truth: Ints, probability: Floats, *, labels: Sequence[str], groups: Sequence[str | None] | None = None
) -> dict[str, Any]:
    """Accuracy and confusion matrix (rows: truth, columns: predicted) from (n,) truth and (n, labels) probability."""
    predicted = probability.argmax(axis=1)
    bootstrap = Bootstrap(len(truth), groups=groups)

    def accuracy(rows: Ints) -> float | None:
        return _share(predicted[rows] == truth[rows], np.ones(len(rows), dtype=bool))

    return {
        "n": len(truth),
        "accuracy": _optional(accuracy(np.arange(len(truth)))),
        "accuracy_ci95": bootstrap.interval(accuracy),
        "labels": list(labels),
        "confusion_matrix": _confusion(truth, predicted, count=len(labels)),
        "notes": [] if len(truth) else ["no image has a known label"],
    }


def auc(truth: Ints, score: Floats) -> float | None:
    """Area under the ROC curve; None where one class is absent."""
    return float(roc_auc_score(truth, score)) if 0 < truth.sum() < len(truth) else None


def _average_precision(truth: Ints, score: Floats) -> float | None:
    return float(average_precision_score(truth, score)) if truth.sum() > 0 else None


def _confusion(truth: Ints, predicted: Ints, *, count: int) -> list[list[int]]:
    """How often each class (rows) was taken for each (columns)."""
    matrix = np.zeros((count, count), dtype=np.int64)
    np.add.at(matrix, (truth, predicted), 1)
    rows: list[list[int]] = matrix.tolist()
    return rows


def _notes(truth: Ints) -> list[str]:
    """Why figures are missing."""
    if not len(truth):
        return ["no image has known truth"]
    if truth.all() or not truth.any():
        there, lacking = ("positive", "specificity") if truth.all() else ("negative", "sensitivity, average precision")
        return [f"all {len(truth)} images are {there}: ROC AUC, {lacking} are undefined"]
    return []


def _share(hit: NDArray[np.bool_], among: NDArray[np.bool_]) -> float | None:
    count = int(among.sum())
    return float((hit & among).sum() / count) if count else None


def _rounded(value: float) -> float:
    return round(float(value), 4)


def _optional(value: float | None) -> float | None:
    return None if value is None else _rounded(value)
