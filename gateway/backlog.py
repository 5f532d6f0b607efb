"""What is owed to the API, in memory: names of the spool's files, when each is due, and whether the API is out.

Two kinds of failure wait differently. One instance's own (an internal error at one file) holds back that instance
only. The API's (no answer, 503, a refused key) holds back all: one at a time is tried until one is accepted.
"""

from __future__ import annotations

import heapq
import random
import threading
import time
from collections.abc import Iterable

RETRY_BASE = 0.5
# A server may ask for a longer pause than we would make; not for ever.
RETRY_AFTER_LONGEST = 300.0


class Backlog:
    """A queue of names for several forwarders. A name is in it once, from `put` until `done`."""

    def __init__(self, *, retry_cap: float) -> None:
        self._cap = retry_cap
        self._changed = threading.Condition()
        self._due: list[tuple[float, int, str]] = []
        self._known: dict[str, int] = {}
        self._failures: dict[str, int] = {}
        self._order = 0
        self._in_flight = 0
        self._outages = 0
        self._open_at = 0.0
        self._closed = False

    def __len__(self) -> int:
        return len(self._known)

    @property
    def out(self) -> bool:
        """Whether the API did not take the last that it was given."""
        return self._outages > 0

    def put(self, names: Iterable[str]) -> None:
        """Add what is not in it yet."""
        with self._changed:
            for name in names:
                if name not in self._known:
                    self._order += 1
                    self._known[name] = self._order
                    heapq.heappush(self._due, (0.0, self._order, name))
            self._changed.notify_all()

    def take(self) -> str | None:
        """The next due name, when there is one; None once the backlog is closed."""
        with self._changed:
            while not self._closed:
                pause = self._pause()
                if pause == 0.0:
                    self._in_flight += 1
                    return heapq.heappop(self._due)[2]
                self._changed.wait(pause)
            return None

    def done(self, name: str, *, accepted: bool) -> None:
        """It is no longer owed. `accepted` ends an outage."""
        with self._changed:
            self._in_flight -= 1
            self._known.pop(name, None)
            self._failures.pop(name, None)
            if accepted:
                self._outages, self._open_at = 0, 0.0
            self._changed.notify_all()

    def failed(self, name: str) -> None:
        """This one could not be handed over; it comes again later, others do not wait for it."""
        with self._changed:
            self._in_flight -= 1
            failures = self._failures[name] = self._failures.get(name, 0) + 1
            heapq.heappush(self._due, (time.monotonic() + self._backoff(failures), self._known[name], name))
            self._changed.notify_all()

    def outage(self, name: str, *, retry_after: float | None) -> None:
        """The API takes nothing now; `name` keeps its place in the queue."""
        with self._changed:
            self._in_flight -= 1
            heapq.heappush(self._due, (0.0, self._known[name], name))
            now = time.monotonic()
            # Those that were on their way together are one outage.
            if now >= self._open_at:
                self._outages += 1
                asked = min(retry_after or 0.0, RETRY_AFTER_LONGEST)
                self._open_at = now + max(self._backoff(self._outages), asked)
            self._changed.notify_all()

    def close(self) -> None:
        """Give out nothing more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _pause(self) -> float | None:
        """Seconds until one may be taken; None: until something changes."""
        if not self._due or (self._outages and self._in_flight):
            return None
        return max(0.0, max(self._due[0][0], self._open_at) - time.monotonic())

    def _backoff(self, failures: int) -> float:
        """Exponential, half of it jitter."""
        return min(self._cap, RETRY_BASE * 2.0 ** min(failures - 1, 20)) * random.uniform(0.5, 1.0)
