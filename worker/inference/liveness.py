"""Whether this process gets on with its work: idle, or a step was finished not long ago."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Liveness:
    """`progressed` is False only while a task runs and no step of it ended within `patience_s`."""

    def __init__(self, *, patience_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience = patience_s
        self._clock = clock
        self._lock = threading.Lock()
        self._last_step: float | None = None

    def begin(self) -> None:
        """A task starts."""
        self.step()

    def step(self) -> None:
        """A claim, a batch or a store phase is done."""
        with self._lock:
            self._last_step = self._clock()

    def end(self) -> None:
        """The task is over; waiting for the next one is health."""
        with self._lock:
            self._last_step = None

    @property
    def busy(self) -> bool:
        """Whether a task runs."""
        with self._lock:
            return self._last_step is not None

    @property
    def progressed(self) -> bool:
        with self._lock:
            return self._last_step is None or self._clock() - self._last_step <= self._patience
