"""Proportions with their uncertainty, and what verification bias does to two of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

# Of the standard normal distribution: 95 % lie within.
Z = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Interval:
    """A proportion and the ends of its 95 % interval, all in [0, 1]."""

    value: float
    lower: float
    upper: float


def wilson(successes: int, trials: int) -> Interval | None:
    """Wilson's score interval (J. Am. Stat. Assoc. 22:209, 1927); None without trials."""
    if trials == 0:
        return None
    share = successes / trials
    middle = share + Z * Z / (2 * trials)
    half = Z * math.sqrt(share * (1 - share) / trials + Z * Z / (4 * trials * trials))
    scale = 1 + Z * Z / trials
    return Interval(share, max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale))


@dataclass(frozen=True, slots=True)
class Confusion:
    """Counts of judged Findings, and of all Findings whose decision was positive or negative."""

    true_positives: int
    false_positives: int
    true_negatives: int
    false_negatives: int
    positives: int
    negatives: int

    @property
    def sensitivity(self) -> Interval | None:
        return wilson(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def specificity(self) -> Interval | None:
        return wilson(self.true_negatives, self.true_negatives + self.false_positives)

    def adjusted(self) -> tuple[float | None, float | None]:
        """Sensitivity and specificity if what was not judged were like what was, with the same decision (Begg and
        Greenes, Biometrics 39:207, 1983); None where one of the decisions was never judged, or nothing is left.
        """
        judged_positive = self.true_positives + self.false_positives
        judged_negative = self.true_negatives + self.false_negatives
        if not judged_positive or not judged_negative:
            return None, None
        diseased_positive = self.true_positives / judged_positive * self.positives
        diseased_negative = self.false_negatives / judged_negative * self.negatives
        healthy_positive, healthy_negative = self.positives - diseased_positive, self.negatives - diseased_negative
        diseased, healthy = diseased_positive + diseased_negative, healthy_positive + healthy_negative
        return diseased_positive / diseased if diseased else None, healthy_negative / healthy if healthy else None
