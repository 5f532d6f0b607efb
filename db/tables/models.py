"""The registry: ModelVersions, what was done with them, and what shadows found."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column
from uuid_utils.compat import uuid7

from core.vocabulary import EngineName, ModelEventKind, ModelState
from db.tables.base import Base, key_column, now_column, one_of


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
    id: Mapped[UUID] = key_column()
    name: Mapped[str]
    version: Mapped[str]
    digest: Mapped[str] = mapped_column(unique=True)
    state: Mapped[str]
    labels: Mapped[list[str]]
    explainable: Mapped[list[str]]
    manifest: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = now_column()
    activated_at: Mapped[datetime | None]
    shadow_share: Mapped[float | None]


class ModelVersionEvent(Base):
    """One change of a ModelVersion's state, and who made it; a trigger refuses to change or remove it."""

    __tablename__ = "model_version_event"
    __table_args__ = (
        one_of("kind", ModelEventKind),
        one_of("state", ModelState),
        Index("ix_model_version_event_model", "model_version_id", "id"),
    )
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=True)
    model_version_id: Mapped[UUID] = mapped_column(ForeignKey("model_version.id"))
    kind: Mapped[str]
    state: Mapped[str]
    share: Mapped[float | None]
    actor: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.now())


class ShadowPrediction(Base):
    """What a shadow said of a Job whose result another ModelVersion gave: compared, never shown. Goes with its Job."""

    __tablename__ = "shadow_prediction"
    __table_args__ = (
        UniqueConstraint("job_id", "model_version_id"),
        one_of("engine", EngineName),
        CheckConstraint("infer_ms >= 0", name="infer_ms_positive"),
        Index("ix_shadow_prediction_model", "model_version_id", "id"),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    job_id: Mapped[UUID] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"))
    model_version_id: Mapped[UUID] = mapped_column(ForeignKey("model_version.id"))
    engine: Mapped[str]
    probabilities: Mapped[dict[str, Any]]
    decisions: Mapped[dict[str, Any]]
    infer_ms: Mapped[float]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
