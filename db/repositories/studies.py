"""Studies: which are due to be judged together, what was said of their images, and the result.

A Study is opened by the statement that makes a Job for one of its images (`db.repositories.jobs`), which takes the lock
on its row. Who settles one takes that lock *first* and looks at jobs and predictions in later statements, each with a
snapshot of its own: a Job that was committed before is seen, and one that comes later waits and opens the Study again.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, text, tuple_
from sqlalchemy.orm import Session, load_only

from core.errors import NotFound
from core.vocabulary import JobState, StudyState
from db.tables import Finding, Image, ModelVersion, Study, StudyResult

# Where work is still to come; a job that is held is not: the others' result does not wait for its release.
ACTIVE = (JobState.QUEUED, JobState.RUNNING, JobState.RETRY_WAIT)

_DUE = text("""
SELECT study_id FROM study_result
WHERE state = 'open' AND look_after <= now() AND last_image_at <= now() - make_interval(secs => :quiet_s)
ORDER BY look_after LIMIT :limit FOR UPDATE SKIP LOCKED
""")

# OFFSET 0 holds the order: images of these, then the jobs of each. A planner without fresh statistics would rather read
# every active job for each call.
_BUSY = text("""
SELECT DISTINCT member.study_id
FROM (SELECT study_id, id FROM image WHERE study_id = ANY(CAST(:studies AS uuid[])) OFFSET 0) AS member,
    LATERAL (SELECT FROM job WHERE job.image_id = member.id AND job.state = ANY(:active) OFFSET 0) AS active
""")

_POSTPONE = text("""
UPDATE study_result SET look_after = now() + make_interval(secs => :seconds)
WHERE study_id = ANY(CAST(:studies AS uuid[]))
""")

_MEMBERS = text("SELECT study_id, id FROM image WHERE study_id = ANY(CAST(:studies AS uuid[]))")

# Of each image the newest Job that each ModelVersion judged it in: a retry, or a second submit, supersedes.
_JUDGED = text("""
SELECT DISTINCT ON (image.id, prediction.model_version_id) image.study_id, image.id AS image_id,
    prediction.id AS prediction_id, prediction.model_version_id,
    coalesce(NOT (prediction.sanity ->> 'accepted')::boolean, false)
        OR coalesce((prediction.routing ->> 'referred')::boolean, false) AS referred
FROM image JOIN job ON job.image_id = image.id JOIN prediction ON prediction.job_id = job.id
WHERE image.study_id = ANY(CAST(:studies AS uuid[]))
ORDER BY image.id, prediction.model_version_id, job.created_at DESC, job.id DESC
""")

_SETTLE = text("""
UPDATE study_result SET state = 'settled', revision = revision + 1, settled_at = now(),
    model_version_id = settled.model_version_id, rule = settled.rule, findings = settled.findings,
    images = settled.images, failed_images = settled.failed_images, other_images = settled.other_images
FROM jsonb_to_recordset(CAST(:settled AS jsonb)) AS settled (study_id uuid, model_version_id uuid, rule text,
    findings jsonb, images int, failed_images int, other_images int)
WHERE study_result.study_id = settled.study_id
""")

_REOPEN = text("""
WITH held AS (
    SELECT study_id FROM study_result WHERE study_id IN (SELECT study_id FROM image WHERE id = :image_id) FOR UPDATE
)
UPDATE study_result SET state = 'open', last_image_at = now(), look_after = now()
WHERE study_id IN (SELECT study_id FROM held)
""")

_FORGET = text("""
WITH held AS (
    SELECT study_id FROM study_result WHERE study_id = ANY(CAST(:studies AS uuid[])) ORDER BY study_id FOR UPDATE
)
UPDATE study_result SET state = 'open', look_after = now(), findings = NULL, model_version_id = NULL, rule = NULL,
    images = 0, failed_images = 0, other_images = 0
