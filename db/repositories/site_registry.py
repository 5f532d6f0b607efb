"""The Sites of the platform, for operators: listed with what they use, made, and changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from core.errors import NameTaken, NotFound
from core.vocabulary import AuditAction
from db.repositories import audit, quotas, sessions
from db.repositories.quotas import Usage
from db.repositories.sites import PLATFORM
from db.tables import ApiKey, Membership, Site


@dataclass(frozen=True, slots=True)
class Entry:
    """A Site, what it uses, its members, and its keys that open."""

    site: Site
    usage: Usage
    members: int
    keys: int


def listing(session: Session) -> list[Entry]:
    """All Sites by name, but for the platform's own row."""
    return _entries(session, session.scalars(select(Site).where(Site.id != PLATFORM).order_by(Site.name)).all())


def get(session: Session, site_id: UUID) -> Entry:
    """Raises NotFound."""
    return _entries(session, [_row(session, site_id)])[0]


def create(session: Session, *, values: Mapping[str, Any], actor: str) -> UUID:
    """A new Site; audited in its own chain. Raises NameTaken where the name is taken."""
    made = session.scalars(
        insert(Site).values(id=uuid7(), **values).on_conflict_do_nothing(index_elements=["name"]).returning(Site.id)
    ).one_or_none()
    if made is None:
        raise NameTaken("There is a Site of this name.")
    _note(session, made, actor, {"created": True} | dict(values))
    return made


def change(session: Session, site_id: UUID, *, values: Mapping[str, Any], disabled: bool | None, actor: str) -> None:
    """Set these columns, and whether the Site lets anyone in; audited in its chain. Raises NotFound, NameTaken."""
    row = _row(session, site_id, lock=True)
    name = values.get("name", row.name)
    if name != row.name and session.scalars(select(Site.id).where(Site.name == name)).one_or_none() is not None:
        raise NameTaken("There is a Site of this name.")
    for column, value in values.items():
        setattr(row, column, value)
    changed = dict(values)
    if disabled is not None:
        row.disabled_at = (row.disabled_at or session.scalar(select(func.now()))) if disabled else None
        changed["disabled"] = disabled
    session.flush()
    sessions.tell(session, [site_id])
    _note(session, site_id, actor, changed)


def _row(session: Session, site_id: UUID, *, lock: bool = False) -> Site:
    asked = select(Site).where(Site.id == site_id, Site.id != PLATFORM)
    row = session.scalars(asked.with_for_update() if lock else asked).one_or_none()
    if row is None:
        raise NotFound
    return row


def _note(session: Session, site_id: UUID, actor: str, detail: dict[str, Any]) -> None:
    audit.append(
        session,
        site_id=site_id,
        actor=actor,
        action=AuditAction.SITE_CHANGED,
        subject=f"site {site_id}",
        detail=detail,
    )


def _entries(session: Session, rows: Sequence[Site]) -> list[Entry]:
    ids = [row.id for row in rows]
    used = quotas.usage(session, ids)
    members = {
        row[0]: row[1]
        for row in session.execute(
            select(Membership.site_id, func.count()).where(Membership.site_id.in_(ids)).group_by(Membership.site_id)
        )
    }
    opening = (ApiKey.revoked_at.is_(None), or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > func.now()))
    keys = {
        row[0]: row[1]
        for row in session.execute(
            select(ApiKey.site_id, func.count()).where(ApiKey.site_id.in_(ids), *opening).group_by(ApiKey.site_id)
        )
    }
    return [Entry(row, used[row.id], members.get(row.id, 0), keys.get(row.id, 0)) for row in rows]
