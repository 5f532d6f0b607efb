"""The tables. UUIDv7 keys made here, times `timestamptz` by the database's clock."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Double,
    ForeignKey,
    Index,
    MetaData,
    Text,
    UniqueConstraint,
    Uuid,
    false,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from uuid_utils.compat import uuid7

from core.vocabulary import (
    CLAIMABLE_STATES,
    TERMINAL_STATES,
    Decision,
    EngineName,
    JobEventKind,
    JobState,
    MediaKind,
    ModelState,
    Scope,
    WorkerWish,
)

ACTIVE_STATES = frozenset(JobState) - TERMINAL_STATES
# What workers have to do with; the limits count these.
WORKED_STATES = ACTIVE_STATES - {JobState.HELD}
UNSUCCESSFUL_STATES = TERMINAL_STATES - {JobState.SUCCEEDED}


class Base(DeclarativeBase):
    """Names every constraint, so that a migration can speak of it."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        UUID: Uuid(),
        str: Text(),
        datetime: DateTime(timezone=True),
        float: Double(),
        dict[str, Any]: JSONB(),
        list[str]: ARRAY(Text()),
    }


def quoted(values: Iterable[StrEnum]) -> str:
    """Enum values as a SQL list: `'a', 'b'`."""
    return ", ".join(f"'{value.value}'" for value in sorted(values))


def one_of(column: str, values: Iterable[StrEnum]) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({quoted(values)})", name=f"{column}_known")


def _key() -> Mapped[UUID]:
    return mapped_column(primary_key=True, default=uuid7)


def _now() -> Mapped[datetime]:
    return mapped_column(server_default=func.now())


class Site(Base):
    """A tenant. Its quotas: Jobs that may be active at once, and bytes of Images that may be stored; null is the
    installation's limit, or none. A disabled one lets nobody in.
    """

    __tablename__ = "site"
    __table_args__ = (
        CheckConstraint("active_limit > 0", name="active_limit_positive"),
        CheckConstraint("stored_bytes_limit > 0", name="stored_bytes_limit_positive"),
    )
    id: Mapped[UUID] = _key()
    name: Mapped[str] = mapped_column(unique=True)
    active_limit: Mapped[int | None]
    stored_bytes_limit: Mapped[int | None] = mapped_column(BigInteger)
    disabled_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = _now()


class ApiKey(Base):
    """A key of a Site: the public prefix and the SHA-256 of the whole; the secret itself is nowhere."""

    __tablename__ = "api_key"
    __table_args__ = (
        CheckConstraint(f"scopes <@ ARRAY[{quoted(Scope)}]::text[]", name="scopes_known"),
        CheckConstraint("length(secret_sha256) = 64", name="secret_sha256_length"),
    )
    id: Mapped[UUID] = _key()
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"))
    name: Mapped[str]
    prefix: Mapped[str] = mapped_column(unique=True)
    secret_sha256: Mapped[str]
    scopes: Mapped[list[str]]
    created_at: Mapped[datetime] = _now()
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    # To the minute: a write with every request would cost more than it tells.
    used_at: Mapped[datetime | None]


class Study(Base):
    """One exam of a Site."""

    __tablename__ = "study"
    __table_args__ = (UniqueConstraint("site_id", "study_instance_uid"),)
    id: Mapped[UUID] = _key()
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"))
    study_instance_uid: Mapped[str]
    created_at: Mapped[datetime] = _now()


class Image(Base):
    """A stored radiograph, by its content; sizes in bytes and pixels of the file.

    It is stored de-identified: `sha256` is of the stored bytes, `received_sha256` of the file as it came, and UIDs are
    those of the stored instance. `attributes`: DICOM JSON (PS3.18 F) of what a search answers. `quarantined`: patient
    data may be burned into its pixels and nobody has looked yet: its jobs are held.
    """

    __tablename__ = "image"
    __table_args__ = (
        UniqueConstraint("site_id", "sha256"),
        UniqueConstraint("site_id", "sop_instance_uid"),
        one_of("media_kind", MediaKind),
        CheckConstraint("length(sha256) = 64", name="sha256_length"),
        CheckConstraint("size_bytes > 0 AND rows > 0 AND columns > 0 AND bits_stored > 0", name="sizes_positive"),
        CheckConstraint("length(received_sha256) = 64", name="received_sha256_length"),
        Index("ix_image_received", "site_id", "received_sha256"),
        Index("ix_image_study", "study_id"),
    )
    id: Mapped[UUID] = _key()
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"))
    study_id: Mapped[UUID | None] = mapped_column(ForeignKey("study.id"))
    sha256: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    media_kind: Mapped[str]
    rows: Mapped[int]
    columns: Mapped[int]
    bits_stored: Mapped[int]
    transfer_syntax: Mapped[str | None]
    photometric_interpretation: Mapped[str | None]
    modality: Mapped[str | None]
    body_part: Mapped[str | None]
    sop_class_uid: Mapped[str | None]
    sop_instance_uid: Mapped[str | None]
    series_instance_uid: Mapped[str | None]
    received_sha256: Mapped[str | None]
    attributes: Mapped[dict[str, Any] | None]
    quarantined: Mapped[bool] = mapped_column(server_default=false())
    created_at: Mapped[datetime] = _now()


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
    id: Mapped[UUID] = _key()
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
    created_at: Mapped[datetime] = _now()
    run_after: Mapped[datetime] = _now()
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
    at: Mapped[datetime] = _now()
    owner: Mapped[str | None]
    code: Mapped[str | None]