WHERE study_id IN (SELECT study_id FROM held)
""")

_PAGE_OF_MEMBERS = text("""
SELECT image.*, newest.id AS newest_id, newest.state AS newest_state, used.id AS used_id
FROM image
LEFT JOIN LATERAL (
    SELECT id, state FROM job WHERE job.image_id = image.id ORDER BY created_at DESC, id DESC LIMIT 1
) AS newest ON true
LEFT JOIN LATERAL (
    SELECT job.id FROM job JOIN prediction ON prediction.job_id = job.id
    WHERE job.image_id = image.id AND prediction.model_version_id = :model_version_id
    ORDER BY job.created_at DESC, job.id DESC LIMIT 1
) AS used ON true
WHERE image.study_id = :study_id AND (:first OR (image.created_at, image.id) < (:created_at, :id))
ORDER BY image.created_at DESC, image.id DESC LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class JudgedImage:
    """An image as one ModelVersion judged it; `referred`: for a human in any case (its input, or its routing)."""

    image_id: UUID
    prediction_id: UUID
    model_version_id: UUID
    referred: bool


@dataclass(frozen=True, slots=True)
class Members:
    """The images of a Study, and what was said of them, once for each ModelVersion that said something."""

    study_id: UUID
    images: frozenset[UUID]
    judged: tuple[JudgedImage, ...]


@dataclass(frozen=True, slots=True)
class Settlement:
    """A Study's result; fields as in the table."""

    study_id: UUID
    model_version_id: UUID | None
    rule: str | None
    findings: Sequence[dict[str, Any]]
    images: int
    failed_images: int
    other_images: int


@dataclass(frozen=True, slots=True)
class StudyRow:
    """A Study's result with its UID as stored, with its ModelVersion where one judged it, and how many images it holds
    now: an open one's result does not count them all.
    """

    result: StudyResult
    study_instance_uid: str
    model_version: ModelVersion | None
    stored_images: int


@dataclass(frozen=True, slots=True)
class MemberRow:
    """An image of a Study, its newest Job, and the Job whose Prediction the Study's result has in it."""

    image_id: UUID
    created_at: datetime
    rows: int
    columns: int
    media_kind: str
    job_id: UUID | None
    job_state: str | None
    used_job_id: UUID | None


def due(session: Session, *, quiet_s: float, limit: int) -> list[UUID]:
    """Up to `limit` open Studies that were quiet for `quiet_s` seconds, now locked. Those that others hold are left."""
    return list(session.scalars(_DUE, {"quiet_s": float(quiet_s), "limit": limit}))


def busy(session: Session, studies: Collection[UUID]) -> set[UUID]:
    """Those of `studies`, which are locked, with a Job that has not ended."""
    active = [state.value for state in ACTIVE]
    return set(session.scalars(_BUSY, {"studies": _ids(studies), "active": active}))


def postpone(session: Session, studies: Collection[UUID], *, seconds: float) -> None:
    """Look at these again no earlier than in so many seconds."""
    if studies:
        session.execute(_POSTPONE, {"seconds": float(seconds), "studies": _ids(studies)})


def members(session: Session, studies: Collection[UUID]) -> list[Members]:
    """Images and judgements of `studies`."""
    images: dict[UUID, set[UUID]] = {study: set() for study in studies}
    judged: dict[UUID, list[JudgedImage]] = {study: [] for study in studies}
    for row in session.execute(_MEMBERS, {"studies": _ids(studies)}):
        images[row.study_id].add(row.id)
    for row in session.execute(_JUDGED, {"studies": _ids(studies)}):
        found = JudgedImage(row.image_id, row.prediction_id, row.model_version_id, row.referred)
        judged[row.study_id].append(found)
    return [Members(study, frozenset(images[study]), tuple(judged[study])) for study in studies]


def versions(session: Session, ids: Collection[UUID]) -> dict[UUID, ModelVersion]:
    """These ModelVersions by id."""
    return {row.id: row for row in session.scalars(select(ModelVersion).where(ModelVersion.id.in_(ids)))}


def findings(session: Session, predictions: Collection[UUID]) -> dict[UUID, list[Finding]]:
    """By Prediction its findings in order, regions and classes that a client had explained among them."""
    found: dict[UUID, list[Finding]] = {prediction: [] for prediction in predictions}
    query = select(Finding).where(Finding.prediction_id.in_(predictions)).order_by(Finding.position)
    for row in session.scalars(query):
        found[row.prediction_id].append(row)
    return found


