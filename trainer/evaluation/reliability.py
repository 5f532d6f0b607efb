"""Is a probability of 30 % right in 30 of 100 cases? Expected calibration error, reliability bins, Brier, log loss.

The expected calibration error (Naeini et al. 2015; Guo et al. 2017) is Σ_b n_b/n · |mean probability − share that came
true| over bins b. `ece` has 10 bins of equal width over the probability, `ece_equal_mass` 10 bins that hold as many
images each (their edges are those of the whole sample, also in a resample).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from trainer.evaluation.bootstrap import Floats, Ints, optional, ratio

BINS = 10
# Log loss takes a probability of 0 or 1 for this much less sure: what float32 can tell from them.
SURE = 1e-7


class Reliability:
    """(n,) `outcome` 0/1 and the (n,) `probability` that was given for it."""

    def __init__(self, outcome: Ints, probability: Floats) -> None:
        self.outcome = outcome.astype(np.float64)
        self.probability = probability
        self._gap = self.probability - self.outcome
        self._width = _indicators(equal_width_bins(probability))
        self._mass = _indicators(equal_mass_bins(probability))
        clipped = np.clip(probability, SURE, 1 - SURE)
        self._losses = np.stack([self._gap**2, -np.where(outcome == 1, np.log(clipped), np.log1p(-clipped))], axis=1)

    def figures(self, weights: Floats) -> dict[str, Floats]:
        """(r,) ece, ece_equal_mass, brier, log_loss for (r, n) weights."""
        total = weights.sum(axis=1)
        losses = ratio(weights @ self._losses, total[:, None])
        return {**self.errors(weights), "brier": losses[:, 0], "log_loss": losses[:, 1]}

    def errors(self, weights: Floats) -> dict[str, Floats]:
        """(r,) ece and ece_equal_mass alone."""
        total, gaps = weights.sum(axis=1), self._gap[:, None]
        return {
            "ece": ratio(np.abs(weights @ (self._width * gaps)).sum(axis=1), total),
            "ece_equal_mass": ratio(np.abs(weights @ (self._mass * gaps)).sum(axis=1), total),
        }

    def bins(self) -> list[dict[str, Any]]:
        """The 10 bins of equal width: from, to, n, mean probability, and the share that came true (None if empty)."""
        number = equal_width_bins(self.probability)
        result: list[dict[str, Any]] = []
        for index in range(BINS):
            rows = number == index
            count = int(rows.sum())
            result.append(
                {
                    "from": index / BINS,
                    "to": (index + 1) / BINS,
                    "n": count,
                    "probability": optional(float(self.probability[rows].mean())) if count else None,
                    "share": optional(float(self.outcome[rows].mean())) if count else None,
                }
            )
        return result


def equal_width_bins(probability: Floats) -> Ints:
    """(n,) the bin, 0–9, of each probability; 1.0 falls into the last."""
    return np.minimum((probability * BINS).astype(np.int64), BINS - 1)


def equal_mass_bins(probability: Floats) -> Ints:
    """(n,) the bin, 0–9, of each probability, between the sample's deciles; equal probabilities share a bin."""
    if not len(probability):
        return np.empty(0, dtype=np.int64)
    edges = np.quantile(probability, np.linspace(0, 1, BINS + 1)[1:-1])
    return np.searchsorted(edges, probability, side="right").astype(np.int64)


def _indicators(number: Ints) -> Floats:
    """(n, 10): 1 in the column of each row's bin."""
    return np.eye(BINS)[number]
