"""Tries of a password, counted before it is looked at, so that many at once count as many.

So many in a row lock the address, twice as long with each further one; the right one forgets them. Addresses that no
User has are counted and locked alike.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.errors import SignInLocked
from core.vocabulary import AuditAction
from db.repositories import users
from db.tables import Stranger

STRANGERS_KEPT = timedelta(days=1)
# Beyond it a lock has reached any cap: 2 ** 32 seconds are a century.
MOST_DOUBLINGS = 32


@dataclass(frozen=True, slots=True)
class Locking:
    """`failures` in a row lock for `lock_s` seconds, doubled with each further one up to `cap_s`."""

    failures: int
    lock_s: float
    cap_s: float

    def seconds(self, failures: int) -> float:
        """How long the address is locked when the last `failures` were wrong; 0: not at all."""
        if failures < self.failures:
            return 0.0
        return min(self.cap_s, self.lock_s * 2.0 ** min(failures - self.failures, MOST_DOUBLINGS))


@dataclass(frozen=True, slots=True)
class Attempt:
    """A try that may be made: whose it is, if anybody's; `locks_s`, how long the address is locked if it fails."""

    user_id: UUID | None
    password_hash: str | None
    locks_s: float


def attempt(session: Session, email: str, *, locking: Locking) -> Attempt:
    """Count one try for this address. Raises SignInLocked while it is locked, RequestInvalid for no address."""
    email = users.normal_email(email)
    user = users.by_email(session, email, lock=True)
    counted = user if user is not None else _stranger(session, email)
    now = session.scalars(select(func.clock_timestamp())).one()
    if counted.locked_until is not None and counted.locked_until > now:
        raise SignInLocked(retry_after=(counted.locked_until - now).total_seconds())
    counted.failures += 1
    locks_s = locking.seconds(counted.failures)
    counted.locked_until = now + timedelta(seconds=locks_s) if locks_s else None
    usable = user is not None and user.disabled_at is None
    return Attempt(
        user_id=user.id if user is not None else None,
        password_hash=user.password_hash if user is not None and usable else None,
        locks_s=locks_s,
    )


def succeeded(session: Session, attempted: Attempt, *, better_hash: str | None = None) -> UUID:
    """It was right: what failed before is forgotten. The User's id."""
    assert attempted.user_id is not None  # noqa: S101 — nobody's password is never right
    user = users.get(session, attempted.user_id)
    user.failures, user.locked_until = 0, None
    if better_hash is not None:
        user.password_hash = better_hash
    return user.id


def failed(session: Session, attempted: Attempt) -> None:
    """It was wrong. That a User's address is locked now is audited, last in the transaction."""
    if attempted.user_id is not None and attempted.locks_s:
        seconds = {"seconds": round(attempted.locks_s)}
        users.record(session, attempted.user_id, action=AuditAction.SIGN_IN_LOCKED, actor="sign-in", detail=seconds)


def _stranger(session: Session, email: str) -> Stranger:
    digest = hashlib.sha256(email.encode()).hexdigest()
    session.execute(delete(Stranger).where(Stranger.seen_at < func.now() - STRANGERS_KEPT))
    session.execute(insert(Stranger).values(email_sha256=digest).on_conflict_do_nothing())
    found = session.scalars(select(Stranger).where(Stranger.email_sha256 == digest).with_for_update()).one()
    found.seen_at = session.scalars(select(func.now())).one()
    return found
