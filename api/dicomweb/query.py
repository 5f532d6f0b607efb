"""The query of a QIDO-RS request (PS3.18 section 8.3.4) → what is asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from api.dicomweb.matching import MODALITIES_IN_STUDY, RANGED, Key
from api.dicomweb.urls import Names
from core.errors import RequestInvalid
from imaging.deidentify import pseudonym
from imaging.dicom_json import tag_of, vr_of

STUDY_UID, SERIES_UID, INSTANCE_UID = "0020000D", "0020000E", "00080018"
PATIENT_ID = "00100020"
REMAPPED = frozenset({STUDY_UID, SERIES_UID, INSTANCE_UID})
MAX_RESULTS = 1000
DEFAULT_RESULTS = 200
MAX_OFFSET = 1_000_000
MAX_VALUES = 500
MAX_KEYS = 50
EVERY_FIELD = "all"
_RANGE = {
    "DA": re.compile(r"\d{8}|\d{8}-|-\d{8}|\d{8}-\d{8}"),
    "TM": re.compile(r"(\d{2,6}(\.\d{1,6})?)?-?(\d{2,6}(\.\d{1,6})?)?"),
    "DT": re.compile(r"[\d.+]*-?[\d.+]*"),
}


class Level(IntEnum):
    """What is searched for."""

    STUDY = 0
    SERIES = 1
    INSTANCE = 2


@dataclass(frozen=True, slots=True)
class Query:
    """A search: all of `keys` must match; `fields` are tags to give beside the required ones, None for every one."""

    level: Level
    keys: tuple[Key, ...]
    fields: frozenset[str] | None
    limit: int
    offset: int
    fuzzy: bool

    def uids(self, tag: str) -> tuple[str, ...]:
        """The UIDs of which one is asked for; none where any is."""
        return next((key.values for key in self.keys if key.path == (tag,)), ())


def read_query(level: Level, parameters: Iterable[tuple[str, str]], path: dict[str, str], names: Names) -> Query:
    """`path` are the UIDs in the URL, by tag. Raises RequestInvalid for what the standard does not know."""
    keys = [Key((tag,), "UI", names.meant(uid)) for tag, uid in path.items()]
    fields: set[str] | None = set()
    limit, offset, fuzzy = DEFAULT_RESULTS, 0, False
    for name, value in parameters:
        if name == "limit":
            limit = min(_whole(name, value), MAX_RESULTS)
        elif name == "offset":
            offset = _whole(name, value)
        elif name == "fuzzymatching":
            fuzzy = value.lower() == "true"
        elif name == "includefield":
            fields = _fields(fields, value)
        elif name != "accept":
            key = _key(name, value, names)
            if key is not None:
                keys.append(key)
    if len(keys) > MAX_KEYS or offset > MAX_OFFSET:
        raise RequestInvalid("The search asks for too much at once.")
    return Query(level, tuple(keys), None if fields is None else frozenset(fields), limit, offset, fuzzy)


def _whole(name: str, value: str) -> int:
    if not value.isascii() or not value.isdecimal() or len(value) > 9:
        raise RequestInvalid(f"{name} must be a whole number.")
    return int(value)


def _fields(fields: set[str] | None, value: str) -> set[str] | None:
    for name in value.split(","):
        if name.strip().lower() == EVERY_FIELD:
            return None
        tag = tag_of(name.strip().split(".", 1)[0])
        if tag is None:
            raise RequestInvalid("includefield names an attribute that the dictionary does not know.")
        if fields is not None:
            fields.add(tag)
    return fields


def _key(name: str, value: str, names: Names) -> Key | None:
    """None where an empty value matches everything (PS3.4 C.2.2.2.3)."""
    tags = [tag_of(part) for part in name.split(".")]
    if len(tags) > 4 or any(tag is None for tag in tags):
        raise RequestInvalid("A search parameter is no attribute that the dictionary knows.")
    path = tuple(tag for tag in tags if tag is not None)
    vr = vr_of(path[-1])
    if value.strip() in ("", "*"):
        return None
    values = re.split(r"[,\\]", value) if vr == "UI" or path[-1] == MODALITIES_IN_STUDY else [value]
    asked = [part.strip() for part in values if part.strip()]
    if len(asked) > MAX_VALUES:
        raise RequestInvalid(f"A search parameter may list at most {MAX_VALUES} values.")
    if vr in RANGED and not all(_RANGE[vr].fullmatch(part) for part in asked):
        raise RequestInvalid("A date or time to search for must be a DICOM one, or a range of two with a hyphen.")
    return Key(path, vr, tuple(stored for part in asked for stored in _meant(path, part, names)))


def _meant(path: tuple[str, ...], value: str, names: Names) -> tuple[str, ...]:
    """A value as it is, and as the Site stores it in the original's place."""
    if len(path) == 1 and path[0] in REMAPPED:
        return names.meant(value)
    if path == (PATIENT_ID,) and names.key is not None and "*" not in value and "?" not in value:
        return value, pseudonym(value, names.key)
    return (value,)
