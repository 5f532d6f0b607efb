"""Results: the Prediction of a Job, its Findings and their Explanations."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Double, ForeignKey, Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from core.vocabulary import Decision, EngineName
from db.tables.base import Base, key_column, now_column, one_of
from db.tables.models import ModelVersion


class Prediction(Base):
    """The result of a succeeded Job; `window` is (left, top, right, bottom) in fractions of the heatmap's grid.

    `produced_by` is what a replay must have alike: versions, threads, the size of the batch and the place in it.
    `region` is null of a model that tells no regions apart; `probabilities` are those of labels that are neither
    Findings nor regions. `routing`: {specialist, probability, referred} of a hierarchy. `sanity`: {accepted, flags:
    [{code, score, limit}]} where the model judges its input. `input_statistics`: figures of the network's input, by
    which drift is seen. `preview_key` is of results of older releases, which stored a preview.
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
    id: Mapped[UUID] = key_column()
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
    preview_key: Mapped[str | None]
    window: Mapped[list[float]] = mapped_column(ARRAY(Double()))
    timings_ms: Mapped[dict[str, Any]]
    input_statistics: Mapped[dict[str, Any] | None]
    produced_by: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    created_at: Mapped[datetime] = now_column()
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
    id: Mapped[UUID] = key_column()
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
    """Grad-CAM of one Finding; `regions` are boxes `{x, y, width, height, score}` in original pixels.

    `heatmap` is a 16-bit grey PNG of some kB; it is read where it is asked for. Older releases wrote an object instead,
    and its `heatmap_key`.
    """

    __tablename__ = "explanation"
    __table_args__ = (CheckConstraint("num_nonnulls(heatmap, heatmap_key) = 1", name="heatmap_somewhere"),)
    id: Mapped[UUID] = key_column()
    finding_id: Mapped[UUID] = mapped_column(ForeignKey("finding.id"), unique=True)
    heatmap: Mapped[bytes | None] = mapped_column(deferred=True, deferred_raiseload=True)
    heatmap_key: Mapped[str | None]
    regions: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
