"""The instances of a Site: those that it stores, and those that are made of their results when they are asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from api.dicomweb.urls import Names, not_found
from core import transfer_syntaxes as syntaxes
from core.vocabulary import DICOM_REPORTS, ReportKind
from db.repositories import instances
from db.repositories.instances import StoredInstance
from db.repositories.sites import Principal
from db.session import Session
from reports.identifiers import instance_uid, series_uid
from reports.marks import series_description

Json = dict[str, Any]

PRODUCED_MODALITIES = frozenset(form.modality for form in DICOM_REPORTS.values())
# What a produced instance has of its image: patient and study (PS3.3 C.7.1, C.7.2).
_SHARED = frozenset(
    {"00080005", "00080020", "00080030", "00080050", "00080090", "00081030", "00100010", "00100020", "00100021"}
    | {"00100030", "00100040", "0020000D", "00200010"}
)


@dataclass(frozen=True, slots=True)
class Produced:
    """Which form of which Job's result an instance is."""

    job_id: UUID
    kind: ReportKind


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance, by its stored UIDs. `attributes`: DICOM JSON of what searches answer.

    `stored` is the Image that it is, or that its result is of; `produced` is None of the Image itself.
    """

    study: str
    series: str
    instance: str
    sop_class: str
    transfer_syntax: str
    attributes: Json
    stored: StoredInstance
    produced: Produced | None = None

    @property
    def subject(self) -> str:
        """What the audit log calls it."""
        if self.produced is not None:
            return f"job {self.produced.job_id}"
        return f"image {self.stored.image_id}"


def of_study(
    session: Session, *, site_id: UUID, study_id: UUID, only: Collection[str] | None = None, bare: bool = False
) -> Iterator[Instance]:
    """Every instance of a Study, an image before what was made of it. `bare` leaves the image's attributes out; `only`
    are the SOP Instance UIDs of the images to look at.
    """
    for stored in instances.of_study(session, site_id=site_id, study_id=study_id, only=only, bare=bare):
        yield _stored(stored)
        for job_id in stored.jobs:
            for kind in DICOM_REPORTS:
                yield _produced(stored, job_id, kind)


def _stored(stored: StoredInstance) -> Instance:
    return Instance(
        study=stored.study_instance_uid,
        series=stored.series_instance_uid,
        instance=stored.sop_instance_uid,
        sop_class=stored.sop_class_uid,
        transfer_syntax=stored.transfer_syntax,
        attributes=stored.attributes,
        stored=stored,
    )


def _produced(stored: StoredInstance, job_id: UUID, kind: ReportKind) -> Instance:
    form = DICOM_REPORTS[kind]
    produced = Produced(job_id, kind)
    series, instance = series_uid(produced, kind, home=False), instance_uid(produced, kind, home=False)
    attributes = {tag: element for tag, element in stored.attributes.items() if tag in _SHARED} | {
        "00080016": {"vr": "UI", "Value": [form.sop_class]},
        "00080018": {"vr": "UI", "Value": [instance]},
        "00080060": {"vr": "CS", "Value": [form.modality]},
        "0008103E": {"vr": "LO", "Value": [series_description(kind)]},
        "0020000E": {"vr": "UI", "Value": [series]},
        "00200011": {"vr": "IS", "Value": [form.series_number]},
        "00200013": {"vr": "IS", "Value": [1]},
    }
    return Instance(
        study=stored.study_instance_uid,
        series=series,
        instance=instance,
        sop_class=form.sop_class,
        transfer_syntax=syntaxes.EXPLICIT,
        attributes=attributes,
        stored=stored,
        produced=produced,
    )


def find(
    session: Session,
    principal: Principal,
    names: Names,
    *,
    study: str,
    series: str | None = None,
    instance: str | None = None,
) -> list[Instance]:
    """What the UIDs of a URL, original or stored, name. Raises NotFound where it is nothing of this Site."""
    study_id = instances.find_study(session, site_id=principal.site_id, uids=names.meant(study))
    if study_id is None:
        raise not_found()
    in_series = names.meant(series) if series is not None else None
    alone = names.meant(instance) if instance is not None else None
    of_it = partial(of_study, session, site_id=principal.site_id, study_id=study_id, bare=True)
    # An image is looked up; what is made of results is known only when all of them are gone through.
    for every in (of_it(only=alone), of_it()) if alone is not None else (of_it(),):
        found = [
            one
            for one in every
            if (in_series is None or one.series in in_series) and (alone is None or one.instance in alone)
        ]
        if found:
            return found
    raise not_found()
