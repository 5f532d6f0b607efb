"""What people do to many jobs at once. One that cannot take part keeps none of the others from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, bindparam, text
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from core.vocabulary import TERMINAL_STATES
from db.repositories.jobs.bulk_submit import cancel_many
from db.repositories.jobs.limits import room
from db.tables import UNSUCCESSFUL_STATES

_IDS = ARRAY(Uuid())

# In the order of ids, as every statement that waits for several jobs' rows takes them.
_LOCK = text("""
SELECT id, state FROM job WHERE id = ANY (CAST(:ids AS uuid[])) AND site_id = :site_id ORDER BY id FOR UPDATE
""").bindparams(bindparam("ids", type_=_IDS))
# Asked when the rows are locked: whoever repeated one of them meanwhile is seen.
_REPLAYED = text("""
SELECT DISTINCT replay_of FROM job WHERE replay_of = ANY (CAST(:ids AS uuid[]))
""").bindparams(bindparam("ids", type_=_IDS))
# As `requests._SUBMIT` does for one.
_REPLAY = text("""
WITH made AS (
    INSERT INTO job (id, site_id, image_id, state, priority, explain, stability, request_hash, max_attempts,
        deadline_at, replay_of)
    SELECT wanted.id, old.site_id, old.image_id, CASE WHEN image.quarantined THEN 'held' ELSE 'queued' END,
        old.priority, old.explain, old.stability, old.request_hash, old.max_attempts,
        now() + make_interval(secs => :deadline_s), old.id
    FROM unnest(CAST(:ids AS uuid[]), CAST(:old_ids AS uuid[])) AS wanted (id, old_id)
    JOIN job AS old ON old.id = wanted.old_id JOIN image ON image.id = old.image_id
    RETURNING id, image_id, state
), noted AS (
    INSERT INTO job_event (job_id, kind, state, fence, owner) SELECT id, 'replayed', state, 0, :actor FROM made
), opened AS (
    INSERT INTO study_result (study_id, site_id)
    SELECT DISTINCT image.study_id, image.site_id FROM made JOIN image ON image.id = made.image_id
    WHERE image.study_id IS NOT NULL ORDER BY image.study_id
    ON CONFLICT (study_id) DO UPDATE SET state = 'open', last_image_at = now(), look_after = now()
)
SELECT count(*) FROM made
""").bindparams(bindparam("ids", type_=_IDS), bindparam("old_ids", type_=_IDS))


@dataclass(frozen=True, slots=True)
class Bulk:
    """What became of the jobs that were named: `done`; the others were left as they are.

    `unfit`: in a state that does not allow it; `repeated`: a later job repeats it already; `missing`: not the Site's;
    `no_room`: the limits let in no more.
    """

    done: int
    unfit: int = 0
    repeated: int = 0
    missing: int = 0
    no_room: int = 0


def cancel_chosen(session: Session, *, site_id: UUID, job_ids: Sequence[UUID], actor: str) -> Bulk:
    """Cancel those that have not ended."""
    wanted = set(job_ids)
    found = _lock(session, site_id, wanted)
    fit = [job_id for job_id, state in found.items() if state not in TERMINAL_STATES]
    done = cancel_many(session, site_id=site_id, job_ids=fit, actor=actor) if fit else 0
    return Bulk(done, unfit=len(found) - done, missing=len(wanted) - len(found))


def replay_chosen(
    session: Session,
    *,
    site_id: UUID,
    job_ids: Sequence[UUID],
    actor: str,
    deadline_s: float = 86400.0,
    queue_limit: int = 1_000_000,
    site_active_limit: int = 100_000,
) -> Bulk:
    """A new Job for each that ended without a result and that no later one repeats: asked for twice, it is done once.

    As many as the limits let in, the oldest first.
    """
    wanted = set(job_ids)
    found = _lock(session, site_id, wanted)
    ended = [job_id for job_id, state in found.items() if state in UNSUCCESSFUL_STATES]
    known = set(session.scalars(_REPLAYED, {"ids": ended})) if ended else set()
    fit = [job_id for job_id in ended if job_id not in known]
    granted = room(
        session, site_id=site_id, queue_limit=queue_limit, site_active_limit=site_active_limit, wanted=len(fit)
    )
    if granted:
        again = fit[:granted]
        values = {"ids": [uuid7() for _ in again], "old_ids": again, "deadline_s": float(deadline_s), "actor": actor}
        session.execute(_REPLAY, values).scalar_one()
    return Bulk(
        granted,
        unfit=len(found) - len(ended),
        repeated=len(known),
        missing=len(wanted) - len(found),
        no_room=len(fit) - granted,
    )


def _lock(session: Session, site_id: UUID, job_ids: set[UUID]) -> dict[UUID, str]:
    rows = session.execute(_LOCK, {"ids": sorted(job_ids), "site_id": site_id})
    return {row.id: row.state for row in rows}