class ModelVersion(Base):
    """A registered Bundle. `shadow_share`: of a shadow, the share of live jobs in (0, 1] that it runs on too."""

    __tablename__ = "model_version"
    __table_args__ = (
        one_of("state", ModelState),
        CheckConstraint(
            "(state = 'shadow') = (shadow_share IS NOT NULL) AND (shadow_share > 0 AND shadow_share <= 1) IS NOT FALSE",
            name="shadow_has_share",
        ),
        UniqueConstraint("name", "version"),
        Index("uq_model_version_active", "state", unique=True, postgresql_where=text("state = 'active'")),
    )
    id: Mapped[UUID] = _key()
    name: Mapped[str]
    version: Mapped[str]
    digest: Mapped[str] = mapped_column(unique=True)
    state: Mapped[str]
    labels: Mapped[list[str]]
    explainable: Mapped[list[str]]
    manifest: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = _now()
    activated_at: Mapped[datetime | None]
    shadow_share: Mapped[float | None]


class Prediction(Base):
    """The result of a succeeded Job; `window` is (left, top, right, bottom) in fractions of the heatmap's grid.

    `produced_by` is what a replay must have alike: versions, threads, the size of the batch and the place in it.
    `region` is null of a model that tells no regions apart; `probabilities` are those of labels that are neither
    Findings nor regions. `routing`: {specialist, probability, referred} of a hierarchy. `sanity`: {accepted, flags:
    [{code, score, limit}]} where the model judges its input. `input_statistics`: figures of the network's input, by
    which drift is seen.
    """

    __tablename__ = "prediction"
    __table_args__ = (
        one_of("engine", EngineName),
        CheckConstraint("region_probability BETWEEN 0 AND 1", name="probability_range"),
        CheckConstraint("(region IS NULL) = (region_probability IS NULL)", name="region_whole"),
        CheckConstraint("rows > 0 AND columns > 0", name="sizes_positive"),
        CheckConstraint('cardinality("window") = 4', name="window_corners"),
        Index("ix_prediction_model", "model_version_id", "created_at"),
    )
    id: Mapped[UUID] = _key()
    job_id: Mapped[UUID] = mapped_column(ForeignKey("job.id"), unique=True)
    model_version_id: Mapped[UUID] = mapped_column(ForeignKey("model_version.id"))
    fence: Mapped[int] = mapped_column(BigInteger)
    engine: Mapped[str]
    region: Mapped[str | None]
    region_probability: Mapped[float | None]
    region_probabilities: Mapped[dict[str, Any]]
    probabilities: Mapped[dict[str, Any] | None]
    routing: Mapped[dict[str, Any] | None]
    sanity: Mapped[dict[str, Any] | None]
    rows: Mapped[int]
    columns: Mapped[int]
    preview_key: Mapped[str]
    window: Mapped[list[float]] = mapped_column(ARRAY(Double()))
    timings_ms: Mapped[dict[str, Any]]
    input_statistics: Mapped[dict[str, Any] | None]
    produced_by: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    created_at: Mapped[datetime] = _now()
    model_version: Mapped[ModelVersion] = relationship(lazy="raise_on_sql")
    findings: Mapped[list[Finding]] = relationship(lazy="raise_on_sql", order_by="Finding.position")


class Finding(Base):
    """A label's calibrated probability against its threshold.

    `three_way`: {decision, coverage, lower, upper}; its limits are null where it is referred without any. `stability`
    in [0, 1]: the agreement under small shifts, where the Job asked for it.
    """

    __tablename__ = "finding"
    __table_args__ = (
        UniqueConstraint("prediction_id", "label"),
        one_of("decision", Decision),
        CheckConstraint("probability BETWEEN 0 AND 1 AND threshold BETWEEN 0 AND 1", name="probability_range"),
        CheckConstraint("stability BETWEEN 0 AND 1", name="stability_range"),
    )
    id: Mapped[UUID] = _key()
    prediction_id: Mapped[UUID] = mapped_column(ForeignKey("prediction.id"))
    position: Mapped[int]
    label: Mapped[str]
    probability: Mapped[float]
    threshold: Mapped[float]
    decision: Mapped[str]
    three_way: Mapped[dict[str, Any] | None]
    stability: Mapped[float | None]
    explanation: Mapped[Explanation | None] = relationship(lazy="raise_on_sql")


class Explanation(Base):
    """Grad-CAM of one Finding; `regions` are boxes `{x, y, width, height, score}` in original pixels."""

    __tablename__ = "explanation"
    id: Mapped[UUID] = _key()
    finding_id: Mapped[UUID] = mapped_column(ForeignKey("finding.id"), unique=True)
    heatmap_key: Mapped[str]
    regions: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)


class Worker(Base):
    """A worker process as it last told of itself; `progress_at` is its last poll or claim.

    `failed_digest`: the active ModelVersion that it could not load, with the error's code; it serves the one before.
    `wish`: what an operator wants of it.
    """

    __tablename__ = "worker"
    __table_args__ = (one_of("wish", WorkerWish),)
    name: Mapped[str] = mapped_column(primary_key=True)
    pid: Mapped[int]
    engine: Mapped[str]
    device: Mapped[str | None]
    host: Mapped[str | None]
    wish: Mapped[str] = mapped_column(server_default=WorkerWish.RUN.value)
    model_digest: Mapped[str | None]
    failed_digest: Mapped[str | None]
    failed_code: Mapped[str | None]
    state: Mapped[str]
    started_at: Mapped[datetime] = _now()
    seen_at: Mapped[datetime] = _now()
    progress_at: Mapped[datetime] = _now()
