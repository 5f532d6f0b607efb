"""Sites and their API keys."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from core.errors import NotFound, Unauthorized
from core.vocabulary import AuditAction, Scope
from db.repositories import audit
from db.session import BIND
from db.tables import ApiKey, Site

MARK = "lcy_"
# A key in use is written to once in this time, not with every request.
USED_STEP = timedelta(minutes=1)


# A row of `site` (migration 0005) that no user is a member of and no key opens. It is the Site of an operator who is
# a member of none, and its audit chain holds what is done to the platform itself.
PLATFORM = UUID(int=0)

_READMIT = text(f"""
{BIND}, EXISTS (
    SELECT FROM api_key JOIN site ON site.id = api_key.site_id
    WHERE api_key.id = :key_id AND api_key.site_id = CAST(:site AS uuid) AND api_key.revoked_at IS NULL
        AND (api_key.expires_at IS NULL OR api_key.expires_at > now()) AND site.disabled_at IS NULL
) AS admitted
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who asks, and at which Site: one of its keys, or a signed-in user; exactly one of both ids is set."""

    site_id: UUID
    scopes: frozenset[Scope]
    key_id: UUID | None = None
    user_id: UUID | None = None

    @property
    def actor(self) -> str:
        """How the audit log names who asks."""
        return f"user {self.user_id}" if self.user_id is not None else f"key {self.key_id}"


def create_site(session: Session, name: str) -> Site:
    """A new Site; the name must be new (IntegrityError at flush)."""
    site = Site(name=name)
    session.add(site)
    session.flush()
    return site


def get_or_create_site(session: Session, name: str) -> Site:
    """The Site of this name, made where it is not there; safe beside another process doing the same."""
    session.execute(insert(Site).values(id=uuid7(), name=name).on_conflict_do_nothing(index_elements=["name"]))
    return session.scalars(select(Site).where(Site.name == name)).one()


def find(session: Session, wanted: str) -> Site | None:
    """The Site of this id or name."""
    with suppress(ValueError):
        found = session.get(Site, UUID(wanted))
        if found is not None:
            return found
    return session.scalars(select(Site).where(Site.name == wanted)).one_or_none()


def get(session: Session, site_id: UUID) -> Site:
    """Raises NotFound."""
    site = session.get(Site, site_id)
    if site is None:
        raise NotFound
    return site


def issue_key(
    session: Session,
    *,
    site_id: UUID,
    name: str,
    scopes: Iterable[Scope],
    expires_at: datetime | None = None,
    actor: str = "cli",
) -> tuple[ApiKey, str]:
    """A new key and its only showing, `lcy_<prefix>.<secret>`; with an audit record. Raises NotFound (the Site)."""
    if session.get(Site, site_id) is None:
        raise NotFound
    prefix = secrets.token_hex(6)
    presented = f"{MARK}{prefix}.{secrets.token_urlsafe(32)}"
    key = ApiKey(
        site_id=site_id,
        name=name,
        prefix=prefix,
        secret_sha256=_digest(presented),
        scopes=sorted(scope.value for scope in set(scopes)),
        expires_at=expires_at,
    )
    session.add(key)
    session.flush()
    granted = {"prefix": f"{MARK}{prefix}", "scopes": list(key.scopes)}
    audit.append(
        session, site_id=site_id, actor=actor, action=AuditAction.KEY_ISSUED, subject=f"key {key.id}", detail=granted
    )
    return key, presented


def key_of_prefix(session: Session, presented: str) -> ApiKey:
    """The key that begins so, with or without its secret. Raises NotFound."""
    prefix = presented.removeprefix(MARK).partition(".")[0]
    key = session.scalars(select(ApiKey).where(ApiKey.prefix == prefix)).one_or_none()
    if key is None:
        raise NotFound("There is no such key.")
    return key


def revoke_key(session: Session, *, site_id: UUID, key_id: UUID, actor: str = "cli") -> None:
    """From now on the key opens nothing; with an audit record. Raises NotFound."""
    key = session.get(ApiKey, key_id)
    if key is None or key.site_id != site_id:
        raise NotFound
    if key.revoked_at is not None:
        return
    key.revoked_at = session.scalar(select(func.now()))
    audit.append(session, site_id=site_id, actor=actor, action=AuditAction.KEY_REVOKED, subject=f"key {key.id}")


def authenticate(session: Session, presented: str) -> Principal:
    """Who presents this key, marked as used.

    Raises Unauthorized for one that is malformed, unknown, revoked or expired, or whose Site is disabled.
    """
    prefix = presented.removeprefix(MARK).partition(".")[0]
    # A NUL cannot be sent to Postgres, and no key of ours is anything but ASCII.
    usable = presented.startswith(MARK) and prefix.isascii() and prefix.isalnum()
    unmarked = or_(ApiKey.used_at.is_(None), ApiKey.used_at < func.now() - USED_STEP)
    found = session.execute(
        # Columns, not the entity: this is asked with every request.
        select(ApiKey.id, ApiKey.site_id, ApiKey.scopes, ApiKey.secret_sha256, unmarked.label("unmarked"))
        .join(Site, Site.id == ApiKey.site_id)
        .where(
            ApiKey.prefix == (prefix if usable else ""),
            ApiKey.revoked_at.is_(None),
            or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > func.now()),
            Site.disabled_at.is_(None),
        )
    ).one_or_none()
    expected = found.secret_sha256 if found is not None else _digest("")
    if not hmac.compare_digest(expected, _digest(presented)) or found is None:
        raise Unauthorized
    if found.unmarked:
        _mark_used(session, found.id)
    return Principal(site_id=found.site_id, key_id=found.id, scopes=frozenset(map(Scope, found.scopes)))


def readmit(session: Session, principal: Principal) -> bool:
    """Bind the transaction to the Site of a key that was authenticated seconds ago, in one statement; whether the key
    still opens it. What was authenticated then is not compared again.
    """
    admitted: bool = (
        session.execute(_READMIT, {"site": str(principal.site_id), "key_id": principal.key_id}).one().admitted
    )
    return admitted


def _mark_used(session: Session, key_id: UUID) -> None:
    # Another request with the same key may be about it, and waits for nobody: one of them does.
    free = select(ApiKey.id).where(ApiKey.id == key_id).with_for_update(skip_locked=True).scalar_subquery()
    session.execute(
        update(ApiKey).where(ApiKey.id == free).values(used_at=func.now()).execution_options(synchronize_session=False)
    )


def _digest(presented: str) -> str:
    return hashlib.sha256(presented.encode("utf-8", "surrogatepass")).hexdigest()
