"""QIDO-RS: studies, series and instances that match, as DICOM JSON (PS3.18 section 10.6)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from api.dicomweb import instances as catalogue
from api.dicomweb.instances import PRODUCED_MODALITIES, Instance
from api.dicomweb.matching import MODALITIES_IN_STUDY
from api.dicomweb.query import STUDY_UID, Level, Query
from api.dicomweb.urls import Urls
from db.repositories import instances
from db.repositories.instances import Narrowing
from db.session import Session

Json = dict[str, Any]

STUDY_DATE, MODALITY = "00080020", "00080060"
# A search looks at so many studies and gives up: the answer says that there may be more.
MAX_STUDIES = 20_000

# PS3.18 tables 10.6.3-3, 10.6.3-4 and 10.6.3-5: what every answer has, by level; and what viewers list beside it.
REQUIRED = {
    Level.STUDY: frozenset(
        {"00080005", "00080020", "00080030", "00080050", "00080056", "00080061", "00080090", "00080201", "00081030"}
        | {"00081190", "00100010", "00100020", "00100030", "00100040", "0020000D", "00200010", "00201206", "00201208"}
    ),
    Level.SERIES: frozenset(
        {"00080060", "0008103E", "0020000E", "00200011", "00201209", "00400244", "00400245", "00400275", "00180015"}
    ),
    Level.INSTANCE: frozenset({"00080016", "00080018", "00200013", "00280010", "00280011", "00280100", "00280008"}),
}
# Required even where there is nothing to say.
_EMPTY = {
    "00080020": "DA", "00080030": "TM", "00080050": "SH", "00080090": "PN", "00100010": "PN", "00100020": "LO",
    "00100030": "DA", "00100040": "CS", "00200010": "SH",
}  # fmt: skip
_UPPER = {
    Level.STUDY: REQUIRED[Level.STUDY],
    Level.SERIES: REQUIRED[Level.STUDY] | REQUIRED[Level.SERIES],
    Level.INSTANCE: REQUIRED[Level.STUDY] | REQUIRED[Level.SERIES] | REQUIRED[Level.INSTANCE],
}


@dataclass(slots=True)
class Group:
    """What a study or a series is told by: its first instance, and counts over all of them."""

    first: Instance
    instances: int = 0
    series: set[str] = field(default_factory=set)
    modalities: set[str] = field(default_factory=set)
    matched: bool = False

    def count(self, instance: Instance) -> None:
        self.instances += 1
        self.series.add(instance.series)
        self.modalities.update(str(value) for value in instance.attributes.get(MODALITY, {}).get("Value", ()))


@dataclass(frozen=True, slots=True)
class Found:
    """A page of answers; `more` tells that there are, or may be, further ones."""

    items: list[Json]
    more: bool


def search(session: Session, *, site_id: UUID, query: Query, urls: Urls) -> Found:
    """The page of matches that `query` asks for, studies newest first."""
    items: list[Json] = []
    passed = 0
    for number, study_id in enumerate(instances.studies(session, site_id=site_id, narrowing=_narrowing(query))):
        if number >= MAX_STUDIES:
            return Found(items, more=True)
        for item in _matches(query, catalogue.of_study(session, site_id=site_id, study_id=study_id), urls):
            if passed < query.offset:
                passed += 1
            elif len(items) >= query.limit:
                return Found(items, more=True)
            else:
                items.append(item)
        session.expunge_all()
    return Found(items, more=False)


def _narrowing(query: Query) -> Narrowing:
    """What the database can leave out: never more than what cannot match. Matching itself is done here."""
    dates = next((key.values for key in query.keys if key.path == (STUDY_DATE,)), ())
    asked = [key.values for key in query.keys if key.path in ((MODALITY,), (MODALITIES_IN_STUDY,))]
    modalities = next((values for values in asked if not _may_be_produced(values)), ())
    return Narrowing(studies=query.uids(STUDY_UID), dates=_dates(dates), modalities=modalities)


def _may_be_produced(modalities: Iterable[str]) -> bool:
    return any(name in PRODUCED_MODALITIES or "*" in name or "?" in name for name in modalities)


def _dates(values: tuple[str, ...]) -> tuple[str, str] | None:
    if len(values) != 1:
        return None
    low, hyphen, high = values[0].partition("-")
    return (low, high) if hyphen else (low, low)


def _matches(query: Query, found: Iterator[Instance], urls: Urls) -> Iterator[Json]:
    """The matches of one study: the study itself, its series, or its instances."""
    study: Group | None = None
    series: dict[str, Group] = {}
    kept: list[Instance] = []
    for instance in found:
        study = study or Group(instance)
        study.count(instance)
        own = series.setdefault(instance.series, Group(instance))
        own.count(instance)
        if _fits(query, instance):
            study.matched = own.matched = True
            if query.level is Level.INSTANCE:
                kept.append(instance)
    if study is None or not study.matched or not _modalities_fit(query, study):
        return
    if query.level is Level.STUDY:
        yield _answer(query, study.first, study, None, urls)
    elif query.level is Level.SERIES:
        for group in series.values():
            if group.matched:
                yield _answer(query, group.first, study, group, urls)
    else:
        for instance in kept:
            yield _answer(query, instance, study, series[instance.series], urls)


def _fits(query: Query, instance: Instance) -> bool:
    """Keys of a lower level than what is searched for match where any instance below does."""
    return all(key.matches(instance.attributes) for key in query.keys if key.tag != MODALITIES_IN_STUDY)


def _modalities_fit(query: Query, study: Group) -> bool:
    present = {MODALITIES_IN_STUDY: {"Value": sorted(study.modalities)}}
    return all(key.matches(present) for key in query.keys if key.tag == MODALITIES_IN_STUDY)


def _answer(query: Query, instance: Instance, study: Group, series: Group | None, urls: Urls) -> Json:
    made: Json = {tag: {"vr": vr} for tag, vr in _EMPTY.items()} | instance.attributes
    made |= {
        "00080056": {"vr": "CS", "Value": ["ONLINE"]},
        "00080061": {"vr": "CS", "Value": sorted(study.modalities)},
        "00201206": {"vr": "IS", "Value": [len(study.series)]},
        "00201208": {"vr": "IS", "Value": [study.instances]},
    }
    url = urls.study(instance.study)
    if series is not None:
        url = urls.series(instance.study, instance.series)
        made["00201209"] = {"vr": "IS", "Value": [series.instances]}
    if query.level is Level.INSTANCE:
        url = urls.instance(instance.study, instance.series, instance.instance)
    made["00081190"] = {"vr": "UR", "Value": [url]}
    wanted = _UPPER[query.level]
    if query.fields is None:
        wanted = frozenset(made) - _below(query.level)
    else:
        wanted |= query.fields - _below(query.level)
    return {tag: made[tag] for tag in sorted(made) if tag in wanted}


def _below(level: Level) -> frozenset[str]:
    """Attributes that are another's for each member of what is searched for."""
    if level is Level.INSTANCE:
        return frozenset()
    instance = REQUIRED[Level.INSTANCE]
    return instance if level is Level.SERIES else instance | REQUIRED[Level.SERIES]
