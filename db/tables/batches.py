"""Batches and the files of their manifests."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from core.vocabulary import BatchItemState, BatchState
from db.tables.base import Base, key_column, now_column, one_of


class Batch(Base):
    """Many files under one manifest of `files` entries."""

    __tablename__ = "batch"
    __table_args__ = (
        UniqueConstraint("site_id", "idempotency_key"),
        one_of("state", BatchState),
        CheckConstraint("(state = 'closed') = (closed_at IS NOT NULL)", name="closed_means_dated"),
        CheckConstraint("files > 0", name="files_positive"),
        Index("ix_batch_site", "site_id", "created_at", "id"),
    )
    id: Mapped[UUID] = key_column()
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"))
    state: Mapped[str] = mapped_column(server_default=BatchState.OPEN.value)
    idempotency_key: Mapped[str | None]
    request_hash: Mapped[str]
    files: Mapped[int]
    priority: Mapped[int] = mapped_column(server_default="0")
    explain: Mapped[list[str] | None]
    created_at: Mapped[datetime] = now_column()
    closed_at: Mapped[datetime | None]


class BatchItem(Base):
    """One file of a manifest. Its path, which may name a patient, is sealed with the Site's key.

    `sha256` and `size_bytes` are of the file as the client has it. `repeated`: an earlier file of the manifest has the
    same content; all of one content are decided at once, the first becoming the `job`. `job_id` of a duplicate is the
    Job that has its result; it is null once that was erased. `code` and `detail` are those of the error that a rejected
    file met; `altered`: other bytes were sent in the name of an awaited one.
    """

    __tablename__ = "batch_item"
    __table_args__ = (
        UniqueConstraint("batch_id", "position"),
        one_of("state", BatchItemState),
        CheckConstraint("length(sha256) = 64", name="sha256_length"),
        CheckConstraint("(state = 'rejected') = (code IS NOT NULL)", name="rejected_means_code"),
        CheckConstraint("job_id IS NULL OR state IN ('job', 'duplicate')", name="job_means_judged"),
        Index("ix_batch_item_content", "batch_id", "sha256"),
        Index("ix_batch_item_job", "job_id"),
    )
    id: Mapped[UUID] = key_column()
    batch_id: Mapped[UUID] = mapped_column(ForeignKey("batch.id", ondelete="CASCADE"))
    position: Mapped[int]
    sealed_path: Mapped[bytes] = mapped_column(LargeBinary)
    sha256: Mapped[str]
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    repeated: Mapped[bool] = mapped_column(server_default=false())
    altered: Mapped[bool] = mapped_column(server_default=false())
    state: Mapped[str] = mapped_column(server_default=BatchItemState.AWAITING.value)
    job_id: Mapped[UUID | None] = mapped_column(ForeignKey("job.id", ondelete="SET NULL"))
    code: Mapped[str | None]
    detail: Mapped[str | None]
    updated_at: Mapped[datetime] = now_column()
