"""How a Batch ends: completed or cancelled. Both may be repeated."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from core.errors import BatchCancelled, NotInManifest, NotReceived
from db.repositories import jobs
from db.repositories.batches.queries import get
from db.tables import ACTIVE_STATES, Batch, quoted

_CLOSE = text("""
UPDATE batch SET state = 'closed', closed_at = now() WHERE id = :batch_id AND site_id = :site_id AND state = 'open'
""")

_REJECT = text("""
UPDATE batch_item SET state = 'rejected', updated_at = now(),
    code = CASE WHEN altered THEN :altered_code ELSE :code END,
    detail = CASE WHEN altered THEN :altered_detail ELSE :detail END
WHERE batch_id = :batch_id AND state = 'awaiting'
""")

# Of its Jobs those that no other Batch waits for.
_OWN = text(f"""
SELECT item.job_id FROM batch_item AS item JOIN job ON job.id = item.job_id
WHERE item.batch_id = :batch_id AND item.state = 'job' AND job.state IN ({quoted(ACTIVE_STATES)})
    AND NOT EXISTS (
        SELECT FROM batch_item AS other WHERE other.job_id = item.job_id AND other.batch_id <> item.batch_id)
""")  # noqa: S608 — the words of our own vocabulary


def complete(session: Session, *, site_id: UUID, batch_id: UUID) -> Batch:
    """Close the Batch; what is awaited becomes rejected: `not_received`, or `not_in_manifest` where other bytes came.

    Raises NotFound.
    """
    return _close(session, site_id, batch_id, NotReceived(), altered=NotInManifest())


def cancel(session: Session, *, site_id: UUID, batch_id: UUID) -> Batch:
    """Close the Batch, and cancel its Jobs that have not ended and that no other Batch shares. Raises NotFound."""
    batch = _close(session, site_id, batch_id, BatchCancelled(), altered=BatchCancelled())
    own = session.scalars(_OWN, {"batch_id": batch_id}).all()
    jobs.cancel_many(session, site_id=site_id, job_ids=own)
    return batch


def _close(
    session: Session, site_id: UUID, batch_id: UUID, error: NotReceived | BatchCancelled, *,
    altered: NotInManifest | BatchCancelled,
) -> Batch:  # fmt: skip
    get(session, site_id=site_id, batch_id=batch_id)
    session.execute(_CLOSE, {"batch_id": batch_id, "site_id": site_id})
    session.execute(
        _REJECT,
        {
            "batch_id": batch_id,
            "code": error.code,
            "detail": error.detail,
            "altered_code": altered.code,
            "altered_detail": altered.detail,
        },
    )
    return session.scalars(select(Batch).where(Batch.id == batch_id).execution_options(populate_existing=True)).one()
