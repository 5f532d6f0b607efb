"""What a hospital needs beside jobs: batches, sealed identities, study results, deliveries, the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    UniqueConstraint,
    false,
    func,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column
from uuid_utils.compat import uuid7

from core.vocabulary import (
    TERMINAL_STATES,
    AuditAction,
    BatchItemState,
    BatchState,
    BurnedInPolicy,
    DeliveryKind,
    DeliveryState,
    ReportKind,
    StudyRule,
    StudyState,
)
from db.tables import Base, one_of, quoted


def _key() -> Mapped[UUID]:
    return mapped_column(primary_key=True, default=uuid7)


def _now() -> Mapped[datetime]:
    return mapped_column(server_default=func.now())


class SitePolicy(Base):
    """How a Site wants its data handled, and its key, itself sealed by the installation's.

    `retention_days`: images and results older than this go; null keeps them. A Site without a row has the defaults.
    """

    __tablename__ = "site_policy"
    __table_args__ = (
        one_of("burned_in", BurnedInPolicy),
        CheckConstraint("retention_days > 0", name="retention_positive"),
    )
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"), primary_key=True)
    sealed_key: Mapped[bytes] = mapped_column(LargeBinary)
    burned_in: Mapped[str] = mapped_column(server_default=BurnedInPolicy.REFUSE.value)
    retention_days: Mapped[int | None]
    created_at: Mapped[datetime] = _now()


class SealedIdentity(Base):
    """The Identity of one Image, sealed with its Site's key: the only place that knows the patient.

    `patient`: the Patient ID that the stored instance has (a keyed hash of its own), by which a patient's images are
    found for erasure; empty where the instance had none.
    """

    __tablename__ = "sealed_identity"
    __table_args__ = (Index("ix_sealed_identity_patient", "site_id", "patient"),)
    image_id: Mapped[UUID] = mapped_column(ForeignKey("image.id", ondelete="CASCADE"), primary_key=True)
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"))
    patient: Mapped[str] = mapped_column(server_default="")
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = _now()


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
    id: Mapped[UUID] = _key()
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"))
    state: Mapped[str] = mapped_column(server_default=BatchState.OPEN.value)
    idempotency_key: Mapped[str | None]
    request_hash: Mapped[str]
    files: Mapped[int]
    priority: Mapped[int] = mapped_column(server_default="0")
    explain: Mapped[list[str] | None]
    created_at: Mapped[datetime] = _now()
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
    id: Mapped[UUID] = _key()
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
    updated_at: Mapped[datetime] = _now()


class StudyResult(Base):
    """What the images of a Study say together, by one ModelVersion. `findings`: [{label, probability, threshold,
    decision, three_way, images}], of the last time that it was settled.

    `revision` counts how often that was. Every new Job for an image of the Study opens it again. Of `images` those
    without any result are `failed_images`, and `other_images` those that only other ModelVersions judged. `look_after`:
    an open one is not looked at before; the order in which they are.
    """

    __tablename__ = "study_result"
    __table_args__ = (
        one_of("state", StudyState),
        one_of("rule", StudyRule),
        CheckConstraint("(state = 'settled') <= (settled_at IS NOT NULL)", name="settled_means_dated"),
        CheckConstraint(
            "failed_images >= 0 AND other_images >= 0 AND failed_images + other_images <= images", name="images_add_up"
        ),
        Index("ix_study_result_open", "look_after", postgresql_where=text("state = 'open'")),
        Index("ix_study_result_site", "site_id", "created_at", "study_id"),
        Index(
            "ix_study_result_site_open",
            "site_id",
            "created_at",
            "study_id",
            postgresql_where=text("state = 'open'"),
        ),
    )
    study_id: Mapped[UUID] = mapped_column(ForeignKey("study.id", ondelete="CASCADE"), primary_key=True)
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"))
    state: Mapped[str] = mapped_column(server_default=StudyState.OPEN.value)
    revision: Mapped[int] = mapped_column(server_default="0")
    model_version_id: Mapped[UUID | None] = mapped_column(ForeignKey("model_version.id"))
    rule: Mapped[str | None]
    findings: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB)
    images: Mapped[int] = mapped_column(server_default="0")
    failed_images: Mapped[int] = mapped_column(server_default="0")
    other_images: Mapped[int] = mapped_column(server_default="0")
    last_image_at: Mapped[datetime] = _now()
    look_after: Mapped[datetime] = _now()
    settled_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = _now()


class DeliveryRule(Base):
    """Where a Site's results go by themselves. `target` holds what is no secret (host, port, AE titles, URL), `secret`
    what is, sealed with the Site's key. `reports`: ReportKinds that are DICOM, for C-STORE and STOW. `events`: the
    terminal states of Jobs that it tells of; of others than `succeeded` webhooks alone.

    `with_identity`: sent home, under the original UIDs and names; else as stored. `failures` in a row close the
    way until `closed_until`, so that a dead target holds up no other.
    """

    __tablename__ = "delivery_rule"
    __table_args__ = (
        one_of("kind", DeliveryKind),
        UniqueConstraint("site_id", "name"),
        CheckConstraint(f"events <@ ARRAY[{quoted(TERMINAL_STATES)}]::text[]", name="events_known"),
        CheckConstraint(f"reports <@ ARRAY[{quoted(ReportKind)}]::text[]", name="reports_known"),
    )
    id: Mapped[UUID] = _key()
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"))
    name: Mapped[str]
    kind: Mapped[str]
    target: Mapped[dict[str, Any]]
    secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    reports: Mapped[list[str]]
    events: Mapped[list[str]]
    with_identity: Mapped[bool] = mapped_column(server_default=false())
    enabled: Mapped[bool] = mapped_column(server_default=true())
    failures: Mapped[int] = mapped_column(server_default="0")
    closed_until: Mapped[datetime | None]
    created_at: Mapped[datetime] = _now()


class Delivery(Base):
    """One result's way to one DeliveryRule's target; made with the transition that it tells of.

    Claimed, it is leased and its `run_after` is the lease's end: so a lost one comes back by itself.
    """

    __tablename__ = "delivery"
    __table_args__ = (
        one_of("state", DeliveryState),
        UniqueConstraint("rule_id", "job_id", "redelivery_of", postgresql_nulls_not_distinct=True),
        CheckConstraint("(state = 'delivered') = (delivered_at IS NOT NULL)", name="delivered_means_dated"),
        CheckConstraint("leased_until IS NULL OR state = 'pending'", name="leased_means_pending"),
        Index("ix_delivery_due", "rule_id", "run_after", postgresql_where=text("state = 'pending'")),
        Index("ix_delivery_job", "job_id"),
        Index("ix_delivery_site", "site_id", "created_at", "id"),
    )
    id: Mapped[UUID] = _key()
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"))
    rule_id: Mapped[UUID] = mapped_column(ForeignKey("delivery_rule.id", ondelete="CASCADE"))
    job_id: Mapped[UUID] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"))
    redelivery_of: Mapped[UUID | None] = mapped_column(ForeignKey("delivery.id", ondelete="CASCADE"))
    state: Mapped[str] = mapped_column(server_default=DeliveryState.PENDING.value)
    attempt: Mapped[int] = mapped_column(server_default="0")
    fence: Mapped[int] = mapped_column(BigInteger, server_default="0")
    leased_until: Mapped[datetime | None]
    run_after: Mapped[datetime] = _now()
    created_at: Mapped[datetime] = _now()
    delivered_at: Mapped[datetime | None]
    code: Mapped[str | None]
    detail: Mapped[str | None]


class AuditRecord(Base):
    """One access to patient data or change of the place. `hash` is the SHA-256 over this record and the hash before it
    in its Site's chain; a trigger refuses to change or remove one. No patient data is in it: ids only.
    """

    __tablename__ = "audit_record"
    __table_args__ = (
        one_of("action", AuditAction),
        UniqueConstraint("site_id", "number"),
        CheckConstraint("number > 0", name="number_positive"),
    )
    id: Mapped[UUID] = _key()
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"))
    number: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime] = _now()
    actor: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    detail: Mapped[dict[str, Any]]
    previous_hash: Mapped[bytes] = mapped_column(LargeBinary)
    hash: Mapped[bytes] = mapped_column(LargeBinary)


class AuditHead(Base):
    """The last AuditRecord of a Site, kept by a trigger: it tells that the last records were removed.

    The trigger takes only the record that follows the head, and another refuses every other change of a head.
    """

    __tablename__ = "audit_head"
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[bytes] = mapped_column(LargeBinary)
