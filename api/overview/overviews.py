"""The overview, cheap at any number of jobs and open tabs: one calculation at a time and Site, shared by all who ask.

Ended minutes are counted once and kept, so that the history of a day costs what its last minutes do (ADR 0018).
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

import anyio.to_thread

from api.change_feed import ChangeFeed
from api.overview.schemas import EndedView, OverviewView, PhaseView, QuarterView, QueueView, WorkersAliveView
from api.schemas import CheckView
from core.vocabulary import JobState
from db.repositories import statistics
from db.repositories.statistics import Phase, Pulse, Tally, Waiting
from db.session import Database, Session

# An answer is as good as new for so long, if nothing has changed since; after a change the next calculation comes this
# long after the last, or, where they are expensive, after RESTS times what the last one took.
FRESH_S = 1.0
PAUSE_S = 0.4
RESTS = 10
PAUSE_MOST_S = 2.0
FORGOTTEN_S = 900.0
PHASES_S = 5.0

QUARTER = 15
QUARTERS = 96
# A minute is closed when no transaction can still be under way that began in it (`db.session`: 60 s).
OPEN_MINUTES = 2
WORKER_AGE_S = 30.0
FAILED = frozenset({JobState.FAILED, JobState.DEAD, JobState.EXPIRED})
WAITING = frozenset({JobState.QUEUED, JobState.RETRY_WAIT})

Count = Counter[JobState | None]


@dataclass
class History:
    """Counts by minute of the last day; `closed` is the first minute that must be counted again. And the phases.

    `quarters_of` holds the sums of each 15 minutes, so that an answer adds up a hundred counts and not a day's 1,440.
    """

    minutes: dict[int, Count] = field(default_factory=dict)
    quarters_of: dict[int, Count] = field(default_factory=dict)
    closed: int = 0
    phases: list[Phase] = field(default_factory=list)
    phases_at: float = float("-inf")

    def since(self, now: int) -> int:
        """The minute from which on to count."""
        return max(self.closed, _first(now))

    def add(self, tallies: list[Tally], *, since: int, now: int) -> None:
        """Take what was counted from `since` on; forget what is older than a day."""
        for minute in [known for known in self.minutes if known >= since or known < _first(now)]:
            del self.minutes[minute]
        for begin in [known for known in self.quarters_of if known + QUARTER > since or known < _first(now)]:
            del self.quarters_of[begin]
        for tally in tallies:
            self.minutes.setdefault(tally.minute, Counter())[tally.state] += tally.count
        for minute, count in self.minutes.items():
            begin = minute - minute % QUARTER
            if begin + QUARTER > since:
                self.quarters_of.setdefault(begin, Counter()).update(count)
        self.closed = max(self.closed, now - OPEN_MINUTES)

    def ended(self, *, since: int) -> EndedView:
        total: Count = Counter()
        for begin, count in self.quarters_of.items():
            if begin >= since:
                total.update(count)
            else:
                for minute in range(max(begin, since), begin + QUARTER):
                    total.update(self.minutes.get(minute, ()))
        failed = sum(total[state] for state in FAILED)
        judged = failed + total[JobState.SUCCEEDED]
        return EndedView(
            succeeded=total[JobState.SUCCEEDED],
            failed=failed,
            cancelled=total[JobState.CANCELLED],
            failure_rate=failed / judged if judged else None,
        )

    def quarters(self, now: int) -> list[QuarterView]:
        nothing: Count = Counter()
        counts = ((begin, self.quarters_of.get(begin, nothing)) for begin in range(_first(now), now + 1, QUARTER))
        return [
            QuarterView(
                at=datetime.fromtimestamp(begin * 60, UTC),
                submitted=count[None],
                succeeded=count[JobState.SUCCEEDED],
                failed=sum(count[state] for state in FAILED),
                cancelled=count[JobState.CANCELLED],
            )
            for begin, count in counts
        ]


def _first(now: int) -> int:
    """The minute with which the QUARTERS quarters that end with this one begin."""
    return now - now % QUARTER - QUARTER * (QUARTERS - 1)


@dataclass
class _Kept:
    """The last answer for one Site."""

    history: History = field(default_factory=History)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    body: bytes = b""
    begun: float = float("-inf")
    took: float = 0.0
    asked: float = 0.0


class Overviews:
    """Answers by Site; None is the platform. Call it in the event loop."""

    def __init__(self, database: Database, changes: ChangeFeed) -> None:
        self._database = database
        self._changes = changes
        self._kept: dict[UUID | None, _Kept] = {}

    async def get(self, site_id: UUID | None, checks: dict[str, CheckView]) -> bytes:
        """The OverviewView as JSON: nothing that was told before the call is missing. Raises DatabaseUnavailable."""
        now = time.monotonic()
        for other in [key for key, kept in self._kept.items() if now - kept.asked > FORGOTTEN_S]:
            del self._kept[other]
        kept = self._kept.setdefault(site_id, _Kept())
        kept.asked = now
        async with kept.lock:
            if not self._is_fresh(kept, site_id):
                await asyncio.sleep(kept.begun + min(PAUSE_MOST_S, max(PAUSE_S, RESTS * kept.took)) - time.monotonic())
                kept.begun = time.monotonic()
                view = await anyio.to_thread.run_sync(self._calculate, site_id, kept.history, checks)
                kept.body = view.model_dump_json().encode()
                kept.took = time.monotonic() - kept.begun
            return kept.body

    def _is_fresh(self, kept: _Kept, site_id: UUID | None) -> bool:
        age = time.monotonic() - kept.begun
        return age < max(FRESH_S, RESTS * kept.took) and not self._changes.changed_since(site_id, kept.begun)

    def _calculate(self, site_id: UUID | None, history: History, checks: dict[str, CheckView]) -> OverviewView:
        began = time.perf_counter()
        with self._database.unit_of_work(site_id=site_id) as session:
            pulse = statistics.pulse(session, site_id=site_id, recent_s=60, within_s=WORKER_AGE_S)
            answered_ms = 1000 * (time.perf_counter() - began)
            now = int(pulse.at.timestamp() // 60)
            since = history.since(now)
            history.add(statistics.tallies(session, site_id=site_id, since_minute=since), since=since, now=now)
            return _view(session, site_id, history, checks | {"database": _answered(answered_ms)}, pulse)


def _view(
    session: Session, site_id: UUID | None, history: History, checks: dict[str, CheckView], pulse: Pulse
) -> OverviewView:
    now = int(pulse.at.timestamp() // 60)
    waiting = statistics.waiting(session, site_id=site_id)
    phases = _phases(session, site_id, history)
    jobs = {state: sum(found.count for found in waiting if found.state is state) for state in _ACTIVE}
    return OverviewView(
        at=pulse.at,
        jobs=jobs,
        queue=_queue(waiting),
        oldest_seconds=max((found.oldest_s for found in waiting if found.oldest_s is not None), default=None),
        per_minute=pulse.finished,
        last_hour=history.ended(since=now - 60),
        last_day=history.ended(since=0),
        phases=[PhaseView(name=one.name, p50_ms=round(one.p50_ms, 1), p95_ms=round(one.p95_ms, 1)) for one in phases],
        measured=max((phase.count for phase in phases), default=0),
        workers=WorkersAliveView.model_validate(pulse.workers),
        checks=checks,
        history=history.quarters(now),
    )


def _phases(session: Session, site_id: UUID | None, history: History) -> list[Phase]:
    """Percentiles of hundreds of results: they are the same a moment later."""
    if time.monotonic() - history.phases_at > PHASES_S:
        history.phases = statistics.phases(session, site_id=site_id)
        history.phases_at = time.monotonic() if history.phases else float("-inf")
    return history.phases


_ACTIVE = (JobState.HELD, JobState.QUEUED, JobState.RUNNING, JobState.RETRY_WAIT)


def _queue(waiting: list[Waiting]) -> list[QueueView]:
    rows = []
    for priority in sorted({found.priority for found in waiting if found.state in WAITING}, reverse=True):
        of = [found for found in waiting if found.priority == priority and found.state in WAITING]
        oldest = max((found.oldest_s for found in of if found.oldest_s is not None), default=None)
        rows.append(QueueView(priority=priority, waiting=sum(one.count for one in of), oldest_seconds=oldest))
    return rows


def _answered(milliseconds: float) -> CheckView:
    return CheckView(status="up", detail=f"{milliseconds:.0f} ms")
