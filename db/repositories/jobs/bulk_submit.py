"""Jobs by the thousand: of images that are known already, and cancelled together."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, bindparam, text
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from core.vocabulary import TERMINAL_STATES
from db.repositories.jobs.limits import room
from db.repositories.jobs.outbox import with_deliveries
from db.tables import ACTIVE_STATES, quoted

_IDS = ARRAY(Uuid())

# As `requests._SUBMIT` does for one; a Study of several of the images is opened once.
_SUBMIT = text("""
WITH made AS (
    INSERT INTO job (id, site_id, image_id, state, priority, explain, request_hash, max_attempts, deadline_at)
    SELECT wanted.id, :site_id, image.id, CASE WHEN image.quarantined THEN 'held' ELSE 'queued' END, :priority,
        CAST(:explain AS text[]), :request_hash, :max_attempts, now() + make_interval(secs => :deadline_s)
    FROM unnest(CAST(:ids AS uuid[]), CAST(:image_ids AS uuid[])) AS wanted (id, image_id)
    JOIN image ON image.id = wanted.image_id AND image.site_id = :site_id
    RETURNING id, image_id, state
), noted AS (
    INSERT INTO job_event (job_id, kind, state, fence) SELECT id, 'submitted', state, 0 FROM made
), opened AS (
    INSERT INTO study_result (study_id, site_id)
    SELECT DISTINCT image.study_id, image.site_id FROM made JOIN image ON image.id = made.image_id
    WHERE image.study_id IS NOT NULL ORDER BY image.study_id
    ON CONFLICT (study_id) DO UPDATE SET state = 'open', last_image_at = now(), look_after = now()
)
SELECT image_id, id FROM made
""").bindparams(bindparam("ids", type_=_IDS), bindparam("image_ids", type_=_IDS))

_CANCEL = with_deliveries("""
WITH moved AS (
    UPDATE job SET state = 'cancelled', cancel_requested_at = now(), finished_at = now(), lease_owner = NULL,
        lease_expires_at = NULL
    WHERE id = ANY (CAST(:job_ids AS uuid[])) AND site_id = :site_id AND state <> ALL (:ended)
    RETURNING id, site_id, state, fence
), noted AS (
    INSERT INTO job_event (job_id, kind, state, fence, owner)
    SELECT id, 'cancelled', 'cancelled', fence, :actor FROM moved
), told AS (…)
SELECT count(*) FROM moved
""").bindparams(bindparam("job_ids", type_=_IDS))

_ANSWERING = text(f"""
SELECT job.id FROM job LEFT JOIN prediction ON prediction.job_id = job.id
WHERE job.image_id = :image_id AND job.site_id = :site_id AND job.explain @> CAST(:explain AS text[])
    AND (job.state IN ({quoted(ACTIVE_STATES)})
        OR job.state = 'succeeded' AND prediction.model_version_id = :model_version_id)
ORDER BY job.state <> 'succeeded', job.created_at LIMIT 1
""")  # noqa: S608 — the words of our own vocabulary


def submit_many(  # noqa: PLR0913 — one keyword a column and limit
    session: Session,
    *,
    site_id: UUID,
    image_ids: Sequence[UUID],
    request_hash: str,
    priority: int,
    explain: Sequence[str],
    max_attempts: int,
    deadline_s: float,
    queue_limit: int,
    site_active_limit: int,
) -> dict[UUID, UUID]:
    """A new Job for each of the Site's Images, as many as the limits let in: Image → Job. One statement."""
    granted = room(
        session, site_id=site_id, queue_limit=queue_limit, site_active_limit=site_active_limit, wanted=len(image_ids)
    )
    wanted = list(image_ids[:granted])
    if not wanted:
        return {}
    values = {
        "ids": [uuid7() for _ in wanted],
        "image_ids": wanted,
        "site_id": site_id,
        "priority": priority,
        "explain": list(explain),
        "request_hash": request_hash,
        "max_attempts": max_attempts,
        "deadline_s": float(deadline_s),
    }
    return {row.image_id: row.id for row in session.execute(_SUBMIT, values)}


def cancel_many(session: Session, *, site_id: UUID, job_ids: Sequence[UUID], actor: str | None = None) -> int:
    """Cancel those of the Site's Jobs that have not ended; how many that were. `actor`: who wanted it."""
    ended = [state.value for state in TERMINAL_STATES]
    values = {"site_id": site_id, "job_ids": list(job_ids), "ended": ended, "actor": actor}
    return int(session.execute(_CANCEL, values).scalar_one())


def answering(
    session: Session, *, site_id: UUID, image_id: UUID, model_version_id: UUID, explain: Sequence[str]
) -> UUID | None:
    """A Job that has, or will have, this ModelVersion's result of the Image with these labels explained; the oldest.

    An active one counts: it will be run by the version that is active then.
    """
    values = {"site_id": site_id, "image_id": image_id, "model_version_id": model_version_id, "explain": list(explain)}
    found: UUID | None = session.scalars(_ANSWERING, values).one_or_none()
    return found
