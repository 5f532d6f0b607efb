"""What becomes of a file of a Batch. Every decision is guarded: only what is awaited, and only while the Batch is open.

A decision holds the Batch's row FOR SHARE until it commits: many do so side by side, while closing waits for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from core.errors import BatchClosed, NoActiveModel, NotFound, NotInManifest
from core.vocabulary import BatchItemState, BatchState
from db.repositories import jobs, model_versions
from db.tables import Batch, BatchItem


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of a content of a Batch, told of its first file. `size_bytes` as the manifest has it."""

    state: BatchItemState
    job_id: UUID | None
    code: str | None
    detail: str | None
    size_bytes: int | None

    @property
    def final(self) -> bool:
        return self.state is not BatchItemState.AWAITING


_SETTLE = text("""
UPDATE batch_item SET state = CASE WHEN :made AND NOT repeated THEN 'job' ELSE 'duplicate' END, job_id = :job_id,
    altered = false, updated_at = now()
WHERE batch_id = :batch_id AND sha256 = :sha256 AND state = 'awaiting'
""")

_REJECT = text("""
UPDATE batch_item SET state = 'rejected', code = :code, detail = :detail, updated_at = now()
WHERE batch_id = :batch_id AND sha256 = :sha256 AND state = 'awaiting'
""")

_ALTERED = text("""
UPDATE batch_item SET altered = true, updated_at = now()
WHERE batch_id = :batch_id AND sha256 = :sha256 AND state = 'awaiting' AND NOT altered
""")


def look(session: Session, *, site_id: UUID, batch_id: UUID, sha256: str) -> tuple[Batch, Decision]:
    """The Batch, and what became of this content. Raises NotFound, NotInManifest."""
    batch = session.scalars(select(Batch).where(Batch.id == batch_id, Batch.site_id == site_id)).one_or_none()
    if batch is None:
        raise NotFound
    decision = _decision(session, batch_id, sha256)
    if decision is None:
        raise NotInManifest
    return batch, decision


def hold(session: Session, *, batch_id: UUID, sha256: str) -> Decision:
    """The same, keeping the Batch from being closed until the transaction ends.

    Raises BatchClosed where it is closed and nothing was decided in time, NotInManifest, NotFound.
    """
    state = session.scalars(select(Batch.state).where(Batch.id == batch_id).with_for_update(read=True)).one_or_none()
    if state is None:
        raise NotFound
    decision = _decision(session, batch_id, sha256)
    if decision is None:
        raise NotInManifest
    if state == BatchState.CLOSED.value and not decision.final:
        raise BatchClosed
    return decision


def find_answer(session: Session, *, site_id: UUID, image_id: UUID, explain: Sequence[str]) -> UUID | None:
    """A Job whose result will do for the Image: the file is then its duplicate. Raises NoActiveModel."""
    model = model_versions.active(session)
    if model is None:
        raise NoActiveModel
    return jobs.answering(session, site_id=site_id, image_id=image_id, model_version_id=model.id, explain=explain)


def settle(session: Session, *, batch_id: UUID, sha256: str, job_id: UUID, made: bool) -> None:
    """Files of this content that are awaited have a Job: their own where it was `made` for them. `hold` first."""
    session.execute(_SETTLE, {"batch_id": batch_id, "sha256": sha256, "job_id": job_id, "made": made})


def reject(session: Session, *, batch_id: UUID, sha256: str, code: str, detail: str) -> Decision:
    """Files of this content that are awaited are rejected; what stands now. Raises as `hold`."""
    decision = hold(session, batch_id=batch_id, sha256=sha256)
    if decision.final:
        return decision
    session.execute(_REJECT, {"batch_id": batch_id, "sha256": sha256, "code": code, "detail": detail})
    return replace(decision, state=BatchItemState.REJECTED, code=code, detail=detail)


def note_altered(session: Session, *, batch_id: UUID, sha256: str) -> None:
    """Other bytes came in the name of this content: if nothing better comes, that is why it is rejected."""
    session.execute(_ALTERED, {"batch_id": batch_id, "sha256": sha256})


def _decision(session: Session, batch_id: UUID, sha256: str) -> Decision | None:
    row = session.execute(
        select(BatchItem.state, BatchItem.job_id, BatchItem.code, BatchItem.detail, BatchItem.size_bytes)
        .where(BatchItem.batch_id == batch_id, BatchItem.sha256 == sha256)
        .order_by(BatchItem.position)
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    return Decision(BatchItemState(row.state), row.job_id, row.code, row.detail, row.size_bytes)
