"""What the images of one exam say together."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.vocabulary import StudyRule, StudyState
from db.tables.base import Base, now_column, one_of


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
    last_image_at: Mapped[datetime] = now_column()
    look_after: Mapped[datetime] = now_column()
    settled_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = now_column()
