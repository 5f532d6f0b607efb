"""Reading a Site's audit log: newest first, by what was done, by whom, on what and when."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.vocabulary import AuditAction
from db.repositories.sites import PLATFORM
from db.tables import ApiKey, AuditRecord, Membership, User


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which records: empty and null leave nothing out. `since` is included, `until` is not."""

    actions: frozenset[AuditAction] = frozenset()
    actor: str | None = None
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def page(session: Session, *, site_id: UUID, wanted: Wanted, before: int | None, limit: int) -> list[AuditRecord]:
    """Up to `limit` records of the Site with numbers below `before`, newest first."""
    asked = select(AuditRecord).where(AuditRecord.site_id == site_id)
    if before is not None:
        asked = asked.where(AuditRecord.number < before)
    if wanted.actions:
        asked = asked.where(AuditRecord.action.in_(sorted(action.value for action in wanted.actions)))
    if wanted.actor is not None:
        asked = asked.where(AuditRecord.actor == wanted.actor)
    if wanted.subject is not None:
        asked = asked.where(AuditRecord.subject == wanted.subject)
    if wanted.since is not None:
        asked = asked.where(AuditRecord.at >= wanted.since)
    if wanted.until is not None:
        asked = asked.where(AuditRecord.at < wanted.until)
    return list(session.scalars(asked.order_by(AuditRecord.number.desc()).limit(limit)))


def names(session: Session, *, site_id: UUID, actors: Collection[str]) -> dict[str, str]:
    """What actors are called: keys of the Site; its members (for the platform's log all users) by name and address."""
    found: dict[str, str] = {}
    if keys := _ids(actors, "key"):
        rows = session.execute(select(ApiKey.id, ApiKey.name).where(ApiKey.id.in_(keys), ApiKey.site_id == site_id))
        found |= {f"key {row.id}": row.name for row in rows}
    if people := _ids(actors, "user"):
        asked = select(User.id, User.name, User.email).where(User.id.in_(people))
        if site_id != PLATFORM:
            asked = asked.join(Membership, Membership.user_id == User.id).where(Membership.site_id == site_id)
        found |= {f"user {row.id}": _called(row.name, row.email) for row in session.execute(asked)}
    return found


def _called(name: str, email: str) -> str:
    """Two people may have one name."""
    return name if name == email else f"{name} ({email})"


def _ids(actors: Collection[str], kind: str) -> list[UUID]:
    made = []
    for actor in actors:
        with suppress(ValueError):
            if actor.startswith(f"{kind} "):
                made.append(UUID(actor.removeprefix(f"{kind} ")))
    return made
