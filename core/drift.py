"""How far what a model sees and says has moved from the images that its limits were set on.

The measure is the population stability index, PSI = Σ (p − q) · ln(p / q) over bins, p and q the shares of live images
and of the reference; beside it, of numbers, Kolmogorov and Smirnov's distance, the largest gap between both cumulated
shares at the bins' edges.

From 0.2 on a PSI is commonly called a shift worth acting on (Siddiqi 2006, "Credit Risk Scorecards"). Of few images it
is larger by chance alone: where nothing has moved, PSI / (1/n + 1/m) of n live and m reference images is about χ² with
one degree of freedom less than bins (Yurdakul 2018, "Statistical properties of population stability index"). So the
line is the larger of 0.2 and that chance's own limit, and below `FEWEST` images nothing is said.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate
from statistics import NormalDist
from typing import Any

PSI_LINE = 0.2
# Images of a day, or of the latest days together, below which there is no verdict.
FEWEST = 50
# Of so many looks at all quantities of a model one alarm is false at most, where nothing has moved.
FALSE_ALARMS = 0.001
# Added to each bin, so that an empty one does not make the index infinite.
HALF = 0.5


class DriftState(StrEnum):
    """What is said of one quantity."""

    STEADY = "steady"
    SHIFTED = "shifted"
    FEW = "few"  # too few images for an answer


@dataclass(frozen=True, slots=True)
class Quantity:
    """What is watched, as the reference saw it: numbers between `edges`, or words (`words`); counts of each bin."""

    name: str
    counts: tuple[int, ...]
    edges: tuple[float, ...] = ()
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reference:
    """What a Bundle says of its own split: `n` images, and its quantities."""

    split: str
    n: int
    quantities: tuple[Quantity, ...]

    @property
    def alarm(self) -> float:
        """The probability of a false alarm that each quantity may have."""
        return FALSE_ALARMS / max(1, len(self.quantities))


@dataclass(frozen=True, slots=True)
class Reading:
    """One quantity of `n` live images against the reference. `psi`, `ks` and `line` are None of too few."""

    n: int
    psi: float | None
    ks: float | None
    line: float | None
    state: DriftState


def reference_of(manifest: Mapping[str, Any]) -> Reference | None:
    """The reference in a Bundle's manifest; None of Bundles that were made without one."""
    found = manifest.get("drift")
    if not isinstance(found, Mapping):
        return None
    numbers = [
        Quantity(name, tuple(histogram["counts"]), edges=tuple(histogram["edges"]))
        for name, histogram in found["numbers"].items()
    ]
    shares = [_share(name, counts) for name, counts in found["shares"].items()]
    return Reference(split=str(found["split"]), n=int(found["n"]), quantities=(*numbers, *shares))


def _share(name: str, counts: Mapping[str, int]) -> Quantity:
    """The words that were said most come first."""
    words = sorted(counts, key=lambda word: (-counts[word], word))
    return Quantity(name, tuple(counts[word] for word in words), words=tuple(words))


def read(quantity: Quantity, counts: Sequence[int], *, alarm: float) -> Reading:
    """The live `counts` of the quantity's bins (one more of words is what the reference never said) against it."""
    n, known = sum(counts), [*quantity.counts, *[0] * (len(counts) - len(quantity.counts))]
    if n < FEWEST:
        return Reading(n, None, None, None, DriftState.FEW)
    index = psi(known, counts)
    limit = line(len(known), n, sum(known), alarm=alarm)
    state = DriftState.SHIFTED if index > limit else DriftState.STEADY
    distance = round(ks(known, counts), 4) if quantity.edges else None
    return Reading(n, round(index, 4), distance, round(limit, 4), state)


def psi(reference: Sequence[int], counts: Sequence[int]) -> float:
    """The population stability index of two counts of the same bins; 0 for alike, no upper limit."""
    whole, expected = sum(counts) + HALF * len(counts), sum(reference) + HALF * len(reference)
    pairs = (((c + HALF) / whole, (r + HALF) / expected) for c, r in zip(counts, reference, strict=True))
    return sum((p - q) * math.log(p / q) for p, q in pairs)


def ks(reference: Sequence[int], counts: Sequence[int]) -> float:
    """The largest gap in [0, 1] between two cumulated shares at the bins' edges."""
    pairs = zip(accumulate(counts), accumulate(reference), strict=True)
    return max(abs(c / sum(counts) - r / sum(reference)) for c, r in pairs)


def line(bins: int, n: int, m: int, *, alarm: float) -> float:
    """The PSI from which on n images differ from m of the reference: 0.2, or more where chance alone reaches that."""
    return max(PSI_LINE, (1 / n + 1 / m) * _chi_squared(1 - alarm, bins - 1))


def _chi_squared(probability: float, degrees: int) -> float:
    """The quantile of χ² (Wilson & Hilferty 1931; within 1 % for the degrees and probabilities used here)."""
    part = 2 / (9 * degrees)
    return float(degrees * (1 - part + NormalDist().inv_cdf(probability) * math.sqrt(part)) ** 3)
