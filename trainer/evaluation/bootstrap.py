"""Bootstrap 95 % intervals of many figures at once (Efron 1979; percentiles); known groups are drawn whole.

A resample is not a list of rows but a weight for each row: how often it was drawn. A figure is then a function of an
(r, n) array of weights, for r resamples in one go; with all weights 1 it is the figure itself. A thousand resamples of
a few thousand images cost a matrix product instead of a thousand calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
# From (r, n) weights to each figure's (r,) values; NaN where a resample does not define it.
Figures = Callable[[Floats], Mapping[str, Floats]]

RESAMPLES = 1000
SEED = 20
# Weights held at once: 1.6 MB of float64 stay in a core's cache for all passes over them; ten times as many take five
# times as long.
CELLS = 200_000
DECIMALS = 4


class Bootstrap:
    """Resamples of n rows: single rows, or whole groups where `groups` names them. The same draws for the same rows.

    `unit` is what is drawn, "group" or "image".
    """

    def __init__(self, count: int, *, groups: Sequence[str | None] | None = None, resamples: int = RESAMPLES) -> None:
        self.count = count
        self.resamples = resamples
        self._membership = _membership(count, groups)
        self._units = int(self._membership.max(initial=-1)) + 1
        self.unit = "group" if self._units < count else "image"

    def weights(self) -> Iterator[Floats]:
        """(r, n) weights a block, `resamples` rows in all."""
        random = np.random.default_rng(SEED)
        at_once = max(1, CELLS // max(self.count, 1))
        for start in range(0, self.resamples, at_once):
            rows = min(at_once, self.resamples - start)
            drawn = random.integers(0, self._units, (rows, self._units))
            drawn += np.arange(rows)[:, None] * self._units
            counts = np.bincount(drawn.ravel(), minlength=rows * self._units).reshape(rows, self._units)
            yield counts.astype(np.float64)[:, self._membership]

    def intervals(self, figures: Figures) -> dict[str, list[float] | None]:
        """2.5 and 97.5 percentiles of each figure; None where fewer than half of the resamples define it."""
        if not self.count:
            return {}
        blocks: dict[str, list[Floats]] = {}
        for weights in self.weights():
            for name, values in figures(weights).items():
                blocks.setdefault(name, []).append(np.asarray(values, dtype=np.float64))
        return {name: _percentiles(np.concatenate(values)) for name, values in blocks.items()}

    def interval(self, figure: Callable[[Ints], float | None]) -> list[float] | None:
        """The same of one `figure` of row indices, a call for each resample: the slow form, for what has no weights."""
        rows = np.arange(self.count)
        drawn = (np.repeat(rows, counts.astype(np.int64)) for weights in self.weights() for counts in weights)
        values = (figure(chosen) for chosen in drawn)
        return _percentiles(np.array([np.nan if value is None else value for value in values], dtype=np.float64))

    def measured(self, figures: Figures) -> dict[str, Any]:
        """{name: value, name_ci95: [low, high] or None}; a value that is undefined is None, and so is its interval."""
        if not self.count:
            names = figures(np.ones((1, 0)))
            return {key: None for name in names for key in (name, f"{name}_ci95")}
        intervals = self.intervals(figures)
        result: dict[str, Any] = {}
        for name, values in figures(np.ones((1, self.count))).items():
            value = optional(float(values[0]))
            result[name] = value
            result[f"{name}_ci95"] = None if value is None else intervals[name]
        return result

    def described(self) -> dict[str, Any]:
        """How the intervals came about, for a report."""
        return {"unit": self.unit, "resamples": self.resamples}


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Element-wise; NaN, the sign of an undefined figure, where the denominator is 0."""
    numerator, denominator = np.broadcast_arrays(numerator, denominator)
    result = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=result, where=denominator != 0)
    return result


def optional(value: float) -> float | None:
    """Rounded for a report; None for NaN, which JSON does not know."""
    return None if np.isnan(value) else round(value, DECIMALS)


def _membership(count: int, groups: Sequence[str | None] | None) -> Ints:
    """(n,) the number of each row's unit. A row without a group is its own."""
    if groups is None:
        return np.arange(count)
    numbers: dict[object, int] = {}
    keys = [(index,) if group is None else group for index, group in enumerate(groups)]
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def _percentiles(values: Floats) -> list[float] | None:
    defined = values[~np.isnan(values)]
    if len(defined) * 2 < len(values):
        return None
    low, high = np.percentile(defined, [2.5, 97.5])
    return [round(float(low), DECIMALS), round(float(high), DECIMALS)]
