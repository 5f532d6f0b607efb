"""How well a score ranks positives above negatives: ROC and precision-recall curves and the areas under them.

Weighted, so that a bootstrap's resamples are computed together (`trainer.evaluation.bootstrap`). Ties count half in
the ROC area and are one step of the precision-recall curve, as in scikit-learn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.evaluation.bootstrap import Floats, Ints, ratio

# Points of a curve that is stored or drawn: more cannot be seen.
CURVE_POINTS = 400


class Ranking:
    """(n,) truth 0/1 and (n,) scores in order, ready for any weights."""

    def __init__(self, truth: Ints, score: Floats) -> None:
        self._order = np.argsort(-score, kind="stable")
        self._positive = truth[self._order].astype(np.float64)
        ordered = score[self._order]
        # The last row of each run of equal scores: where a threshold can stand.
        self._steps = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)) if len(ordered) else np.empty(0, int)

    def counts(self, weights: Floats) -> tuple[Floats, Floats]:
        """(r, steps) true and false positives at each distinct score, from the highest down; `weights` (r, n)."""
        ordered = weights[:, self._order]
        positive = ordered * self._positive
        true = np.cumsum(positive, axis=1)[:, self._steps]
        ordered -= positive
        return true, np.cumsum(ordered, axis=1)[:, self._steps]

    def areas(self, weights: Floats) -> tuple[Floats, Floats]:
        """(r,) area under the ROC curve and average precision; NaN where a class they need is absent."""
        if not len(self._steps):
            return np.full(len(weights), np.nan), np.full(len(weights), np.nan)
        true, false = self.counts(weights)
        positives, negatives = true[:, -1], false[:, -1]
        found = np.diff(true, axis=1, prepend=0.0)
        # Each positive beats the negatives below its score, and half of those that share it.
        half = false - np.diff(false, axis=1, prepend=0.0) / 2
        roc = ratio(positives * negatives - (found * half).sum(axis=1), positives * negatives)
        precision = np.divide(true, true + false, out=np.zeros_like(true), where=(true + false) > 0)
        return roc, ratio((found * precision).sum(axis=1), positives)


@dataclass(frozen=True, slots=True)
class Curves:
    """The ROC curve (`fpr`, `tpr`), and precision over `recall`; about CURVE_POINTS points each."""

    fpr: Floats
    tpr: Floats
    recall: Floats
    precision: Floats

    def as_dict(self) -> dict[str, list[float]]:
        """Rounded, for a report."""
        return {name: np.round(getattr(self, name), 5).tolist() for name in ("fpr", "tpr", "recall", "precision")}


def curves(truth: Ints, score: Floats) -> Curves | None:
    """Both curves of (n,) truth and score; None where a class is absent."""
    if not 0 < truth.sum() < len(truth):
        return None
    true, false = (values[0] for values in Ranking(truth, score).counts(np.ones((1, len(truth)))))
    kept = _thinned(len(true))
    return Curves(
        fpr=np.append(0.0, (false / false[-1])[kept]),
        tpr=np.append(0.0, (true / true[-1])[kept]),
        recall=np.append(0.0, (true / true[-1])[kept]),
        precision=np.append(1.0, (true / (true + false))[kept]),
    )


def auc(truth: Ints, score: NDArray[np.floating]) -> float | None:
    """Area under the ROC curve of (n,) truth 0/1; None where one class is absent."""
    area = Ranking(truth, np.asarray(score, dtype=np.float64)).areas(np.ones((1, len(truth))))[0][0]
    return None if np.isnan(area) else float(area)


def _thinned(count: int) -> Ints:
    """Which of `count` points to keep: evenly spread, with both ends."""
    return np.unique(np.linspace(0, count - 1, min(count, CURVE_POINTS)).round().astype(np.int64))
