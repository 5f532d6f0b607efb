"""Sealed identities, one per Image at most. Who opens one writes an audit record in the same transaction."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from db.tables import SealedIdentity


def context_of(image_id: UUID) -> str:
    """The context that an Image's Identity is sealed and opened with."""
    return f"identity {image_id}"


def keep(session: Session, *, site_id: UUID, image_id: UUID, sealed: bytes, patient: str = "") -> None:
    """Keep the Identity of an Image, sealed with `context_of`, and the pseudonym of its patient; one that is there
    already stays.
    """
    session.execute(
        insert(SealedIdentity)
        .values(image_id=image_id, site_id=site_id, sealed=sealed, patient=patient)
        .on_conflict_do_nothing(index_elements=["image_id"])
    )


def sealed_of(session: Session, *, site_id: UUID, image_id: UUID) -> bytes | None:
    """The sealed Identity of the Site's Image; None where it has none (PNG and JPEG, or erased)."""
    return session.scalars(
        select(SealedIdentity.sealed).where(SealedIdentity.image_id == image_id, SealedIdentity.site_id == site_id)
    ).one_or_none()
