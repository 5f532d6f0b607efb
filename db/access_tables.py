"""Who may come in and what readers say: users, their roles and sessions, and feedback on findings."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, UniqueConstraint, false, func, text
from sqlalchemy.orm import Mapped, mapped_column
from uuid_utils.compat import uuid7

from core.vocabulary import Decision, Role, SignIn, Verdict
from db.tables import Base, one_of


def _key() -> Mapped[UUID]:
    return mapped_column(primary_key=True, default=uuid7)


def _now() -> Mapped[datetime]:
    return mapped_column(server_default=func.now())


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
    id: Mapped[UUID] = _key()
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
    created_at: Mapped[datetime] = _now()


class Membership(Base):
    """A User's Role at a Site."""

    __tablename__ = "membership"
    __table_args__ = (one_of("role", Role), Index("ix_membership_site", "site_id"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"), primary_key=True)
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"), primary_key=True)
    role: Mapped[str]
    created_at: Mapped[datetime] = _now()


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
    seen_at: Mapped[datetime] = _now()


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
    id: Mapped[UUID] = _key()
    token_sha256: Mapped[str] = mapped_column(unique=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"))
    site_id: Mapped[UUID | None] = mapped_column(ForeignKey("site.id"))
    provider: Mapped[str]
    agent: Mapped[str] = mapped_column(server_default="")
    created_at: Mapped[datetime] = _now()
    seen_at: Mapped[datetime] = _now()
    expires_at: Mapped[datetime]


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
    id: Mapped[UUID] = _key()
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"))
    job_id: Mapped[UUID] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"))
    label: Mapped[str]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("user_account.id"))
    key_id: Mapped[UUID | None] = mapped_column(ForeignKey("api_key.id"))
    verdict: Mapped[str]
    decision: Mapped[str]
    sealed_comment: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = _now()
    updated_at: Mapped[datetime] = _now()
