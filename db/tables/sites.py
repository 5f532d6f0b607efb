"""Tenants: Sites, their API keys, and how each wants its data handled."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from core.vocabulary import BurnedInPolicy, Scope
from db.tables.base import Base, key_column, now_column, one_of, quoted


class Site(Base):
    """A tenant. Its quotas: Jobs that may be active at once, and bytes of Images that may be stored; null is the
    installation's limit, or none. A disabled one lets nobody in.
    """

    __tablename__ = "site"
    __table_args__ = (
        CheckConstraint("active_limit > 0", name="active_limit_positive"),
        CheckConstraint("stored_bytes_limit > 0", name="stored_bytes_limit_positive"),
    )
    id: Mapped[UUID] = key_column()
    name: Mapped[str] = mapped_column(unique=True)
    active_limit: Mapped[int | None]
    stored_bytes_limit: Mapped[int | None] = mapped_column(BigInteger)
    disabled_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = now_column()


class ApiKey(Base):
    """A key of a Site: the public prefix and the SHA-256 of the whole; the secret itself is nowhere."""

    __tablename__ = "api_key"
    __table_args__ = (
        CheckConstraint(f"scopes <@ ARRAY[{quoted(Scope)}]::text[]", name="scopes_known"),
        CheckConstraint("length(secret_sha256) = 64", name="secret_sha256_length"),
    )
    id: Mapped[UUID] = key_column()
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"))
    name: Mapped[str]
    prefix: Mapped[str] = mapped_column(unique=True)
    secret_sha256: Mapped[str]
    scopes: Mapped[list[str]]
    created_at: Mapped[datetime] = now_column()
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    # To the minute: a write with every request would cost more than it tells.
    used_at: Mapped[datetime | None]


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
    created_at: Mapped[datetime] = now_column()
