"""Reading jobs. Another Site's job is NotFound."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session, joinedload, selectinload

from core.errors import NotFound, ResultNotReady
from core.vocabulary import JobState
from db.tables import ACTIVE_STATES, Explanation, Finding, Job, JobEvent, ModelVersion, Prediction

# Tables up to this size are counted.
COUNT_EXACT = 50_000

_OLDEST_DUE = text("""
SELECT extract(epoch FROM now() - min(oldest.due_at)) FROM generate_series(-10, 10) AS level, LATERAL (
    (SELECT created_at AS due_at FROM job WHERE state = 'queued' AND crash_count = 0 AND priority = level
     ORDER BY created_at LIMIT 1)
    UNION ALL
    (SELECT run_after FROM job WHERE state = 'retry_wait' AND crash_count = 0 AND priority = level
     AND run_after <= now() ORDER BY run_after LIMIT 1)
    UNION ALL
    (SELECT run_after FROM job WHERE state IN ('queued', 'retry_wait') AND crash_count > 0 AND level = 0
     AND run_after <= now() ORDER BY run_after LIMIT 1)
) AS oldest
""")

_SIZE = text("SELECT count(*) FROM (SELECT FROM job LIMIT :limit) AS probe")

# Each part reads a partial index, for that is in its order, and ends at the limit.
_ACTIVE = text("""
SELECT state, sum(found)::bigint FROM (
    SELECT 'queued' AS state, count(*) AS found FROM (
        SELECT FROM job WHERE state = 'queued' AND crash_count = 0
        ORDER BY priority DESC, created_at, id LIMIT :limit) AS waiting
    UNION ALL
    SELECT 'retry_wait', count(*) FROM (
        SELECT FROM job WHERE state = 'retry_wait' AND crash_count = 0
        ORDER BY priority, run_after LIMIT :limit) AS again
    UNION ALL
    SELECT suspect.state, count(*) FROM (
        SELECT state FROM job WHERE state IN ('queued', 'retry_wait') AND crash_count > 0
        ORDER BY run_after LIMIT :limit) AS suspect GROUP BY suspect.state
    UNION ALL
    SELECT 'held', count(*) FROM (
        SELECT FROM job WHERE state = 'held' ORDER BY site_id, created_at, id LIMIT :limit) AS held
    UNION ALL
    SELECT 'running', count(*) FROM (
        SELECT FROM job WHERE state = 'running' ORDER BY lease_expires_at LIMIT :limit) AS running
) AS part GROUP BY state
""")

# As the planner does: rows per page when last analysed, times the pages of today.
_ESTIMATED = text("""
SELECT value.state, round(value.share * class.reltuples / greatest(class.relpages, 1)
    * (pg_relation_size(class.oid) / current_setting('block_size')::int))::bigint
FROM pg_class AS class
JOIN pg_stats AS stats ON stats.tablename = class.relname AND stats.schemaname = class.relnamespace::regnamespace::text,
    LATERAL unnest(stats.most_common_vals::text::text[], stats.most_common_freqs) AS value (state, share)
WHERE class.oid = 'job'::regclass AND stats.attname = 'state' AND class.reltuples > 0
""")


def get(session: Session, *, site_id: UUID, job_id: UUID) -> Job:
    """The Job with its Image loaded. Raises NotFound."""
    job = session.scalars(
        select(Job)
        .where(Job.id == job_id, Job.site_id == site_id)
        .options(joinedload(Job.image))
        .execution_options(populate_existing=True)
    ).one_or_none()
    if job is None:
        raise NotFound
    return job


def events(session: Session, *, site_id: UUID, job_id: UUID) -> list[JobEvent]:
    """The Job's events, oldest first. Raises NotFound."""
    get(session, site_id=site_id, job_id=job_id)
    return list(session.scalars(select(JobEvent).where(JobEvent.job_id == job_id).order_by(JobEvent.id)))


def result(session: Session, *, site_id: UUID, job_id: UUID, heatmaps: bool = False) -> Prediction:
    """The Prediction with findings, explanations and model version loaded. `heatmaps`: as reports need it, with those
    and the model's manifest, which is the largest part of it by far.

    Raises NotFound, ResultNotReady.
    """
    version = joinedload(Prediction.model_version)
    explanations = selectinload(Prediction.findings).joinedload(Finding.explanation)
    prediction = session.scalars(
        select(Prediction)
        .join(Job, Job.id == Prediction.job_id)
        .where(Job.id == job_id, Job.site_id == site_id)
        .options(
            version if heatmaps else version.defer(ModelVersion.manifest, raiseload=True),
            explanations.undefer(Explanation.heatmap) if heatmaps else explanations,
        )
    ).one_or_none()
    if prediction is None:
        get(session, site_id=site_id, job_id=job_id)
        raise ResultNotReady
    return prediction


def recorded(session: Session, job_id: UUID) -> tuple[Job, Prediction]:
    """Of whichever Site: the Job with its Image, and its Prediction as `result` loads it.

    Raises NotFound, ResultNotReady.
    """
    job = session.scalars(select(Job).where(Job.id == job_id).options(joinedload(Job.image))).one_or_none()
    if job is None:
        raise NotFound("There is no such job")
    return job, result(session, site_id=job.site_id, job_id=job_id, heatmaps=True)


def counts_by_state(session: Session, *, exact: int = COUNT_EXACT) -> dict[JobState, int]:
    """How many jobs are in each state, zero included; cheap in a table of any size.

    Exact where there are at most `exact` jobs. Beyond, an active state is exact up to `exact` (read from its partial
    index), and all else is the planner's estimate, as new as the last ANALYZE (autovacuum: each 2 % of the table).
    """
    if int(session.execute(_SIZE, {"limit": exact + 1}).scalar_one()) <= exact:
        rows = session.execute(select(Job.state, func.count()).group_by(Job.state))
        found = dict(rows.all())
        return {state: found.get(state.value, 0) for state in JobState}
    estimated = {state: int(count) for state, count in session.execute(_ESTIMATED)}
    active = session.execute(_ACTIVE, {"limit": exact + 1})
    exactly = {state: int(count) for state, count in active if count <= exact}
    floor = dict.fromkeys(ACTIVE_STATES - exactly.keys(), exact + 1)
    return {
        state: exactly.get(state.value, max(floor.get(state, 0), estimated.get(state.value, 0))) for state in JobState
    }


def oldest_due_age(session: Session) -> float | None:
    """Seconds that the longest-waiting due job has waited; None where none is due."""
    age = session.execute(_OLDEST_DUE).scalar_one()
    return None if age is None else float(age)
