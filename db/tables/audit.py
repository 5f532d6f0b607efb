"""The audit log: chains of records, and the head of each."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.vocabulary import AuditAction
from db.tables.base import Base, key_column, now_column, one_of


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
    id: Mapped[UUID] = key_column()
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"))
    number: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime] = now_column()
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
