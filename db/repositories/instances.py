"""Stored DICOM instances as DICOMweb sees them: a Site's studies, newest first, and the Images of each."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, select
from sqlalchemy.orm import Session

from core.vocabulary import JobState
from db.tables import Image, Job, Study

STUDIES_AT_ONCE = 50
IMAGES_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class StoredInstance:
    """One Image that DICOM can name, in no quarantine. `jobs` are its Jobs with a result, oldest first."""

    image_id: UUID
    study_id: UUID
    sha256: str
    size_bytes: int
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax: str
    attributes: dict[str, Any]
    jobs: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What a study must have for its images to be looked at; empty is no condition.

    `instances`, `series` and `modalities`: one of its Images has one of them. `dates`: one has a Study Date between
    these two DICOM dates, inclusive; an empty one is open.
    """

    studies: Collection[str] = ()
    series: Collection[str] = ()
    instances: Collection[str] = ()
    modalities: Collection[str] = ()
    dates: tuple[str, str] | None = None


def studies(session: Session, *, site_id: UUID, narrowing: Narrowing) -> Iterator[UUID]:
    """The ids of the Site's Studies with an instance, newest first; read from the database in batches."""
    before: UUID | None = None
    while True:
        query = _studies(site_id, narrowing)
        if before is not None:
            query = query.where(Study.id < before)
        found = list(session.scalars(query.order_by(Study.id.desc()).limit(STUDIES_AT_ONCE)))
        yield from found
        if len(found) < STUDIES_AT_ONCE:
            return
        before = found[-1]


def _studies(site_id: UUID, narrowing: Narrowing) -> Select[UUID]:
    conditions: list[Any] = [Image.study_id == Study.id, _nameable()]
    if narrowing.series:
        conditions.append(Image.series_instance_uid.in_(narrowing.series))
    if narrowing.instances:
        conditions.append(Image.sop_instance_uid.in_(narrowing.instances))
    if narrowing.modalities:
        conditions.append(Image.modality.in_(narrowing.modalities))
    if narrowing.dates is not None:
        low, high = narrowing.dates
        date = Image.attributes["00080020"]["Value"][0].astext
        conditions.append(and_(date >= low, date <= (high or "99999999")))
    query = select(Study.id).where(Study.site_id == site_id, select(Image.id).where(*conditions).exists())
    return query.where(Study.study_instance_uid.in_(narrowing.studies)) if narrowing.studies else query


def _nameable() -> Any:
    return and_(
        Image.sop_instance_uid.is_not(None),
        Image.series_instance_uid.is_not(None),
        Image.sop_class_uid.is_not(None),
        Image.attributes.is_not(None),
        # Nobody looks at what may have a name in its pixels before it is released.
        Image.quarantined.is_(False),
    )


def of_study(
    session: Session, *, site_id: UUID, study_id: UUID, only: Collection[str] | None = None, bare: bool = False
) -> Iterator[StoredInstance]:
    """The instances of one Study, oldest first; read from the database in batches. `only` are the SOP Instance UIDs to
    look at; `bare` leaves the attributes out.
    """
    after: UUID | None = None
    while True:
        query = (
            select(Image, Study.study_instance_uid)
            .join(Study, Study.id == Image.study_id)
            .where(Image.site_id == site_id, Image.study_id == study_id, _nameable())
        )
        if only is not None:
            query = query.where(Image.sop_instance_uid.in_(only))
        if after is not None:
            query = query.where(Image.id > after)
        rows = session.execute(query.order_by(Image.id).limit(IMAGES_AT_ONCE)).all()
        yield from _instances(session, [(image, uid) for image, uid in rows], study_id=study_id, bare=bare)
        if len(rows) < IMAGES_AT_ONCE:
            return
        after = rows[-1][0].id
        session.expunge_all()


def _instances(
    session: Session, rows: Sequence[tuple[Image, str]], *, study_id: UUID, bare: bool
) -> Iterator[StoredInstance]:
    judged: dict[UUID, list[UUID]] = {}
    done = select(Job.image_id, Job.id).where(
        Job.image_id.in_([image.id for image, _uid in rows]), Job.state == JobState.SUCCEEDED.value
    )
    for image_id, job_id in session.execute(done.order_by(Job.id)):
        judged.setdefault(image_id, []).append(job_id)
    for image, study_uid in rows:
        yield StoredInstance(
            image_id=image.id,
            study_id=study_id,
            sha256=image.sha256,
            size_bytes=image.size_bytes,
            study_instance_uid=study_uid,
            series_instance_uid=image.series_instance_uid or "",
            sop_instance_uid=image.sop_instance_uid or "",
            sop_class_uid=image.sop_class_uid or "",
            transfer_syntax=image.transfer_syntax or "",
            attributes={} if bare else image.attributes or {},
            jobs=tuple(judged.get(image.id, ())),
        )


def find_study(session: Session, *, site_id: UUID, uids: Collection[str]) -> UUID | None:
    """The id of the Site's Study that has one of `uids`."""
    return session.scalars(
        select(Study.id).where(Study.site_id == site_id, Study.study_instance_uid.in_(uids)).limit(1)
    ).one_or_none()
