"""Reading jobs. Another Site's job is NotFound."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, text, tuple_
from sqlalchemy.orm import Session, joinedload, selectinload

from core.errors import NotFound, ResultNotReady
from core.vocabulary import JobState
from db.tables import Finding, Job, JobEvent, Prediction

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


def page(
    session: Session,
    *,
    site_id: UUID,
    states: Collection[JobState] = (),
    limit: int = 50,
    before: tuple[datetime, UUID] | None = None,
) -> list[Job]:
    """Up to `limit` Jobs with their Images, newest first; `before`: (created_at, id) of the last of the page before."""
    query = select(Job).where(Job.site_id == site_id).options(joinedload(Job.image))
    if states:
        query = query.where(Job.state.in_([state.value for state in states]))
    if before is not None:
        query = query.where(tuple_(Job.created_at, Job.id) < before)
    return list(session.scalars(query.order_by(Job.created_at.desc(), Job.id.desc()).limit(limit)))


def events(session: Session, *, site_id: UUID, job_id: UUID) -> list[JobEvent]:
    """The Job's events, oldest first. Raises NotFound."""
    get(session, site_id=site_id, job_id=job_id)
    return list(session.scalars(select(JobEvent).where(JobEvent.job_id == job_id).order_by(JobEvent.id)))


def result(session: Session, *, site_id: UUID, job_id: UUID) -> Prediction:
    """The Prediction with findings, explanations and model version loaded. Raises NotFound, ResultNotReady."""
    prediction = session.scalars(
        select(Prediction)
        .join(Job, Job.id == Prediction.job_id)
        .where(Job.id == job_id, Job.site_id == site_id)
        .options(
            joinedload(Prediction.model_version),
            selectinload(Prediction.findings).joinedload(Finding.explanation),
        )
    ).one_or_none()
    if prediction is None:
        get(session, site_id=site_id, job_id=job_id)
        raise ResultNotReady
    return prediction


def counts_by_state(session: Session) -> dict[JobState, int]:
    """How many jobs are in each state, zero included. Reads every job: for commands, not for hot paths."""
    rows = session.execute(select(Job.state, func.count()).group_by(Job.state))
    found = {state: count for state, count in rows}  # noqa: C416 - rows are no pairs to the type checker
    return {state: found.get(state.value, 0) for state in JobState}


def oldest_due_age(session: Session) -> float | None:
    """Seconds that the longest-waiting due job has waited; None where none is due."""
    age = session.execute(_OLDEST_DUE).scalar_one()
    return None if age is None else float(age)
