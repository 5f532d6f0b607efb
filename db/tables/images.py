"""What came in: Studies, Images, and who they are of, sealed."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from core.vocabulary import MediaKind
from db.tables.base import Base, key_column, now_column, one_of


class Study(Base):
    """One exam of a Site."""

    __tablename__ = "study"
    __table_args__ = (UniqueConstraint("site_id", "study_instance_uid"),)
    id: Mapped[UUID] = key_column()
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"))
    study_instance_uid: Mapped[str]
    created_at: Mapped[datetime] = now_column()


class Image(Base):
    """A stored radiograph, by its content; sizes in bytes and pixels of the file.

    It is stored de-identified: `sha256` is of the stored bytes, `received_sha256` of the file as it came, and UIDs are
    those of the stored instance. `attributes`: DICOM JSON (PS3.18 F) of what a search answers. `quarantined`: patient
    data may be burned into its pixels and nobody has looked yet: its jobs are held. `reduced_…`: of the copy of 512 px
    beside it, if there is one: what made it, and its SHA-256.
    """

    __tablename__ = "image"
    __table_args__ = (
        UniqueConstraint("site_id", "sha256"),
        UniqueConstraint("site_id", "sop_instance_uid"),
        one_of("media_kind", MediaKind),
        CheckConstraint("length(sha256) = 64", name="sha256_length"),
        CheckConstraint("size_bytes > 0 AND rows > 0 AND columns > 0 AND bits_stored > 0", name="sizes_positive"),
        CheckConstraint("length(received_sha256) = 64", name="received_sha256_length"),
        CheckConstraint("(reduced_revision IS NULL) = (reduced_sha256 IS NULL)", name="reduced_whole"),
        Index("ix_image_received", "site_id", "received_sha256"),
        Index("ix_image_study", "study_id"),
    )
    id: Mapped[UUID] = key_column()
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"))
    study_id: Mapped[UUID | None] = mapped_column(ForeignKey("study.id"))
    sha256: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    media_kind: Mapped[str]
    rows: Mapped[int]
    columns: Mapped[int]
    bits_stored: Mapped[int]
    transfer_syntax: Mapped[str | None]
    photometric_interpretation: Mapped[str | None]
    modality: Mapped[str | None]
    body_part: Mapped[str | None]
    sop_class_uid: Mapped[str | None]
    sop_instance_uid: Mapped[str | None]
    series_instance_uid: Mapped[str | None]
    received_sha256: Mapped[str | None]
    attributes: Mapped[dict[str, Any] | None]
    quarantined: Mapped[bool] = mapped_column(server_default=false())
    reduced_revision: Mapped[str | None]
    reduced_sha256: Mapped[str | None]
    created_at: Mapped[datetime] = now_column()


class SealedIdentity(Base):
    """The Identity of one Image, sealed with its Site's key: the only place that knows the patient.

    `patient`: the Patient ID that the stored instance has (a keyed hash of its own), by which a patient's images are
    found for erasure; empty where the instance had none.
    """

    __tablename__ = "sealed_identity"
    __table_args__ = (Index("ix_sealed_identity_patient", "site_id", "patient"),)
    image_id: Mapped[UUID] = mapped_column(ForeignKey("image.id", ondelete="CASCADE"), primary_key=True)
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"))
    patient: Mapped[str] = mapped_column(server_default="")
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = now_column()
