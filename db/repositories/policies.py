"""How a Site wants its data handled, and its key. A Site without a row has the defaults."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.sealing import InstallationKey, SiteKey
from core.vocabulary import AuditAction, BurnedInPolicy
from db.repositories import audit
from db.tables import SitePolicy


def policy(session: Session, *, site_id: UUID) -> SitePolicy:
    """The Site's row; where it has none, the defaults (a row that is not in the session, without a key)."""
    found = session.get(SitePolicy, site_id)
    if found is not None:
        return found
    return SitePolicy(
        site_id=site_id,
        sealed_key=b"",
        burned_in=BurnedInPolicy.REFUSE.value,
        retention_days=None,
    )


def site_key(session: Session, *, site_id: UUID, installation: InstallationKey) -> SiteKey:
    """The Site's key; made, with the row, where it is missing; safe beside another process doing the same.

    Raises SealBroken where the row was sealed by another installation's key.
    """
    sealed = session.scalars(select(SitePolicy.sealed_key).where(SitePolicy.site_id == site_id)).one_or_none()
    if sealed is None:
        _new_key, made = installation.new_site_key(context=_context(site_id))
        session.execute(insert(SitePolicy).values(site_id=site_id, sealed_key=made).on_conflict_do_nothing())
        sealed = session.scalars(select(SitePolicy.sealed_key).where(SitePolicy.site_id == site_id)).one()
    return installation.site_key(sealed, context=_context(site_id))


COLUMNS = ("burned_in", "retention_days")


def change(
    session: Session, *, site_id: UUID, installation: InstallationKey, values: dict[str, Any], actor: str
) -> SitePolicy:
    """Set the columns named in `values` (`COLUMNS`) and leave the rest; with an audit record, last in the transaction.

    The row is made, with a key, where it is missing. A value out of range is an IntegrityError.
    """
    site_key(session, site_id=site_id, installation=installation)
    row = session.get_one(SitePolicy, site_id, with_for_update=True)
    for name in COLUMNS:
        if name in values:
            setattr(row, name, values[name])
    session.flush()
    changed = {name: values[name] for name in COLUMNS if name in values}
    audit.append(
        session,
        site_id=site_id,
        actor=actor,
        action=AuditAction.SITE_CHANGED,
        subject=f"site {site_id}",
        detail=changed,
    )
    return row


def _context(site_id: UUID) -> str:
    return f"site key {site_id}"
