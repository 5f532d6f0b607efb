"""What clients ask for: submit, cancel, replay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from core.errors import IdempotencyMismatch, NotFound, TransitionIllegal
from core.vocabulary import JobState
from db.repositories import studies
from db.repositories.jobs.limits import require_room
from db.repositories.jobs.outbox import with_deliveries
from db.repositories.jobs.queries import get
from db.tables import UNSUCCESSFUL_STATES, Image, Job


@dataclass(frozen=True, slots=True)
class Submission:
    """The Job of a submit; `created` is False where an earlier request with the same key made it."""

    job: Job
    created: bool


# Whatever makes a Job opens the Study of its Image (db.repositories.studies): a late image, one judged again, a retry.
_SUBMIT = text("""
WITH made AS (
    INSERT INTO job (id, site_id, image_id, state, priority, explain, stability, idempotency_key, request_hash,
        max_attempts, deadline_at, replay_of)
    SELECT :id, :site_id, image.id, CASE WHEN image.quarantined THEN 'held' ELSE 'queued' END, :priority,
        CAST(:explain AS text[]), :stability, :key, :request_hash, :max_attempts,
        now() + make_interval(secs => :deadline_s), :replay_of
    FROM image WHERE image.id = :image_id AND image.site_id = :site_id
    ON CONFLICT (site_id, idempotency_key) DO NOTHING RETURNING *
), noted AS (
    INSERT INTO job_event (job_id, kind, state, fence, owner) SELECT id, :kind, state, 0, :actor FROM made
), opened AS (
    INSERT INTO study_result (study_id, site_id)
    SELECT image.study_id, image.site_id FROM made JOIN image ON image.id = :image_id
    WHERE image.study_id IS NOT NULL
    ON CONFLICT (study_id) DO UPDATE SET state = 'open', last_image_at = now(), look_after = now()
)
SELECT * FROM made
""")

_CANCEL = with_deliveries("""
WITH moved AS (
    UPDATE job SET state = 'cancelled', cancel_requested_at = now(), finished_at = now(), lease_owner = NULL,
        lease_expires_at = NULL
    WHERE id = :job_id AND site_id = :site_id AND state IN ('held', 'queued', 'running', 'retry_wait')
    RETURNING id, site_id, state, fence
), noted AS (
    INSERT INTO job_event (job_id, kind, state, fence, owner)
    SELECT id, 'cancelled', 'cancelled', fence, :actor FROM moved
), told AS (…)
SELECT id FROM moved
""")


# Waiting in quarantine does not use up a Job's time.
_RELEASE = text("""
WITH moved AS (
    UPDATE job SET state = 'queued', run_after = now(), deadline_at = now() + (deadline_at - created_at)
    WHERE image_id = :image_id AND site_id = :site_id AND state = 'held' RETURNING id, fence
)
INSERT INTO job_event (job_id, kind, state, fence, owner) SELECT id, 'released', 'queued', fence, :actor FROM moved
""")


def find_by_key(session: Session, *, site_id: UUID, idempotency_key: str, request_hash: str) -> Job | None:
    """The Job that this key made, if any. Raises IdempotencyMismatch where the request was another."""
    found = session.execute(
        select(Job.id, Job.request_hash).where(Job.site_id == site_id, Job.idempotency_key == idempotency_key)
    ).one_or_none()
    if found is None:
        return None
    if found.request_hash != request_hash:
        raise IdempotencyMismatch
    return get(session, site_id=site_id, job_id=found.id)


def submit(  # noqa: PLR0913 — one keyword a column and limit
    session: Session,
    *,
    site_id: UUID,
    image_id: UUID,
    request_hash: str,
    idempotency_key: str | None = None,
    priority: int = 0,
    explain: Sequence[str] = (),
    stability: bool = False,
    max_attempts: int = 5,
    deadline_s: float = 86400.0,
    queue_limit: int = 1_000_000,
    site_active_limit: int = 100_000,
    entered: bool = False,
) -> Submission:
    """A new Job for the Image, or the one that this key made before (a concurrent one is waited for).

    `priority` -10 … 10, higher first. `stability`: score each Finding by its agreement under small shifts. `entered`:
    `intake.enter` found no Job of this key, and `site_active_limit` is the Site's own where it has one. Raises
    IdempotencyMismatch, QueueFull, QuotaExceeded, NotFound (the Image).
    """
    if idempotency_key is not None and not entered:
        known = find_by_key(session, site_id=site_id, idempotency_key=idempotency_key, request_hash=request_hash)
        if known is not None:
            return Submission(known, created=False)
    require_room(session, site_id=site_id, queue_limit=queue_limit, site_active_limit=site_active_limit, own=entered)
    job_id = uuid7()
    values: dict[str, Any] = {
        "id": job_id,
        "site_id": site_id,
        "image_id": image_id,
        "priority": priority,
        "explain": list(explain),
        "stability": stability,
        "key": idempotency_key,
        "request_hash": request_hash,
        "max_attempts": max_attempts,
        "deadline_s": float(deadline_s),
        "replay_of": None,
        "kind": "submitted",
        "actor": None,
    }
    made = session.scalars(select(Job).from_statement(_SUBMIT), values).one_or_none()
    if made is not None:
        return Submission(made, created=True)
    if idempotency_key is not None:
        known = find_by_key(session, site_id=site_id, idempotency_key=idempotency_key, request_hash=request_hash)
        if known is not None:
            return Submission(known, created=False)
    raise NotFound


def cancel(session: Session, *, site_id: UUID, job_id: UUID, actor: str | None = None) -> Job:
    """Cancel a Job that has not ended; a worker running it loses its fence. `actor`: who wanted it, for the event.

    Raises TransitionIllegal, NotFound.
    """
    moved = session.scalars(_CANCEL, {"site_id": site_id, "job_id": job_id, "actor": actor}).one_or_none()
    job = get(session, site_id=site_id, job_id=job_id)
    if moved is None:
        raise TransitionIllegal
    return job


def release_held(session: Session, *, site_id: UUID, job_id: UUID, actor: str) -> Job:
    """Let a held Job run, with every other held one of its Image, which leaves quarantine for good.

    `actor`: who looked, as the audit log names them. Raises TransitionIllegal, NotFound.
    """
    job = get(session, site_id=site_id, job_id=job_id)
    # Jobs are made under a share of this row (a foreign key's): none is made held after it was decided.
    image = session.get_one(Image, job.image_id, with_for_update=True)
    job = get(session, site_id=site_id, job_id=job_id)
    if job.state != JobState.HELD:
        raise TransitionIllegal
    image.quarantined = False
    session.flush()
    session.execute(_RELEASE, {"image_id": image.id, "site_id": site_id, "actor": actor})
    studies.reopen(session, image_id=image.id)
    return get(session, site_id=site_id, job_id=job_id)


def replay(
    session: Session,
    *,
    site_id: UUID,
    job_id: UUID,
    deadline_s: float = 86400.0,
    queue_limit: int = 1_000_000,
    site_active_limit: int = 100_000,
    actor: str | None = None,
) -> Job:
    """A new Job like one that failed, died, was cancelled or expired. `actor`: who wanted it, for the event.

    Raises TransitionIllegal, NotFound, and QueueFull and QuotaExceeded as a submit does.
    """
    old = get(session, site_id=site_id, job_id=job_id)
    if old.state not in UNSUCCESSFUL_STATES:
        raise TransitionIllegal
    require_room(session, site_id=site_id, queue_limit=queue_limit, site_active_limit=site_active_limit)
    new_id = uuid7()
    values = {
        "id": new_id,
        "site_id": site_id,
        "image_id": old.image_id,
        "priority": old.priority,
        "explain": old.explain,
        "stability": old.stability,
        "key": None,
        "request_hash": old.request_hash,
        "max_attempts": old.max_attempts,
        "deadline_s": float(deadline_s),
        "replay_of": old.id,
        "kind": "replayed",
        "actor": actor,
    }
    session.scalars(_SUBMIT, values).one()
    return get(session, site_id=site_id, job_id=new_id)
