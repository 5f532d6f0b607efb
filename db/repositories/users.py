"""Users and their roles at Sites. What is changed is audited at every Site that the User is a member of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.errors import EmailInvalid, NameTaken, NotFound, RequestInvalid
from core.vocabulary import AuditAction, Role
from db.repositories import audit, sessions
from db.repositories.sites import PLATFORM
from db.tables import Membership, Site, User

# ASCII, for Postgres and Python agree on its lower case. What is more of an address its mail server knows.
_EMAIL = re.compile(r"[!-?A-~]{1,64}@[!-?A-~]{1,189}")
NAME_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Post:
    """A Site that a User is a member of, and what it is there."""

    site_id: UUID
    site: str
    role: Role


def normal_email(written: str) -> str:
    """The address as it is kept: in lower case, without space around it. Raises EmailInvalid for what is none."""
    email = written.strip().lower()
    if not _EMAIL.fullmatch(email):
        raise EmailInvalid
    return email


def normal_name(written: str) -> str:
    """A name on one line, of 1 to 200 characters. Raises RequestInvalid."""
    name = " ".join(written.split())
    if not 1 <= len(name) <= NAME_LENGTH or not name.isprintable():
        raise RequestInvalid(f"A name has 1 to {NAME_LENGTH} printable characters.")
    return name


def add(session: Session, *, email: str, name: str, operator: bool = False, password_hash: str | None = None) -> User:
    """A new User, who is a member of no Site yet. Raises Conflict where the address is taken, RequestInvalid.

    Audit it with `record` when its memberships are set.
    """
    values = {
        "email": normal_email(email),
        "name": normal_name(name),
        "operator": operator,
        "password_hash": password_hash,
    }
    made = session.scalars(insert(User).values(**values).on_conflict_do_nothing().returning(User)).one_or_none()
    if made is None:
        raise NameTaken("There is a user of this e-mail address.")
    return made


def get(session: Session, user_id: UUID) -> User:
    """Raises NotFound."""
    user = session.get(User, user_id)
    if user is None:
        raise NotFound("There is no such user.")
    return user


def by_email(session: Session, email: str, *, lock: bool = False) -> User | None:
    """The User of this address, in whatever case it is written. `lock`: no one else changes the row meanwhile."""
    asked = select(User).where(User.email == email.strip().lower())
    return session.scalars(asked.with_for_update() if lock else asked).one_or_none()


def by_oidc(session: Session, *, issuer: str, subject: str, email: str | None) -> User | None:
    """The User of this identity; else the one of the address, to whom the identity then belongs for ever.

    An address that is bound to another identity of this issuer is nobody's. Disabled Users are not found.
    """
    bound = select(User).where(User.oidc_issuer == issuer, User.oidc_subject == subject)
    found = session.scalars(bound).one_or_none()
    if found is None and email is not None:
        found = by_email(session, email, lock=True)
        if found is None or found.oidc_subject is not None:
            return None
        found.oidc_issuer, found.oidc_subject = issuer, subject
    return found if found is not None and found.disabled_at is None else None


def any_there(session: Session) -> bool:
    """Whether there is a User at all who may sign in."""
    return bool(session.scalar(select(select(User.id).where(User.disabled_at.is_(None)).exists())))


def listing(session: Session, *, site_id: UUID | None = None) -> list[User]:
    """All Users by address, or the members of one Site."""
    asked = select(User).order_by(User.email)
    if site_id is not None:
        asked = asked.join(Membership).where(Membership.site_id == site_id)
    return list(session.scalars(asked))


def posts(session: Session, user_id: UUID) -> list[Post]:
    """Where the User is a member, by the Site's name; Sites that are disabled are left out."""
    rows = session.execute(
        select(Site.id, Site.name, Membership.role)
        .join(Membership, Membership.site_id == Site.id)
        .where(Membership.user_id == user_id, Site.disabled_at.is_(None))
        .order_by(Site.name)
    )
    return [Post(row.id, row.name, Role(row.role)) for row in rows]


def set_role(session: Session, user_id: UUID, *, site_id: UUID, role: Role | None) -> None:
    """What the User is at the Site from now on; null: no member of it. Not audited: see `record`."""
    member = session.get(Membership, (user_id, site_id))
    if role is None:
        if member is not None:
            session.delete(member)
            sessions.leave_site(session, user_id, site_id=site_id)
    elif member is None:
        session.add(Membership(user_id=user_id, site_id=site_id, role=role.value))
    else:
        member.role = role.value
    session.flush()
    sessions.tell(session, [site_id])


def set_password(session: Session, user_id: UUID, *, password_hash: str, keep: UUID | None = None) -> None:
    """A new password, which lifts a lock and ends the User's sessions, but for the one of the id `keep`."""
    user = get(session, user_id)
    user.password_hash = password_hash
    user.failures, user.locked_until = 0, None
    sessions.end_all(session, user_id, keep=keep)
    session.flush()
    sessions.tell(session, _sites_of(session, user_id))


def set_disabled(session: Session, user_id: UUID, *, disabled: bool) -> None:
    """A disabled User cannot sign in, and its sessions end now."""
    user = get(session, user_id)
    if disabled:
        user.disabled_at = user.disabled_at or session.scalar(select(func.now()))
        sessions.end_all(session, user_id)
    else:
        user.disabled_at, user.failures, user.locked_until = None, 0, None
    session.flush()
    sessions.tell(session, _sites_of(session, user_id))


def record(
    session: Session,
    user_id: UUID,
    *,
    action: AuditAction,
    actor: str,
    detail: Mapping[str, Any] | None = None,
    also: Iterable[UUID] = (),
) -> None:
    """Audit what was done to the User, at each of its Sites and those of `also`; of none, the platform's own log.

    Call it last in the transaction. No address or name is in it.
    """
    # In one order everywhere: each append holds its Site's chain until the transaction ends.
    wanted = sorted({*_sites_of(session, user_id), *also}) or [PLATFORM]
    for site_id in wanted:
        audit.append(
            session, site_id=site_id, actor=actor, action=action, subject=f"user {user_id}", detail=detail or {}
        )


def _sites_of(session: Session, user_id: UUID) -> list[UUID]:
    return list(session.scalars(select(Membership.site_id).where(Membership.user_id == user_id)))
