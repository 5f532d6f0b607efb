"""What a Site may use, and what it does: Jobs that are active, bytes of Images that are stored."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, field
from threading import Lock
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.errors import StorageQuotaExceeded
from db.tables import WORKED_STATES, Image, Job

# The sum of a Site's images is asked for at most this often by one process, plus what the process added since.
SUM_FRESH_S = 5.0


@dataclass(frozen=True, slots=True)
class Usage:
    """What a Site uses now; bytes are those of the stored files, without pictures made of them."""

    active_jobs: int = 0
    images: int = 0
    stored_bytes: int = 0


def usage(session: Session, site_ids: Collection[UUID]) -> dict[UUID, Usage]:
    """Of each of these Sites."""
    worked = sorted(state.value for state in WORKED_STATES)
    active: dict[UUID, int] = {
        row[0]: row[1]
        for row in session.execute(
            select(Job.site_id, func.count())
            .where(Job.site_id.in_(site_ids), Job.state.in_(worked))
            .group_by(Job.site_id)
        )
    }
    stored = {
        site: (count, int(size))
        for site, count, size in session.execute(
            select(Image.site_id, func.count(), func.sum(Image.size_bytes))
            .where(Image.site_id.in_(site_ids))
            .group_by(Image.site_id)
        )
    }
    return {site: Usage(active.get(site, 0), *stored.get(site, (0, 0))) for site in site_ids}


@dataclass(slots=True)
class _Sums:
    """What one process knows of one database: bytes by Site, and until when."""

    lock: Lock = field(default_factory=Lock)
    known: dict[UUID, tuple[int, float]] = field(default_factory=dict)


_sums: WeakKeyDictionary[Any, _Sums] = WeakKeyDictionary()
_sums_lock = Lock()


def require_space(session: Session, *, site_id: UUID, size_bytes: int, limit: int | None) -> None:
    """Room for another file of this size below the Site's `limit`. Raises StorageQuotaExceeded.

    A Site without a limit costs nothing. With one, it may be passed by what other processes add within
    SUM_FRESH_S seconds, and hold back for as long after images were erased.
    """
    if limit is None:
        return
    sums = _sums_of(session)
    with sums.lock:
        value, until = sums.known.get(site_id, (0, 0.0))
    if time.monotonic() >= until:
        asked = select(func.coalesce(func.sum(Image.size_bytes), 0)).where(Image.site_id == site_id)
        value, until = int(session.scalars(asked).one()), time.monotonic() + SUM_FRESH_S
    if value + size_bytes > limit:
        raise StorageQuotaExceeded(
            f"This file of {size_bytes} bytes does not fit: {value} of the {limit} bytes that the Site may store are"
            " used. Have older images erased, or the limit raised."
        )
    with sums.lock:
        sums.known[site_id] = (value + size_bytes, until)


def _sums_of(session: Session) -> _Sums:
    with _sums_lock:
        return _sums.setdefault(session.get_bind(), _Sums())
