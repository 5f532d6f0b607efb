"""The sweeper: what time does to jobs. Two at a time do no harm."""

from __future__ import annotations

from core.logs import logger
from core.settings import Settings
from db.repositories import jobs
from db.session import Database

log = logger(__name__)

# One hint makes one child drain all that is due; more only wake more children.
HINTS_AT_MOST = 16


def sweep(database: Database, settings: Settings) -> int:
    """One sweep; returns how many hints to publish after its commit. Raises DatabaseUnavailable."""
    with database.unit_of_work() as session:
        if not jobs.try_lock(session, "sweep"):
            return 0
        report = jobs.sweep(session, max_crashes=settings.max_crashes, stale_s=settings.stale_hint)
    if report.recovered or report.died or report.expired:
        log.info("swept", recovered=report.recovered, died=report.died, expired=report.expired, due=report.due)
    return min(report.due, HINTS_AT_MOST)
