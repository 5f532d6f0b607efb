"""Sign-ins: made, found by their cookie's token, and ended. Of a token only its SHA-256 is kept."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, func, literal, select, update
from sqlalchemy.orm import Session

from core.errors import NotFound, Unauthorized
from core.vocabulary import AuditAction, Role, Scope, SignIn
from db.repositories import audit
from db.repositories.sites import PLATFORM, Principal
from db.tables import Membership, Site, User, UserSession

TOKEN_BYTES = 32
# A session in use is written to once in this time, not with every request; the idle limit is that much less exact.
SEEN_STEP = timedelta(seconds=30)
AGENT_LENGTH = 200
# How many sessions one User has at most: the one least recently used ends when another is opened.
MOST = 20


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session that opens: its User, and the Site it looks at."""

    session_id: UUID
    user_id: UUID
    email: str
    name: str
    operator: bool
    has_password: bool
    provider: SignIn
    site_id: UUID | None
    role: Role | None
    expires_at: datetime

    @property
    def scopes(self) -> frozenset[Scope]:
        """What the role at the Site in view allows, and `operate` of an operator."""
        of_role = self.role.scopes if self.role is not None else frozenset[Scope]()
        return of_role | {Scope.OPERATE} if self.operator else of_role

    @property
    def principal(self) -> Principal:
        return Principal(site_id=self.site_id or PLATFORM, user_id=self.user_id, scopes=self.scopes)


def begin(session: Session, *, user_id: UUID, provider: SignIn, lifetime_s: float, agent: str = "") -> str:
    """The User signed in: a new session, and its token, which is in no table. Audited, last in the transaction.

    It looks at the Site that the User looked at last, else at the first by name.
    """
    site_id = _first_site(session, user_id)
    _make_room(session, user_id)
    session.execute(update(User).where(User.id == user_id).values(signed_in_at=func.now()))
    session_id, token = insert(
        session, user_id=user_id, provider=provider, lifetime_s=lifetime_s, agent=agent, site_id=site_id
    )
    audit.append(
        session,
        site_id=site_id or PLATFORM,
        actor=f"user {user_id}",
        action=AuditAction.SIGNED_IN,
        subject=f"session {session_id}",
        detail={"provider": provider.value},
    )
    return token


def insert(
    session: Session, *, user_id: UUID, provider: SignIn, lifetime_s: float, agent: str, site_id: UUID | None
) -> tuple[UUID, str]:
    """A session alone, without an audit record: its id and its token."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    made = UserSession(
        token_sha256=_digest(token),
        user_id=user_id,
        site_id=site_id,
        provider=provider.value,
        agent="".join(sign for sign in agent[:AGENT_LENGTH] if sign.isprintable()),
        expires_at=session.scalars(select(func.now())).one() + timedelta(seconds=lifetime_s),
    )
    session.add(made)
    session.flush()
    return made.id, token


def _first_site(session: Session, user_id: UUID) -> UUID | None:
    last = (
        select(UserSession.site_id, func.max(UserSession.seen_at).label("at"))
        .where(UserSession.user_id == user_id)
        .group_by(UserSession.site_id)
        .subquery()
    )
    return session.scalars(
        select(Site.id)
        .join(Membership, and_(Membership.site_id == Site.id, Membership.user_id == user_id))
        .outerjoin(last, last.c.site_id == Site.id)
        .where(Site.disabled_at.is_(None))
        .order_by(last.c.at.desc().nulls_last(), Site.name)
        .limit(1)
    ).one_or_none()


def _make_room(session: Session, user_id: UUID) -> None:
    """What has ended is removed, of whomever; then the User's oldest beyond the most it may have."""
    session.execute(delete(UserSession).where(UserSession.expires_at <= func.now()))
    kept = (
        select(UserSession.id)
        .where(UserSession.user_id == user_id)
        .order_by(UserSession.seen_at.desc(), UserSession.id.desc())
        .limit(MOST - 1)
    )
    session.execute(delete(UserSession).where(UserSession.user_id == user_id, UserSession.id.not_in(kept)))


