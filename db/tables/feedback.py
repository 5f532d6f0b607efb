"""What readers say of Findings."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from core.vocabulary import Decision, Verdict
from db.tables.base import Base, key_column, now_column, one_of


class Feedback(Base):
    """What a reader says of one Finding; said again, it replaces what the same reader said before.

    `decision` is the Finding's own when it was judged. `sealed_comment`: free text may name a patient, so it is sealed
    with the Site's key, context `feedback {job_id} {label}`.
    """

    __tablename__ = "feedback"
    __table_args__ = (
        one_of("verdict", Verdict),
        one_of("decision", Decision),
        Index("uq_feedback_reader", "job_id", "label", text("COALESCE(user_id, key_id)"), unique=True),
        CheckConstraint("(user_id IS NULL) <> (key_id IS NULL)", name="one_reader"),
        Index("ix_feedback_site", "site_id", "created_at", "id"),
    )
    id: Mapped[UUID] = key_column()
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"))
    job_id: Mapped[UUID] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"))
    label: Mapped[str]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("user_account.id"))
    key_id: Mapped[UUID | None] = mapped_column(ForeignKey("api_key.id"))
    verdict: Mapped[str]
    decision: Mapped[str]
    sealed_comment: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = now_column()
    updated_at: Mapped[datetime] = now_column()
