"""What time does to jobs: leases that ran out, deadlines, hints that were lost."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from core.errors import DeadlineExceeded, WorkerCrashed
from db.repositories.jobs.outbox import with_deliveries


@dataclass(frozen=True, slots=True)
class SweepReport:
    """How many jobs were recovered, died and expired, and how many are due without a recent hint."""

    recovered: int
    died: int
    expired: int
    due: int


_RECOVER = with_deliveries("""
WITH lost AS (
    SELECT id, CASE WHEN crash_count + 1 >= :max_crashes OR attempt >= max_attempts THEN 'dead' ELSE 'retry_wait' END
        AS next
    FROM job WHERE state = 'running' AND lease_expires_at <= now()
    ORDER BY lease_expires_at LIMIT :limit FOR UPDATE SKIP LOCKED
), moved AS (
    UPDATE job SET state = lost.next, crash_count = crash_count + 1, lease_owner = NULL, lease_expires_at = NULL,
        error_code = :code, error_detail = :detail,
        finished_at = CASE WHEN lost.next = 'dead' THEN now() END,
        run_after = CASE WHEN lost.next = 'dead' THEN run_after ELSE now() END
    FROM lost WHERE job.id = lost.id RETURNING job.id, job.site_id, job.state, job.fence
), noted AS (
    INSERT INTO job_event (job_id, kind, state, fence, code)
    SELECT id, CASE state WHEN 'dead' THEN 'died' ELSE 'lease_expired' END, state, fence, :code FROM moved
), told AS (…)
SELECT count(*) FILTER (WHERE state = 'retry_wait'), count(*) FILTER (WHERE state = 'dead') FROM moved
""")

_EXPIRE = with_deliveries("""
WITH late AS (
    SELECT id FROM job WHERE state IN ('queued', 'retry_wait') AND deadline_at <= now()
    ORDER BY deadline_at LIMIT :limit FOR UPDATE SKIP LOCKED
), moved AS (
    UPDATE job SET state = 'expired', finished_at = now(), error_code = :code, error_detail = :detail
    WHERE id IN (SELECT id FROM late) RETURNING id, site_id, state, fence
), noted AS (
    INSERT INTO job_event (job_id, kind, state, fence, code) SELECT id, 'expired', 'expired', fence, :code FROM moved
), told AS (…)
SELECT count(*) FROM moved
""")

# At most `limit` rows are looked at for each part: the number only says how many hints are worth sending.
# Retries are looked up per priority, as a claim does.
_DUE = text("""
SELECT (SELECT count(*) FROM (SELECT created_at FROM job WHERE state = 'queued' AND crash_count = 0
            ORDER BY priority DESC, created_at, id LIMIT :limit) AS waiting
            WHERE created_at <= now() - make_interval(secs => :stale_s))
     + (SELECT count(*) FROM (SELECT FROM generate_series(-10, 10) AS level, LATERAL (SELECT FROM job
            WHERE state = 'retry_wait' AND crash_count = 0 AND priority = level AND run_after <= now()
            ORDER BY run_after LIMIT :limit) AS found LIMIT :limit) AS again)
     + (SELECT count(*) FROM (SELECT FROM job WHERE state IN ('queued', 'retry_wait') AND crash_count > 0
            AND run_after <= now() ORDER BY run_after LIMIT :limit) AS suspect)
""")


def sweep(
    session: Session,
    *,
    max_crashes: int = 3,
    stale_s: float = 5.0,
    limit: int = 10_000,
) -> SweepReport:
    """One pass over at most `limit` jobs of each kind. Safe beside another sweeper and beside claims.

    A job whose worker died is due at once, without jitter: lease + sweep interval is then the whole wait. It cannot
    spin: it comes back at most `max_crashes` - 1 times, each after a whole lease, and is claimed alone.
    """
    crashed = {"code": WorkerCrashed.code, "detail": WorkerCrashed.title}
    recovered, died = session.execute(
        _RECOVER,
        {"max_crashes": max_crashes, "limit": limit, **crashed},
    ).one()
    expired = session.execute(
        _EXPIRE, {"limit": limit, "code": DeadlineExceeded.code, "detail": DeadlineExceeded.title}
    ).scalar_one()
    return SweepReport(int(recovered), int(died), int(expired), due(session, stale_s=stale_s))


def due(session: Session, *, stale_s: float, limit: int = 1000) -> int:
    """How many jobs are due whose hint may be lost: queued for `stale_s` seconds, or a retry. Bounded by `limit`."""
    return int(session.execute(_DUE, {"stale_s": float(stale_s), "limit": limit}).scalar_one())
