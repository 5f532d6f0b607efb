"""A Site's API keys as its administrators see them: listed, and replaced by new ones (`sites` issues and revokes)."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.errors import Conflict, NotFound
from core.vocabulary import Scope
from db.repositories import sites
from db.tables import ApiKey


def listing(session: Session, *, site_id: UUID) -> list[ApiKey]:
    """The Site's keys, those that open first, then by age, newest first."""
    ended = ApiKey.revoked_at.is_not(None) | (ApiKey.expires_at <= func.now()).is_(True)
    return list(
        session.scalars(select(ApiKey).where(ApiKey.site_id == site_id).order_by(ended, ApiKey.created_at.desc()))
    )


def get(session: Session, *, site_id: UUID, key_id: UUID) -> ApiKey:
    """Raises NotFound."""
    key = session.scalars(select(ApiKey).where(ApiKey.id == key_id, ApiKey.site_id == site_id)).one_or_none()
    if key is None:
        raise NotFound
    return key


def rotate(session: Session, *, site_id: UUID, key_id: UUID, overlap: timedelta, actor: str) -> tuple[ApiKey, str]:
    """A new key of the same name, scopes and expiry, and its only showing; the old one ends after `overlap`.

    Audited as issued and, without overlap, as revoked. Raises NotFound, Conflict for one that opens nothing any more.
    """
    old = session.scalars(
        select(ApiKey).where(ApiKey.id == key_id, ApiKey.site_id == site_id).with_for_update()
    ).one_or_none()
    if old is None:
        raise NotFound
    now = session.scalars(select(func.now())).one()
    if old.revoked_at is not None or (old.expires_at is not None and old.expires_at <= now):
        raise Conflict("The key has ended; make a new one.")
    expires_at = old.expires_at
    if overlap:
        old.expires_at = min(now + overlap, expires_at or now + overlap)
    else:
        sites.revoke_key(session, site_id=site_id, key_id=key_id, actor=actor)
    scopes = [Scope(scope) for scope in old.scopes]
    return sites.issue_key(session, site_id=site_id, name=old.name, scopes=scopes, expires_at=expires_at, actor=actor)
