"""Reading Batches. Another Site's Batch is NotFound."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, func, or_, select, text, tuple_
from sqlalchemy.orm import Session

from core.errors import NotFound
from core.vocabulary import TERMINAL_STATES, BatchItemState, JobState
from db.tables import UNSUCCESSFUL_STATES, Batch, BatchItem, Job, quoted


@dataclass(frozen=True, slots=True)
class Tally:
    """How many files share an item's state, their Job's and the code of what went wrong.

    `received` of them were decided, and `finished` through, in the last `window_s` seconds; `last_at`: when the last
    one was through.
    """

    state: BatchItemState
    job_state: JobState | None
    code: str | None
    files: int
    through: int
    received: int
    finished: int
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class Item:
    """A file of a Batch with what its Job says; `code` and `detail` are the rejection's, or the failed Job's."""

    position: int
    sealed_path: bytes
    sha256: str
    size_bytes: int | None
    state: BatchItemState
    job_id: UUID | None
    job_state: JobState | None
    code: str | None
    detail: str | None
    # As the Job has them; all None before it succeeded.
    model_version_id: UUID | None
    result_label: str | None
    result_probability: float | None
    result_decision: str | None
    result_three_way: str | None
    result_region: str | None


_TALLY = text(f"""
WITH file AS (
    SELECT item.state, job.state AS job_state,
        CASE WHEN item.state = 'rejected' THEN item.code
            WHEN job.state IN ({quoted(UNSUCCESSFUL_STATES)}) THEN coalesce(job.error_code, job.state) END AS code,
        CASE WHEN item.state <> 'awaiting' THEN item.updated_at END AS received_at,
        CASE WHEN item.state = 'rejected' OR item.state <> 'awaiting' AND job.id IS NULL THEN item.updated_at
            WHEN job.state IN ({quoted(TERMINAL_STATES)}) THEN greatest(item.updated_at, job.finished_at)
        END AS through_at
    FROM batch_item AS item LEFT JOIN job ON job.id = item.job_id
    WHERE item.batch_id = :batch_id
)
SELECT state, job_state, code, count(*) AS files, count(through_at) AS through,
    count(*) FILTER (WHERE received_at > now() - make_interval(secs => :window_s)) AS received,
    count(*) FILTER (WHERE through_at > now() - make_interval(secs => :window_s)) AS finished,
    max(through_at) AS last_at
FROM file GROUP BY state, job_state, code
""")  # noqa: S608 — the words of our own vocabulary


def get(session: Session, *, site_id: UUID, batch_id: UUID) -> Batch:
    """Raises NotFound."""
    batch = session.scalars(select(Batch).where(Batch.id == batch_id, Batch.site_id == site_id)).one_or_none()
    if batch is None:
        raise NotFound
    return batch


def page(
    session: Session, *, site_id: UUID, limit: int, before: tuple[datetime, UUID] | None = None
) -> Sequence[Batch]:
    """Up to `limit` Batches, newest first; `before`: (created_at, id) of the last of the page before."""
    query = select(Batch).where(Batch.site_id == site_id)
    if before is not None:
        query = query.where(tuple_(Batch.created_at, Batch.id) < before)
    return session.scalars(query.order_by(Batch.created_at.desc(), Batch.id.desc()).limit(limit)).all()


def needed(session: Session, *, batch_id: UUID, after: int, limit: int) -> list[tuple[int, str]]:
    """The next contents that are awaited, each once, as (position of its first file, SHA-256), beyond `after`."""
    rows = session.execute(
        select(BatchItem.position, BatchItem.sha256)
        .where(
            BatchItem.batch_id == batch_id,
            BatchItem.position > after,
            BatchItem.state == BatchItemState.AWAITING.value,
            BatchItem.repeated.is_(False),
        )
        .order_by(BatchItem.position)
        .limit(limit)
    )
    return [(row.position, row.sha256) for row in rows]


def awaited(session: Session, *, batch_id: UUID, sha256s: Collection[str]) -> dict[str, int | None]:
    """Those of `sha256s` that are awaited, with the size that the manifest gives."""
    rows = session.execute(
        select(BatchItem.sha256, BatchItem.size_bytes).where(
            BatchItem.batch_id == batch_id,
            BatchItem.sha256.in_(list(sha256s)),
            BatchItem.state == BatchItemState.AWAITING.value,
            BatchItem.repeated.is_(False),
        )
    )
    return {row.sha256: row.size_bytes for row in rows}


def tallies(session: Session, *, batch_id: UUID, window_s: float) -> list[Tally]:
    """The Batch's files, counted by what became of them; they add up to its manifest."""
    rows = session.execute(_TALLY, {"batch_id": batch_id, "window_s": window_s})
    return [
        Tally(
            state=BatchItemState(row.state),
            job_state=None if row.job_state is None else JobState(row.job_state),
            code=row.code,
            files=row.files,
            through=row.through,
            received=row.received,
            finished=row.finished,
            last_at=row.last_at,
        )
        for row in rows
    ]


def items(
    session: Session,
    *,
    batch_id: UUID,
    states: Collection[BatchItemState] = (),
    job_states: Collection[JobState] = (),
    code: str | None = None,
    after: int = -1,
    limit: int = 100,
) -> list[Item]:
    """The next `limit` files in the manifest's order, beyond the position `after`.

    `job_states`: whose Job is in one of them; `code`: of the rejection, or of the Job that ended without a result.
    """
    query = (
        select(BatchItem, Job)
        .outerjoin(Job, Job.id == BatchItem.job_id)
        .where(BatchItem.batch_id == batch_id, BatchItem.position > after)
    )
    if states:
        query = query.where(BatchItem.state.in_(sorted(state.value for state in states)))
    if job_states:
        query = query.where(Job.state.in_(sorted(state.value for state in job_states)))
    if code is not None:
        unsuccessful = Job.state.in_([state.value for state in UNSUCCESSFUL_STATES])
        query = query.where(
            or_(BatchItem.code == code, and_(unsuccessful, func.coalesce(Job.error_code, Job.state) == code))
        )
    rows = session.execute(query.order_by(BatchItem.position).limit(limit))
    return [_item(row, job) for row, job in rows]


def _item(row: BatchItem, job: Job | None) -> Item:
    failed = job is not None and JobState(job.state) in UNSUCCESSFUL_STATES
    return Item(
        position=row.position,
        sealed_path=row.sealed_path,
        sha256=row.sha256,
        size_bytes=row.size_bytes,
        state=BatchItemState(row.state),
        job_id=row.job_id,
        job_state=None if job is None else JobState(job.state),
        code=row.code or ((job.error_code or job.state) if job is not None and failed else None),
        detail=row.detail or (job.error_detail if job is not None and failed else None),
        model_version_id=None if job is None else job.model_version_id,
        result_label=None if job is None else job.result_label,
        result_probability=None if job is None else job.result_probability,
        result_decision=None if job is None else job.result_decision,
        result_three_way=None if job is None else job.result_three_way,
        result_region=None if job is None else job.result_region,
    )
