"""Figures of the queue and of what was done, of one Site or (`site_id` None) of all; read from indexes.

A caller's session is bound to its Site; only an operator's sees all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from core.vocabulary import JobState
from db.tables import WORKED_STATES, quoted

# What the percentiles are of: the latest results, as many as this and no older than a day.
LATEST = 500


@dataclass(frozen=True, slots=True)
class Waiting:
    """Jobs of one state and priority. `oldest_s`: how long the oldest that is due has waited, in seconds."""

    state: JobState
    priority: int
    count: int
    oldest_s: float | None


@dataclass(frozen=True, slots=True)
class Tally:
    """Jobs that were submitted (`state` None) or came to an end within one minute; `minute` counts since 1970."""

    minute: int
    state: JobState | None
    count: int


@dataclass(frozen=True, slots=True)
class Phase:
    """Milliseconds that a phase of the latest results took; `count` of them have it."""

    name: str
    p50_ms: float
    p95_ms: float
    count: int


@dataclass(frozen=True, slots=True)
class Workers:
    """Workers heard of lately; `alive` of them get on, `drained` of these claim nothing."""

    known: int
    alive: int
    drained: int


@dataclass(frozen=True, slots=True)
class Pulse:
    """What is told of one moment `at`, by the database's clock: jobs `finished` shortly before, and the workers."""

    at: datetime
    finished: int
    workers: Workers


# In two forms each: with the Site's ids first in the index's order, and for all Sites, one after the other.
def _both(statement: str) -> dict[bool, TextClause]:
    one, everyone = "site.id = :site_id", "true"
    return {bound: text(statement.replace("{of}", one if bound else everyone)) for bound in (True, False)}


_WAITING = _both(f"""
SELECT found.state, found.priority, sum(found.count)::bigint AS count, max(found.oldest) AS oldest
FROM site, LATERAL (
    SELECT state, priority, count(*) AS count,
        extract(epoch FROM now() - min(greatest(created_at, run_after)) FILTER (
            WHERE state IN ('queued', 'retry_wait') AND run_after <= now())) AS oldest
    FROM job WHERE site_id = site.id AND state IN ({quoted(WORKED_STATES)}) GROUP BY state, priority
    UNION ALL
    SELECT 'held', 0, count(*), NULL FROM job WHERE site_id = site.id AND state = 'held' HAVING count(*) > 0
) AS found WHERE {{of}} GROUP BY 1, 2
""")  # noqa: S608 — the words of our own vocabulary

_TALLIES = _both("""
SELECT found.minute, found.state, sum(found.count)::bigint AS count FROM site, LATERAL (
    SELECT floor(extract(epoch FROM finished_at) / 60)::bigint AS minute, state, count(*) AS count
    FROM job WHERE site_id = site.id AND finished_at >= to_timestamp(:since_minute * 60.0) GROUP BY 1, 2
    UNION ALL
    SELECT floor(extract(epoch FROM created_at) / 60)::bigint, NULL, count(*)
    FROM job WHERE site_id = site.id AND created_at >= to_timestamp(:since_minute * 60.0) GROUP BY 1
) AS found WHERE {of} GROUP BY 1, 2
""")

_PULSE = _both("""
SELECT now() AS at, alive.*, (
    SELECT count(*) FROM site, LATERAL (
        SELECT FROM job WHERE site_id = site.id AND finished_at > now() - make_interval(secs => :recent_s)
    ) AS done WHERE {of}
) AS finished
FROM (
    SELECT count(*) AS known,
        count(*) FILTER (WHERE progress_at > now() - make_interval(secs => :within_s)) AS alive,
        count(*) FILTER (WHERE progress_at > now() - make_interval(secs => :within_s) AND wish = 'drain') AS drained
    FROM worker WHERE seen_at > now() - make_interval(secs => :within_s)
) AS alive
""")

_PHASES = _both("""
WITH latest AS MATERIALIZED (
    SELECT done.id FROM site, LATERAL (
        SELECT id, finished_at FROM job WHERE site_id = site.id AND state = 'succeeded'
            AND finished_at > now() - interval '1 day'
        ORDER BY finished_at DESC LIMIT :latest
    ) AS done WHERE {of} ORDER BY done.finished_at DESC LIMIT :latest
), lap AS (
    SELECT timing.key AS name, timing.value::float8 AS ms
    FROM latest JOIN prediction ON prediction.job_id = latest.id, jsonb_each_text(prediction.timings_ms) AS timing
)
SELECT name, percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) AS p50_ms,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY ms) AS p95_ms, count(*) AS count
FROM lap GROUP BY name
""")


def clock(session: Session) -> datetime:
    """The database's time, by which everything here counts."""
    moment: datetime = session.execute(text("SELECT now()")).scalar_one()
    return moment


def pulse(session: Session, *, site_id: UUID | None, recent_s: float, within_s: float) -> Pulse:
    """Jobs that came to an end in the last `recent_s` seconds; the platform's workers heard of in `within_s`."""
    (row,) = _rows(session, _PULSE, site_id, recent_s=recent_s, within_s=within_s)
    return Pulse(row.at, row.finished, Workers(known=row.known, alive=row.alive, drained=row.drained))


def waiting(session: Session, *, site_id: UUID | None) -> list[Waiting]:
    """What is not at an end, by state and priority; it reads every such job, so its cost grows with the queue."""
    return [
        Waiting(JobState(row.state), row.priority, row.count, None if row.oldest is None else float(row.oldest))
        for row in _rows(session, _WAITING, site_id)
    ]


def tallies(session: Session, *, site_id: UUID | None, since_minute: int) -> list[Tally]:
    """By minute from `since_minute` on. Of the last two minutes more may follow: transactions may be under way."""
    rows = _rows(session, _TALLIES, site_id, since_minute=since_minute)
    return [Tally(row.minute, None if row.state is None else JobState(row.state), row.count) for row in rows]


def phases(session: Session, *, site_id: UUID | None) -> list[Phase]:
    """Of the LATEST results: how long they waited (`queued`), each of their steps, and `total` of all."""
    rows = _rows(session, _PHASES, site_id, latest=LATEST)
    return [Phase(row.name, row.p50_ms, row.p95_ms, row.count) for row in rows]


def _rows(session: Session, statement: dict[bool, TextClause], site_id: UUID | None, **values: Any) -> Iterable[Any]:
    of = {} if site_id is None else {"site_id": site_id}
    return session.execute(statement[site_id is not None], of | values).all()
