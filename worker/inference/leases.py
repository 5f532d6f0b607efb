"""The jobs that this process holds a lease on. The heartbeat reads it while the pipeline's threads change it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from uuid import UUID

from db.repositories.jobs import Claim

Held = tuple[UUID, int]


class HeldLeases:
    """Claims by (job, fence). `bound_s`: a claim held longer is not extended any more, for its thread must hang."""

    def __init__(self, *, bound_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._bound = bound_s
        self._clock = clock
        self._lock = threading.Lock()
        self._since: dict[Held, float] = {}

    def add(self, claims: Iterable[Claim]) -> None:
        now = self._clock()
        with self._lock:
            self._since.update({(claim.job_id, claim.fence): now for claim in claims})

    def drop(self, claims: Iterable[Claim]) -> None:
        """Forget claims that are finished, released, or lost."""
        with self._lock:
            for claim in claims:
                self._since.pop((claim.job_id, claim.fence), None)

    def holds(self, claim: Claim) -> bool:
        with self._lock:
            return (claim.job_id, claim.fence) in self._since

    def extendable(self) -> list[Held]:
        """What the heartbeat asks Postgres to extend."""
        oldest = self._clock() - self._bound
        with self._lock:
            return [held for held, since in self._since.items() if since >= oldest]

    def keep_only(self, asked: Iterable[Held], kept: set[UUID]) -> list[Held]:
        """Forget those of `asked` that Postgres did not keep; returns them."""
        with self._lock:
            lost = [held for held in asked if held[0] not in kept and held in self._since]
            for held in lost:
                del self._since[held]
        return lost

    def all(self) -> list[Held]:
        with self._lock:
            return list(self._since)
