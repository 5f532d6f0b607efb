"""Waiting for a job to finish without holding a thread or a database session (`Prefer: wait`, RFC 7240)."""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

# A notification can be lost (a reconnect, a failover): look again this often.
FALLBACK_POLL = 1.0

_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,6})\"?\s*(?=$|[,;\s])", re.IGNORECASE)


def wanted_wait(prefer: str | None, *, limit: float) -> float | None:
    """The seconds of `Prefer: wait=N`, at most `limit`; None where it is absent or unreadable (RFC 7240: ignored)."""
    match = _WAIT.search(prefer or "")
    return min(float(match.group(1)), limit) if match else None


class FinishedJobs:
    """Wakes the event loop's waiters when Postgres says that a job has finished."""

    def __init__(self) -> None:
        self._waiters: defaultdict[UUID, set[asyncio.Event]] = defaultdict(set)
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """From now on `heard` wakes waiters in this loop."""
        self._loop = loop

    @contextmanager
    def watch(self, job_id: UUID) -> Iterator[asyncio.Event]:
        """An event that is set when `job_id` finishes. Enter before the first look at the job, or miss its end."""
        event = asyncio.Event()
        self._waiters[job_id].add(event)
        try:
            yield event
        finally:
            self._waiters[job_id].discard(event)
            if not self._waiters[job_id]:
                del self._waiters[job_id]

    def heard(self, payload: str) -> None:
        """A notification: the id of a finished job. From any thread."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._wake, UUID(payload))

    def _wake(self, job_id: UUID) -> None:
        for event in self._waiters.get(job_id, ()):
            event.set()
