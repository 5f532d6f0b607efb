"""Making a Batch: its row, its items, and what the Site has of it already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, bindparam, insert, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from core.errors import IdempotencyMismatch
from db.repositories import jobs
from db.tables import ACTIVE_STATES, Batch, BatchItem, quoted


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a manifest; `repeated`: its content came before."""

    position: int
    sealed_path: bytes
    sha256: str
    size_bytes: int | None
    repeated: bool


# A content may be known under several Images (stored alike from other bytes it is one, but bytes may be stored anew).
_ANSWERED = text(f"""
WITH answered AS (
    SELECT DISTINCT ON (item.sha256) item.sha256, job.id AS job_id
    FROM batch_item AS item
    JOIN image ON image.site_id = :site_id AND image.received_sha256 = item.sha256
    JOIN job ON job.image_id = image.id AND job.explain @> CAST(:explain AS text[])
    LEFT JOIN prediction ON prediction.job_id = job.id
    WHERE item.batch_id = :batch_id AND NOT item.repeated
        AND (job.state IN ({quoted(ACTIVE_STATES)})
            OR job.state = 'succeeded' AND prediction.model_version_id = :model_version_id)
    ORDER BY item.sha256, job.state <> 'succeeded', job.created_at
)
UPDATE batch_item SET state = 'duplicate', job_id = answered.job_id, updated_at = now()
FROM answered WHERE batch_item.batch_id = :batch_id AND batch_item.sha256 = answered.sha256
""")  # noqa: S608 — the words of our own vocabulary

_KNOWN = text("""
SELECT DISTINCT ON (image.id) item.sha256, image.id AS image_id
FROM batch_item AS item JOIN image ON image.site_id = :site_id AND image.received_sha256 = item.sha256
WHERE item.batch_id = :batch_id AND item.state = 'awaiting' AND NOT item.repeated
ORDER BY image.id, item.position
""")

_GIVE = text("""
UPDATE batch_item SET state = CASE WHEN repeated THEN 'duplicate' ELSE 'job' END, job_id = made.job_id,
    updated_at = now()
FROM unnest(CAST(:sha256s AS text[]), CAST(:job_ids AS uuid[])) AS made (sha256, job_id)
WHERE batch_item.batch_id = :batch_id AND batch_item.sha256 = made.sha256 AND batch_item.state = 'awaiting'
""").bindparams(bindparam("job_ids", type_=ARRAY(Uuid())))


def find_by_key(session: Session, *, site_id: UUID, idempotency_key: str, request_hash: str) -> Batch | None:
    """The Batch that this key made, if any. Raises IdempotencyMismatch where the manifest was another."""
    found = session.scalars(
        select(Batch).where(Batch.site_id == site_id, Batch.idempotency_key == idempotency_key)
    ).one_or_none()
    if found is not None and found.request_hash != request_hash:
        raise IdempotencyMismatch
    return found


def begin(
    session: Session,
    *,
    site_id: UUID,
    request_hash: str,
    idempotency_key: str | None,
    files: int,
    priority: int,
    explain: Sequence[str] | None,
) -> Batch | None:
    """A new open Batch without items; None where this key has made one (a concurrent request is waited for)."""
    return session.scalars(
        upsert(Batch)
        .values(
            id=uuid7(),
            site_id=site_id,
            request_hash=request_hash,
            idempotency_key=idempotency_key,
            files=files,
            priority=priority,
            explain=None if explain is None else list(explain),
        )
        .on_conflict_do_nothing(index_elements=["site_id", "idempotency_key"])
        .returning(Batch)
    ).one_or_none()


def add_entries(session: Session, *, batch_id: UUID, entries: Sequence[Entry]) -> None:
    """The next items of a new Batch."""
    session.connection().execute(
        insert(BatchItem.__table__),  # type: ignore[arg-type]
        [
            {
                "id": uuid7(),
                "batch_id": batch_id,
                "position": entry.position,
                "sealed_path": entry.sealed_path,
                "sha256": entry.sha256,
                "size_bytes": entry.size_bytes,
                "repeated": entry.repeated,
            }
            for entry in entries
        ],
    )


def adopt_known(
    session: Session,
    batch: Batch,
    *,
    model_version_id: UUID,
    explain: Sequence[str],
    max_attempts: int,
    deadline_s: float,
    queue_limit: int,
    site_active_limit: int,
) -> int:
    """Decide what needs no upload: duplicates of Jobs, and new Jobs for known images; how many Jobs were made.

    Beyond the limits files are left awaiting, to be sent.
    """
    values = {"batch_id": batch.id, "site_id": batch.site_id}
    session.execute(_ANSWERED, {**values, "model_version_id": model_version_id, "explain": list(explain)})
    known = {row.image_id: row.sha256 for row in session.execute(_KNOWN, values)}
    made = jobs.submit_many(
        session,
        site_id=batch.site_id,
        image_ids=list(known),
        request_hash=batch.request_hash,
        priority=batch.priority,
        explain=explain,
        max_attempts=max_attempts,
        deadline_s=deadline_s,
        queue_limit=queue_limit,
        site_active_limit=site_active_limit,
    )
    if made:
        given = {known[image_id]: job_id for image_id, job_id in made.items()}
        session.execute(_GIVE, {"batch_id": batch.id, "sha256s": list(given), "job_ids": list(given.values())})
    return len(made)