def settle(session: Session, settlements: Sequence[Settlement]) -> None:
    """Write the results of Studies that `due` locked; one without any image left is removed."""
    kept = [_row(settlement) for settlement in settlements if settlement.images]
    if kept:
        session.execute(_SETTLE, {"settled": json.dumps(kept, allow_nan=False)})
    if gone := [settlement.study_id for settlement in settlements if not settlement.images]:
        session.execute(delete(StudyResult).where(StudyResult.study_id.in_(gone)))


def reopen(session: Session, *, image_id: UUID) -> None:
    """An image of the Study is to be judged after all (a held Job was released): as when it had just come."""
    session.execute(_REOPEN, {"image_id": image_id})


def forget(session: Session, studies: Collection[UUID]) -> None:
    """Images of these Studies are going: what was said with them goes too, and the rest is judged at the next look."""
    if studies:
        session.execute(_FORGET, {"studies": _ids(studies)})


def get(session: Session, *, site_id: UUID, study_id: UUID) -> StudyRow:
    """Raises NotFound, also for another Site's."""
    found = _rows(session, [StudyResult.study_id == study_id, StudyResult.site_id == site_id], limit=1)
    if not found:
        raise NotFound
    return found[0]


def page(
    session: Session,
    *,
    site_id: UUID,
    state: StudyState | None = None,
    limit: int = 50,
    before: tuple[datetime, UUID] | None = None,
) -> list[StudyRow]:
    """Up to `limit` Studies, newest first; `before`: (created_at, study_id) of the last of the page before."""
    where: list[Any] = [StudyResult.site_id == site_id]
    if state is not None:
        where.append(StudyResult.state == state.value)
    if before is not None:
        where.append(tuple_(StudyResult.created_at, StudyResult.study_id) < before)
    return _rows(session, where, limit=limit)


def page_of_members(
    session: Session,
    *,
    study_id: UUID,
    model_version_id: UUID | None,
    limit: int = 50,
    before: tuple[datetime, UUID] | None = None,
) -> list[MemberRow]:
    """Up to `limit` images of the Study, newest first; `before`: (created_at, id) of the last of the page before.

    Whose Study it is, and whether it is settled by `model_version_id`, the caller knows from `get`.
    """
    created_at, identifier = before or (None, None)
    rows = session.execute(
        _PAGE_OF_MEMBERS,
        {
            "study_id": study_id,
            "model_version_id": model_version_id,
            "first": before is None,
            "created_at": created_at,
            "id": identifier,
            "limit": limit,
        },
    )
    return [
        MemberRow(
            image_id=row.id,
            created_at=row.created_at,
            rows=row.rows,
            columns=row.columns,
            media_kind=row.media_kind,
            job_id=row.newest_id,
            job_state=row.newest_state,
            used_job_id=row.used_id,
        )
        for row in rows
    ]


def _rows(session: Session, where: Sequence[Any], *, limit: int) -> list[StudyRow]:
    stored = select(func.count()).select_from(Image).where(Image.study_id == StudyResult.study_id)
    query = (
        select(StudyResult, Study.study_instance_uid, ModelVersion, stored.scalar_subquery())
        .join(Study, Study.id == StudyResult.study_id)
        .outerjoin(ModelVersion, ModelVersion.id == StudyResult.model_version_id)
        .where(*where)
        .order_by(StudyResult.created_at.desc(), StudyResult.study_id.desc())
        .limit(limit)
        .options(load_only(ModelVersion.name, ModelVersion.version, ModelVersion.digest))
        .execution_options(populate_existing=True)
    )
    return [StudyRow(*row) for row in session.execute(query)]


def _row(settlement: Settlement) -> dict[str, Any]:
    row = asdict(settlement)
    return {name: str(value) if isinstance(value, UUID) else value for name, value in row.items()}


def _ids(studies: Collection[UUID]) -> list[str]:
    return [str(study) for study in studies]
