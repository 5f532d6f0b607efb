"""A figure: what was measured of one thing, round by round."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

# Fewer say nothing about the spread.
LEAST_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Figure:
    """`rounds`: each round's value; `whole`: that of all samples, where rounds cannot stand alone (a high quantile)."""

    rounds: tuple[float, ...]
    whole: float | None = None

    @property
    def value(self) -> float:
        """The median of the rounds, or what all samples say together."""
        return statistics.median(self.rounds) if self.whole is None else self.whole

    @property
    def spread(self) -> tuple[float, float]:
        """The least and the greatest round."""
        return min(self.rounds), max(self.rounds)

    def as_json(self) -> dict[str, Any]:
        """Four digits are more than any of it holds."""
        low, high = self.spread
        return {
            "value": short(self.value),
            "least": short(low),
            "greatest": short(high),
            "rounds": list(map(short, self.rounds)),
        }


def figure(rounds: Iterable[float], *, whole: float | None = None) -> Figure:
    """Raises RuntimeError where a round measured nothing."""
    values = tuple(rounds)
    if not values or not all(math.isfinite(value) for value in values):
        raise RuntimeError(f"nothing was measured: {values}")
    return Figure(values, whole)


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> Figure:
    """Round by round: what was measured side by side is compared."""
    return figure(one / other for one, other in zip(ours, theirs, strict=True))


def short(value: float) -> float:
    """Four significant digits."""
    return float(f"{value:.4g}")
