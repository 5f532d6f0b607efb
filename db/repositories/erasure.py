"""Images and everything made of them: which ones are meant, and their removal from every table.

The audit log stays: it holds ids only. Objects are the caller's (`worker.maintenance.erasure`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, func, select, text
from sqlalchemy.orm import Session

from core.sealing import SiteKey
from core.vocabulary import JobState
from db.repositories import images, jobs, studies
from db.tables import ACTIVE_STATES, Image, Job, SealedIdentity, SitePolicy, Study


@dataclass(frozen=True, slots=True)
class Chosen:
    """An Image that is to go: hashes of what is stored and of what came, its Study and its Jobs."""

    image_id: UUID
    site_id: UUID
    sha256: str
    received_sha256: str | None
    study_id: UUID | None
    job_ids: tuple[UUID, ...]


def by_image(session: Session, *, site_id: UUID, image_id: UUID) -> list[Chosen]:
    return _chosen(session, Image.site_id == site_id, Image.id == image_id)


def by_study(session: Session, *, site_id: UUID, study_instance_uids: Collection[str]) -> list[Chosen]:
    """The images of the Study that is stored under any of these UIDs."""
    wanted = select(Study.id).where(Study.site_id == site_id, Study.study_instance_uid.in_(study_instance_uids))
    return _chosen(session, Image.site_id == site_id, Image.study_id.in_(wanted))


def by_patient(session: Session, *, site_id: UUID, patient: str) -> list[Chosen]:
    """The images of the patient with this pseudonym (`imaging.deidentify.pseudonym`), which is not empty."""
    held = select(SealedIdentity.image_id).where(SealedIdentity.site_id == site_id, SealedIdentity.patient == patient)
    return _chosen(session, Image.site_id == site_id, Image.id.in_(held))


def outlived(session: Session, *, limit: int) -> list[Chosen]:
    """Up to `limit` images of any Site that are older than its policy keeps, and have no younger Job; oldest first."""
    age = func.make_interval(0, 0, 0, SitePolicy.retention_days)
    younger = select(Job.id).where(Job.image_id == Image.id, Job.created_at > func.now() - age).exists()
    due = (
        select(Image.id)
        .join(SitePolicy, SitePolicy.site_id == Image.site_id)
        .where(SitePolicy.retention_days.is_not(None), Image.created_at < func.now() - age, ~younger)
        .order_by(Image.created_at)
        .limit(limit)
    )
    return _chosen(session, Image.id.in_(due))


def _chosen(session: Session, *conditions: ColumnElement[bool]) -> list[Chosen]:
    rows = session.scalars(select(Image).where(*conditions).order_by(Image.created_at, Image.id)).all()
    made: dict[UUID, list[UUID]] = {row.id: [] for row in rows}
    for image_id, job_id in session.execute(
        select(Job.image_id, Job.id).where(Job.image_id.in_(list(made))).order_by(Job.created_at, Job.id)
    ):
        made[image_id].append(job_id)
    return [
        Chosen(row.id, row.site_id, row.sha256, row.received_sha256, row.study_id, tuple(made[row.id])) for row in rows
    ]


def stop_jobs(session: Session, chosen: Chosen) -> None:
    """Cancel what is active, so that no worker may write a result any more."""
    active = select(Job.id).where(
        Job.image_id == chosen.image_id, Job.state.in_(sorted(state.value for state in ACTIVE_STATES))
    )
    for job_id in session.scalars(active.with_for_update()).all():
        if jobs.cancel(session, site_id=chosen.site_id, job_id=job_id).state != JobState.CANCELLED:
            raise RuntimeError("a job could not be cancelled")


# Rows in the order in which nothing is left pointing at what is gone. `image` and `job` cascade to what belongs to them
# alone; it is named all the same, so that it is counted.
_REMOVALS = {
    "explanation": "USING finding, prediction WHERE finding.id = explanation.finding_id "
    "AND prediction.id = finding.prediction_id AND prediction.job_id IN :jobs",
    "finding": "USING prediction WHERE prediction.id = finding.prediction_id AND prediction.job_id IN :jobs",
    "prediction": "WHERE job_id IN :jobs",
    "shadow_prediction": "WHERE job_id IN :jobs",
    "delivery": "WHERE job_id IN :jobs",
    "feedback": "WHERE job_id IN :jobs",
    "job_event": "WHERE job_id IN :jobs",
    "job": "WHERE id IN :jobs",
    "sealed_identity": "WHERE image_id = :image",
    "image": "WHERE id = :image",
    "study_result": "WHERE study_id = :study AND NOT EXISTS (SELECT FROM image WHERE study_id = :study)",
    "study": "WHERE id = :study AND NOT EXISTS (SELECT FROM image WHERE study_id = :study)",
}
_MANIFESTS = text("""
SELECT item.id, item.batch_id FROM batch_item AS item JOIN batch ON batch.id = item.batch_id
WHERE batch.site_id = :site AND (item.job_id IN :jobs OR item.sha256 = :received) FOR UPDATE OF item
""").bindparams(bindparam("jobs", expanding=True))


def remove(session: Session, chosen: Chosen, *, key: SiteKey | None) -> dict[str, int]:
    """Remove the Image and all that was made of it; how many rows of each table went, zeros left out.

    A manifest keeps its entry, so that its counts stay true, but neither path nor hash; `key` writes that. An Image
    that is gone already removes nothing. Call in the transaction that appends the audit record.
    """
    images.lock_content(session, site_id=chosen.site_id, sha256=chosen.sha256)
    made = session.scalars(select(Job.id).where(Job.image_id == chosen.image_id)).all()
    # `IN ()` is no SQL: an id that no row has stands for none.
    values = {"jobs": list(made) or [UUID(int=0)], "image": chosen.image_id, "study": chosen.study_id}
    session.execute(text("SELECT set_config('lucency.erasing', :site, true)"), {"site": str(chosen.site_id)})
    counts = {"batch_item": _blank(session, chosen, values["jobs"], key)}
    for table, condition in _REMOVALS.items():
        statement = text(f"DELETE FROM {table} {condition}")  # noqa: S608 — constants of this module
        if ":jobs" in condition:
            statement = statement.bindparams(bindparam("jobs", expanding=True))
        named = {name: value for name, value in values.items() if f":{name}" in condition}
        counts[table] = session.execute(statement, named).rowcount  # type: ignore[attr-defined]
    session.execute(text("SELECT set_config('lucency.erasing', '', true)"))
    if chosen.study_id is not None:
        # What a Study says without this image is another thing.
        studies.forget(session, [chosen.study_id])
    session.expire_all()
    return {table: count for table, count in counts.items() if count}


def _blank(session: Session, chosen: Chosen, job_ids: object, key: SiteKey | None) -> int:
    found = session.execute(
        _MANIFESTS, {"site": chosen.site_id, "jobs": job_ids, "received": chosen.received_sha256 or ""}
    ).all()
    for item_id, batch_id in found:
        sealed = key.seal(b"erased", context=f"path {batch_id}") if key is not None else b""
        session.execute(
            text("UPDATE batch_item SET sealed_path = :sealed, sha256 = repeat('0', 64), job_id = NULL WHERE id = :id"),
            {"sealed": sealed, "id": item_id},
        )
    return len(found)
