"""Where results go by themselves, and what became of each."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, UniqueConstraint, false, text, true
from sqlalchemy.orm import Mapped, mapped_column

from core.vocabulary import TERMINAL_STATES, DeliveryKind, DeliveryState, ReportKind
from db.tables.base import Base, key_column, now_column, one_of, quoted


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
    id: Mapped[UUID] = key_column()
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
    created_at: Mapped[datetime] = now_column()


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
    id: Mapped[UUID] = key_column()
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"))
    rule_id: Mapped[UUID] = mapped_column(ForeignKey("delivery_rule.id", ondelete="CASCADE"))
    job_id: Mapped[UUID] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"))
    redelivery_of: Mapped[UUID | None] = mapped_column(ForeignKey("delivery.id", ondelete="CASCADE"))
    state: Mapped[str] = mapped_column(server_default=DeliveryState.PENDING.value)
    attempt: Mapped[int] = mapped_column(server_default="0")
    fence: Mapped[int] = mapped_column(BigInteger, server_default="0")
    leased_until: Mapped[datetime | None]
    run_after: Mapped[datetime] = now_column()
    created_at: Mapped[datetime] = now_column()
    delivered_at: Mapped[datetime | None]
    code: Mapped[str | None]
    detail: Mapped[str | None]
