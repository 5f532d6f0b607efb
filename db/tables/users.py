"""Who may come in: users, their roles and sessions, and tries by unknown addresses."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from core.vocabulary import Role, SignIn
from db.tables.base import Base, key_column, now_column, one_of


class User(Base):
    """A person. `email` is kept in lower case. `operator`: runs the platform, beside any roles at Sites.

    `password_hash` (argon2) is null of one who comes by OIDC alone, by `oidc_issuer` and `oidc_subject`. `failures`
    wrong passwords in a row lock the account until `locked_until`.
    """

    __tablename__ = "user_account"
    __table_args__ = (
        CheckConstraint("email = lower(email)", name="email_lower"),
        CheckConstraint("failures >= 0", name="failures_positive"),
        CheckConstraint("(oidc_issuer IS NULL) = (oidc_subject IS NULL)", name="oidc_whole"),
        UniqueConstraint("oidc_issuer", "oidc_subject"),
    )
    id: Mapped[UUID] = key_column()
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    password_hash: Mapped[str | None]
    oidc_issuer: Mapped[str | None]
    oidc_subject: Mapped[str | None]
    operator: Mapped[bool] = mapped_column(server_default=false())
    failures: Mapped[int] = mapped_column(server_default="0")
    locked_until: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]
    signed_in_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = now_column()


class Membership(Base):
    """A User's Role at a Site."""

    __tablename__ = "membership"
    __table_args__ = (one_of("role", Role), Index("ix_membership_site", "site_id"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"), primary_key=True)
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"), primary_key=True)
    role: Mapped[str]
    created_at: Mapped[datetime] = now_column()


class Stranger(Base):
    """Wrong passwords for an e-mail address that no User has, by its SHA-256.

    They lock it as they lock a User's, so that being locked does not tell which addresses have one.
    """

    __tablename__ = "stranger"
    __table_args__ = (
        CheckConstraint("length(email_sha256) = 64", name="email_sha256_length"),
        CheckConstraint("failures >= 0", name="failures_positive"),
        Index("ix_stranger_seen", "seen_at"),
    )
    email_sha256: Mapped[str] = mapped_column(primary_key=True)
    failures: Mapped[int] = mapped_column(server_default="0")
    locked_until: Mapped[datetime | None]
    seen_at: Mapped[datetime] = now_column()


class UserSession(Base):
    """A sign-in of a User, by the SHA-256 of its cookie's token; `site_id` is the Site it looks at.

    It ends at `expires_at` whatever happens, and earlier when it was not seen for the idle limit. `agent`: the browser
    as it names itself, by which its user tells one session from another.
    """

    __tablename__ = "user_session"
    __table_args__ = (
        one_of("provider", SignIn),
        CheckConstraint("length(token_sha256) = 64", name="token_sha256_length"),
        Index("ix_user_session_user", "user_id"),
        Index("ix_user_session_expiry", "expires_at"),
    )
    id: Mapped[UUID] = key_column()
    token_sha256: Mapped[str] = mapped_column(unique=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"))
    site_id: Mapped[UUID | None] = mapped_column(ForeignKey("site.id"))
    provider: Mapped[str]
    agent: Mapped[str] = mapped_column(server_default="")
    created_at: Mapped[datetime] = now_column()
    seen_at: Mapped[datetime] = now_column()
    expires_at: Mapped[datetime]
