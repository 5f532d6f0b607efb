"""Images and their Studies, get-or-create by content."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from core.errors import InstanceConflict, NotFound
from core.vocabulary import MediaKind
from db.tables import Image, Study


def add(  # noqa: PLR0913 — one keyword a column
    session: Session,
    *,
    site_id: UUID,
    sha256: str,
    size_bytes: int,
    media_kind: MediaKind,
    rows: int,
    columns: int,
    bits_stored: int,
    transfer_syntax: str | None = None,
    photometric_interpretation: str | None = None,
    modality: str | None = None,
    body_part: str | None = None,
    sop_class_uid: str | None = None,
    sop_instance_uid: str | None = None,
    series_instance_uid: str | None = None,
    study_instance_uid: str | None = None,
    received_sha256: str | None = None,
    quarantined: bool = False,
    attributes: dict[str, Any] | None = None,
) -> Image:
    """The Site's Image of this content, made where it is new; its Study too.

    Raises InstanceConflict where the Site knows the SOP Instance UID with other content. Safe beside the same upload.
    """
    study_id = None if study_instance_uid is None else _study(session, site_id, study_instance_uid)
    made = session.scalars(
        insert(Image)
        .values(
            id=uuid7(),
            site_id=site_id,
            study_id=study_id,
            sha256=sha256,
            size_bytes=size_bytes,
            media_kind=media_kind.value,
            rows=rows,
            columns=columns,
            bits_stored=bits_stored,
            transfer_syntax=transfer_syntax,
            photometric_interpretation=photometric_interpretation,
            modality=modality,
            body_part=body_part,
            sop_class_uid=sop_class_uid,
            sop_instance_uid=sop_instance_uid,
            series_instance_uid=series_instance_uid,
            received_sha256=received_sha256,
            quarantined=quarantined,
            attributes=attributes,
        )
        .on_conflict_do_nothing()
        .returning(Image)
    ).one_or_none()
    if made is not None:
        return made
    known = session.scalars(select(Image).where(Image.site_id == site_id, Image.sha256 == sha256)).one_or_none()
    if known is None:
        raise InstanceConflict
    if known.received_sha256 is None:  # stored by the release before
        known.received_sha256 = received_sha256
    return known


def received(session: Session, *, site_id: UUID, received_sha256: str) -> Image | None:
    """The Site's Image that was made of a file with this SHA-256, if there is one."""
    return session.scalars(
        select(Image)
        .where(Image.site_id == site_id, Image.received_sha256 == received_sha256)
        .order_by(Image.created_at)
        .limit(1)
    ).one_or_none()


def get(session: Session, *, site_id: UUID, image_id: UUID) -> Image:
    """Raises NotFound, also for another Site's."""
    image = session.get(Image, image_id)
    if image is None or image.site_id != site_id:
        raise NotFound
    return image


def with_study(session: Session, *, site_id: UUID, image_id: UUID) -> tuple[Image, str | None]:
    """The Image and its Study Instance UID. Raises NotFound, also for another Site's."""
    image = get(session, site_id=site_id, image_id=image_id)
    study = session.get(Study, image.study_id) if image.study_id is not None else None
    return image, study.study_instance_uid if study is not None else None


def is_known(session: Session, *, site_id: UUID, sha256: str) -> bool:
    """Whether an Image of the Site holds this content."""
    held = select(Image.id).where(Image.site_id == site_id, Image.sha256 == sha256)
    return session.scalars(held).one_or_none() is not None


def lock_content(session: Session, *, site_id: UUID, sha256: str) -> None:
    """Wait for, and hold until the transaction ends, the name of this content of this Site (its 64-bit hash).

    For who puts or removes the object and its row: two of them would else each look before the other commits.
    """
    name = f"lucency.content.{site_id}.{sha256}"
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))


def _study(session: Session, site_id: UUID, study_instance_uid: str) -> UUID:
    session.execute(
        insert(Study)
        .values(id=uuid7(), site_id=site_id, study_instance_uid=study_instance_uid)
        .on_conflict_do_nothing()
    )
    return session.scalars(
        select(Study.id).where(Study.site_id == site_id, Study.study_instance_uid == study_instance_uid)
    ).one()
