"""Jobs and the record of their transitions."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from core.vocabulary import CLAIMABLE_STATES, TERMINAL_STATES, JobEventKind, JobState
from db.tables.base import Base, key_column, now_column, one_of, quoted
from db.tables.images import Image

ACTIVE_STATES = frozenset(JobState) - TERMINAL_STATES
# What workers have to do with; the limits count these.
WORKED_STATES = ACTIVE_STATES - {JobState.HELD}
UNSUCCESSFUL_STATES = TERMINAL_STATES - {JobState.SUCCEEDED}
RESULT_COLUMNS = ("model_version_id", "result_label", "result_decision", "result_three_way", "result_region")


def _list_index(name: str, states: Iterable[JobState], *included: str) -> Index:
    where = text(f"state IN ({quoted(states)})")
    return Index(name, "site_id", "created_at", "id", postgresql_include=included, postgresql_where=where)


class Job(Base):
    """Run the active ModelVersion on one Image. Its state is moved by `db.repositories.jobs` alone.

    Of a succeeded one `model_version_id` and `result_…` repeat its Prediction: the region, and of the headline Finding
    label, probability and decisions, so that lists are filtered and shown without reading Predictions.
    """

    __tablename__ = "job"
    __table_args__ = (
        UniqueConstraint("site_id", "idempotency_key"),
        one_of("state", JobState),
        CheckConstraint(
            "(state = 'running') = (lease_owner IS NOT NULL) AND (state = 'running') = (lease_expires_at IS NOT NULL)",
            name="running_means_leased",
        ),
        CheckConstraint(
            f"(state IN ({quoted(TERMINAL_STATES)})) = (finished_at IS NOT NULL)", name="terminal_means_finished"
        ),
        CheckConstraint("(idempotency_key IS NULL) OR (length(idempotency_key) BETWEEN 1 AND 255)", name="key_length"),
        CheckConstraint(
            "attempt >= 0 AND crash_count >= 0 AND fence >= 0 AND max_attempts > 0", name="counts_positive"
        ),
        CheckConstraint("priority BETWEEN -10 AND 10", name="priority_range"),
        CheckConstraint(
            "state = 'succeeded' OR num_nonnulls(model_version_id, result_label, result_probability, result_decision,"
            " result_three_way, result_region) = 0",
            name="result_means_succeeded",
        ),
        # A claim reads these in order and stops at its LIMIT. Suspects (running when a worker died) have their own
        # index, since they are claimed alone; retries are read per priority, so that none not due is stepped over.
        Index(
            "ix_job_claim",
            text("priority DESC"),
            "created_at",
            "id",
            postgresql_where=text("state = 'queued' AND crash_count = 0"),
        ),
        Index(
            "ix_job_retry",
            "priority",
            "run_after",
            postgresql_where=text("state = 'retry_wait' AND crash_count = 0"),
        ),
        Index(
            "ix_job_suspect",
            "run_after",
            postgresql_where=text(f"state IN ({quoted(CLAIMABLE_STATES)}) AND crash_count > 0"),
        ),
        Index("ix_job_lease", "lease_expires_at", postgresql_where=text("state = 'running'")),
        Index("ix_job_deadline", "deadline_at", postgresql_where=text(f"state IN ({quoted(CLAIMABLE_STATES)})")),
        Index("ix_job_site", "site_id", "created_at", "id"),
        Index("ix_job_image", "image_id"),
        Index("ix_job_finished", "site_id", "finished_at", "state", postgresql_where=text("finished_at IS NOT NULL")),
        Index("ix_job_replay", "replay_of", postgresql_where=text("replay_of IS NOT NULL")),
        # For lists by state, and for the limits' counts: what is active, and what ended without a result, is little
        # among a million that succeeded. Each job is in one of the four; what lists are filtered by comes with the
        # key, so that a filter that matches nothing is answered by an index alone.
        _list_index("ix_job_held", {JobState.HELD}, "priority"),
        _list_index("ix_job_site_active", WORKED_STATES, "state", "priority", "error_code"),
        _list_index("ix_job_site_unsuccessful", UNSUCCESSFUL_STATES, "state", "priority", "error_code"),
        _list_index("ix_job_site_succeeded", {JobState.SUCCEEDED}, "priority", *RESULT_COLUMNS),
    )
    id: Mapped[UUID] = key_column()
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"))
    image_id: Mapped[UUID] = mapped_column(ForeignKey("image.id"))
    state: Mapped[str] = mapped_column(server_default=JobState.QUEUED.value)
    priority: Mapped[int] = mapped_column(server_default="0")
    explain: Mapped[list[str]]
    stability: Mapped[bool] = mapped_column(server_default=false())
    idempotency_key: Mapped[str | None]
    request_hash: Mapped[str]
    replay_of: Mapped[UUID | None] = mapped_column(ForeignKey("job.id"))
    attempt: Mapped[int] = mapped_column(server_default="0")
    max_attempts: Mapped[int]
    crash_count: Mapped[int] = mapped_column(server_default="0")
    fence: Mapped[int] = mapped_column(BigInteger, server_default="0")
    lease_owner: Mapped[str | None]
    lease_expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = now_column()
    run_after: Mapped[datetime] = now_column()
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    deadline_at: Mapped[datetime]
    cancel_requested_at: Mapped[datetime | None]
    error_code: Mapped[str | None]
    error_detail: Mapped[str | None]
    model_version_id: Mapped[UUID | None] = mapped_column(ForeignKey("model_version.id"))
    result_label: Mapped[str | None]
    result_probability: Mapped[float | None]
    result_decision: Mapped[str | None]
    result_three_way: Mapped[str | None]
    result_region: Mapped[str | None]
    image: Mapped[Image] = relationship(lazy="raise_on_sql")


class JobEvent(Base):
    """One transition of a Job; a trigger refuses to change it, and to remove it but when its Job is erased."""

    __tablename__ = "job_event"
    __table_args__ = (
        one_of("kind", JobEventKind),
        one_of("state", JobState),
        Index("ix_job_event_job", "job_id", "id"),
    )
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=True)
    job_id: Mapped[UUID] = mapped_column(ForeignKey("job.id"))
    kind: Mapped[str]
    state: Mapped[str]
    fence: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime] = now_column()
    owner: Mapped[str | None]
    code: Mapped[str | None]
