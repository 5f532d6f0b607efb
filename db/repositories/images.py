"""Images and their Studies, get-or-create by content."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from core.errors import InstanceConflict, NotFound
from core.vocabulary import MediaKind
from db.tables import Image, Study

# Study, Image and Identity in one statement. What another transaction made of the Study meanwhile is waited for, and
# named all the same: an update that changes nothing gives its row back.
_ADD = text("""
WITH known AS (
    SELECT id FROM study WHERE site_id = :site_id AND study_instance_uid = CAST(:study_instance_uid AS text)
), made AS (
    INSERT INTO study (id, site_id, study_instance_uid)
    SELECT :study_id, :site_id, :study_instance_uid
    WHERE CAST(:study_instance_uid AS text) IS NOT NULL AND NOT EXISTS (SELECT FROM known)
    ON CONFLICT (site_id, study_instance_uid) DO UPDATE SET study_instance_uid = excluded.study_instance_uid
    RETURNING id
), added AS (
    INSERT INTO image (id, site_id, study_id, sha256, size_bytes, media_kind, rows, columns, bits_stored,
        transfer_syntax, photometric_interpretation, modality, body_part, sop_class_uid, sop_instance_uid,
        series_instance_uid, received_sha256, quarantined, attributes, reduced_revision, reduced_sha256)
    SELECT :id, :site_id, (SELECT id FROM known UNION ALL SELECT id FROM made), :sha256, :size_bytes, :media_kind,
        :rows, :columns, :bits_stored, :transfer_syntax, :photometric_interpretation, :modality, :body_part,
        :sop_class_uid, :sop_instance_uid, :series_instance_uid, :received_sha256, :quarantined,
        CAST(:attributes AS jsonb), :reduced_revision, :reduced_sha256
    ON CONFLICT DO NOTHING RETURNING *
), kept AS (
    INSERT INTO sealed_identity (image_id, site_id, sealed, patient)
    SELECT id, site_id, CAST(:sealed AS bytea), :patient FROM added WHERE CAST(:sealed AS bytea) IS NOT NULL
)
SELECT * FROM added
""")


@dataclass(frozen=True, slots=True)
class Reduced:
    """The copy of 512 px that is stored beside an Image: what made it (`imaging.reduced.revision`), and its SHA-256."""

    revision: str
    sha256: str


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
    reduced: Reduced | None = None,
    image_id: UUID | None = None,
    sealed: bytes | None = None,
    patient: str = "",
) -> Image:
    """The Site's Image of this content, made where it is new; its Study too. One statement where it is new.

    A new one has `image_id`, if it is given, and its Identity: `sealed` and `patient` as `identities.keep` takes them.
    Raises InstanceConflict where the Site knows the SOP Instance UID with other content. Safe beside the same upload.
    """
    values = {
        "id": image_id or uuid7(),
        "site_id": site_id,
        "study_id": uuid7(),
        "study_instance_uid": study_instance_uid,
        "sha256": sha256,
        "size_bytes": size_bytes,
        "media_kind": media_kind.value,
        "rows": rows,
        "columns": columns,
        "bits_stored": bits_stored,
        "transfer_syntax": transfer_syntax,
        "photometric_interpretation": photometric_interpretation,
        "modality": modality,
        "body_part": body_part,
        "sop_class_uid": sop_class_uid,
        "sop_instance_uid": sop_instance_uid,
        "series_instance_uid": series_instance_uid,
        "received_sha256": received_sha256,
        "quarantined": quarantined,
        "attributes": None if attributes is None else json.dumps(attributes),
        "reduced_revision": None if reduced is None else reduced.revision,
        "reduced_sha256": None if reduced is None else reduced.sha256,
        "sealed": sealed,
        "patient": patient,
    }
    made: Image | None = session.scalars(select(Image).from_statement(_ADD), values).one_or_none()
    if made is not None:
        return made
    known = session.scalars(select(Image).where(Image.site_id == site_id, Image.sha256 == sha256)).one_or_none()
    if known is None:
        raise InstanceConflict
    if known.received_sha256 is None:  # stored by the release before
        known.received_sha256 = received_sha256
    return known


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


def content_name(site_id: UUID, sha256: str) -> str:
    """What `lock_content` locks."""
    return f"lucency.content.{site_id}.{sha256}"


def lock_content(session: Session, *, site_id: UUID, sha256: str) -> None:
    """Wait for, and hold until the transaction ends, the name of this content of this Site (its 64-bit hash).

    For who puts or removes the object and its row: two of them would else each look before the other commits.
    """
    name = content_name(site_id, sha256)
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))


def take_back(session: Session, *, site_id: UUID, sha256: str) -> bool:
    """Whether the object of this content may be removed: no Image of the Site holds it. Remove it in this transaction.

    It is counted (`count_removal`): an upload that put the same object meanwhile looks whether it is still there.
    """
    lock_content(session, site_id=site_id, sha256=sha256)
    if is_known(session, site_id=site_id, sha256=sha256):
        return False
    count_removal(session)
    return True


def count_removal(session: Session) -> None:
    """Counted at once, whatever becomes of the transaction: an object that an upload may have put is about to go."""
    session.execute(text("SELECT nextval('content_taken_back')"))