def find(session: Session, token: str, *, idle_s: float, attended: bool = True) -> SignedIn:
    """The session of this token, marked as seen where a person is at it (`attended`).

    Raises Unauthorized where it is unknown or has ended: by time, by idleness, or with its User.
    """
    row = session.execute(
        select(UserSession, User, Membership.role, (UserSession.seen_at < func.now() - SEEN_STEP).label("old"))
        .join(User, User.id == UserSession.user_id)
        .outerjoin(Site, and_(Site.id == UserSession.site_id, Site.disabled_at.is_(None)))
        .outerjoin(Membership, and_(Membership.user_id == User.id, Membership.site_id == Site.id))
        .where(UserSession.token_sha256 == _digest(token), _open(idle_s), User.disabled_at.is_(None))
    ).one_or_none()
    if row is None:
        raise Unauthorized
    if attended and row.old:
        _touch(session, row.UserSession.id)
    return _signed_in(row.UserSession, row.User, row.role)


def _signed_in(held: UserSession, user: User, role: str | None) -> SignedIn:
    return SignedIn(
        session_id=held.id,
        user_id=user.id,
        email=user.email,
        name=user.name,
        operator=user.operator,
        has_password=user.password_hash is not None,
        provider=SignIn(held.provider),
        # Who is a member no more looks at nothing, until another Site is chosen.
        site_id=held.site_id if role is not None else None,
        role=Role(role) if role is not None else None,
        expires_at=held.expires_at,
    )


def _touch(session: Session, session_id: UUID) -> None:
    # Another request of the same session may be about it; it does not matter which one does it.
    one = select(UserSession.id).where(UserSession.id == session_id).with_for_update(skip_locked=True).scalar_subquery()
    session.execute(
        update(UserSession)
        .where(UserSession.id == one)
        .values(seen_at=func.now())
        .execution_options(synchronize_session=False)
    )


def listing(session: Session, user_id: UUID, *, idle_s: float) -> list[UserSession]:
    """The User's sessions that still open, the one seen last first."""
    return list(
        session.scalars(
            select(UserSession)
            .where(UserSession.user_id == user_id, _open(idle_s))
            .order_by(UserSession.seen_at.desc(), UserSession.id)
        )
    )


def switch_site(session: Session, found: SignedIn, *, site_id: UUID) -> None:
    """Look at another Site from now on. Raises NotFound where the User is no member of it."""
    member = session.scalars(
        select(Membership.role)
        .join(Site, Site.id == Membership.site_id)
        .where(Membership.user_id == found.user_id, Membership.site_id == site_id, Site.disabled_at.is_(None))
    ).one_or_none()
    if member is None:
        raise NotFound
    session.execute(update(UserSession).where(UserSession.id == found.session_id).values(site_id=site_id))


def end(session: Session, *, user_id: UUID, session_id: UUID) -> None:
    """End one session of the User. Raises NotFound."""
    rule = and_(UserSession.id == session_id, UserSession.user_id == user_id)
    if session.scalars(delete(UserSession).where(rule).returning(UserSession.id)).one_or_none() is None:
        raise NotFound


def end_token(session: Session, token: str) -> None:
    """End the session of this token, where there is one."""
    session.execute(delete(UserSession).where(UserSession.token_sha256 == _digest(token)))


def end_all(session: Session, user_id: UUID, *, keep: UUID | None = None) -> None:
    """End all sessions of the User, but for the one of the id `keep`."""
    rule = UserSession.id != keep if keep is not None else literal(True)
    session.execute(delete(UserSession).where(UserSession.user_id == user_id, rule))


def leave_site(session: Session, user_id: UUID, *, site_id: UUID) -> None:
    """The User's sessions look at this Site no more."""
    session.execute(
        update(UserSession).where(UserSession.user_id == user_id, UserSession.site_id == site_id).values(site_id=None)
    )


def _open(idle_s: float) -> ColumnElement[bool]:
    return and_(UserSession.expires_at > func.now(), UserSession.seen_at > func.now() - timedelta(seconds=idle_s))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def tell(session: Session, site_ids: Iterable[UUID]) -> None:
    """With the commit, open pages of these Sites ask anew who is signed in and may do what; none is told who it was."""
    for site_id in site_ids:
        session.execute(select(func.pg_notify("changed", f"{site_id} session *")))
