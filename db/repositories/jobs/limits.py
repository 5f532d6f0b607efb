"""How many jobs may be active: in all, and of one Site."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from threading import Lock
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from core.errors import QueueFull, QuotaExceeded
from db.tables import Site

RETRY_AFTER_S = 10.0
# Limits up to this are counted at each submit; larger ones at most every COUNT_FRESH_S, plus what this process added.
COUNT_EXACT = 1000
COUNT_FRESH_S = 5.0

# The order is what makes it read the partial index, up to the limit: a scan of the table would meet the finished first.
# A session that is bound to a Site sees no other's jobs: the function (migration 0005) does, and gives their number.
_ACTIVE_ALL = text("SELECT active_jobs(:limit)")
_ACTIVE_SITE = text("""
SELECT count(*) FROM (SELECT FROM job WHERE state IN ('queued', 'retry_wait', 'running') AND site_id = :site_id
    ORDER BY created_at, id LIMIT :limit) AS active
""")


@dataclass(slots=True)
class _Count:
    value: int
    until: float


@dataclass(slots=True)
class _Counts:
    """The counts that one process knows of one database, by Site; None: all Sites."""

    lock: Lock = field(default_factory=Lock)
    known: dict[UUID | None, _Count] = field(default_factory=dict)


_counts: WeakKeyDictionary[Any, _Counts] = WeakKeyDictionary()
_counts_lock = Lock()


def require_room(
    session: Session, *, site_id: UUID, queue_limit: int, site_active_limit: int, own: bool = False
) -> None:
    """Raises QueueFull where `queue_limit` jobs are active (queued, waiting or running), QuotaExceeded for the Site.

    A Site's own `active_limit` goes before `site_active_limit`, which is the installation's; with `own` it is the
    Site's already.
    A limit up to COUNT_EXACT is counted now: it is passed at most by submits that commit at the same moment. A larger
    one is counted at most every COUNT_FRESH_S seconds, plus what this process let in since: it may be passed by what
    other processes add in that time, and hold back for as long after jobs ended.
    """
    if _active(session, None, queue_limit) >= queue_limit:
        raise QueueFull(retry_after=RETRY_AFTER_S)
    own_limit = site_active_limit if own else _limit_of(session, site_id, site_active_limit)
    if _active(session, site_id, own_limit) >= own_limit:
        raise QuotaExceeded(
            f"{own_limit} jobs of this site may be active at once. Wait until some have ended.",
            retry_after=RETRY_AFTER_S,
        )
    # Only now: one Site that is refused again and again must not fill the queue of the others.
    _let_in(session, site_id, 1)


def room(session: Session, *, site_id: UUID, queue_limit: int, site_active_limit: int, wanted: int) -> int:
    """How many of `wanted` jobs may be made now, by the same limits and with the same exactness; they count as made."""
    own_limit = _limit_of(session, site_id, site_active_limit)
    free = min(
        queue_limit - _active(session, None, queue_limit),
        own_limit - _active(session, site_id, own_limit),
    )
    granted = max(0, min(wanted, free))
    _let_in(session, site_id, granted)
    return granted


def _limit_of(session: Session, site_id: UUID, installation: int) -> int:
    """The Site's own limit, or the installation's."""
    own = session.scalars(select(Site.active_limit).where(Site.id == site_id)).one_or_none()
    return installation if own is None else own


def _let_in(session: Session, site_id: UUID, number: int) -> None:
    counts = _counts_of(session)
    with counts.lock:
        for key in (None, site_id):
            if key in counts.known:
                counts.known[key].value += number


def _active(session: Session, site_id: UUID | None, limit: int) -> int:
    """About how many jobs are active, at most about `limit`."""
    if limit <= COUNT_EXACT:
        return _count(session, site_id, limit)
    counts = _counts_of(session)
    with counts.lock:
        now = time.monotonic()
        count = counts.known.get(site_id)
        if count is not None and now < count.until:
            return count.value
        if count is not None:
            # This thread counts; meanwhile the others go on with what was known.
            count.until = now + COUNT_FRESH_S
    value = _count(session, site_id, limit)
    with counts.lock:
        for key in [key for key, other in counts.known.items() if other.until < now]:
            del counts.known[key]
        counts.known[site_id] = _Count(value, now + COUNT_FRESH_S)
    return value


def _count(session: Session, site_id: UUID | None, limit: int) -> int:
    if site_id is None:
        return int(session.execute(_ACTIVE_ALL, {"limit": limit}).scalar_one())
    return int(session.execute(_ACTIVE_SITE, {"site_id": site_id, "limit": limit}).scalar_one())


def _counts_of(session: Session) -> _Counts:
    with _counts_lock:
        return _counts.setdefault(session.get_bind(), _Counts())
