"""Durations, and the alternation that makes two of them comparable on a busy machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any


def milliseconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - started)


def cpu_milliseconds(work: Callable[[], Any]) -> float:
    """Of all threads of this process: what else runs on the machine adds little to it."""
    started = time.process_time()
    work()
    return 1000 * (time.process_time() - started)


def alternating(
    works: Mapping[str, Callable[[], Any]],
    *,
    seconds: float,
    least: int = 3,
    measure: Callable[[Callable[[], Any]], float] = milliseconds,
) -> dict[str, float]:
    """Median ms of each. They run in turn, the first of them changing, after one run each that does not count.

    For `seconds` in all, and `least` times each however long that takes.
    """
    times: dict[str, list[float]] = {name: [] for name in works}
    names, end = list(works), time.perf_counter() + seconds
    for work in works.values():
        work()
    while time.perf_counter() < end or len(times[names[0]]) < least:
        for name in names:
            times[name].append(measure(works[name]))
        names.reverse()
    return {name: statistics.median(many) for name, many in times.items()}
