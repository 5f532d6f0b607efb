"""What the name of a class says: a region, fractured or not, abnormal or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from trainer.datasets.files import plain
from trainer.datasets.records import Record

FRACTURED = frozenset({"fractured", "fracture", "fractures", "broken"})
NOT_FRACTURED = frozenset(
    {"not_fractured", "unfractured", "non_fractured", "nonfractured", "no_fracture", "not_fracture", "nofracture"}
)
ABNORMAL = frozenset({"abnormal", "positive"})
NORMAL = frozenset({"normal", "negative", "healthy"})
KNOWN = FRACTURED | NOT_FRACTURED | ABNORMAL | NORMAL
# MURA's seven, and what other sets add.
REGIONS = frozenset(
    {"elbow", "finger", "forearm", "hand", "humerus", "shoulder", "wrist"}
    | {"ankle", "arm", "clavicle", "femur", "foot", "hip", "knee", "leg", "pelvis", "spine", "tibia"}
)


def class_columns(names: tuple[str, ...]) -> dict[str, str]:
    """`class`, and `region` where a name says it: ("XR_ELBOW", "Not fractured") is the class elbow.not_fractured.

    The first name that is no region is the class; what is below it (a patient's folder) says nothing about it.
    """
    region, word = "", ""
    for name in map(plain, names):
        first, _, rest = name.removeprefix("xr_").partition("_")
        if not region and first in REGIONS and (rest in KNOWN or not rest):
            region, word = first, word or rest
        else:
            word = word or name
    columns = {"class": ".".join(part for part in (region, word) if part)}
    return {**columns, "region": region} if region else columns


def labelled(records: list[Record]) -> list[Record]:
    """With `fractured` or `abnormal` where the classes' names say it; `normal` is the opposite of what there is.

    `positive` and `abnormal` become `abnormal`, never `fractured`: abnormal bones need not be broken.
    """
    words = {word for record in records for word in _words(record)}
    column = "fractured" if words & (FRACTURED | NOT_FRACTURED) else "abnormal"
    positive, negative = (FRACTURED, NOT_FRACTURED | NORMAL) if column == "fractured" else (ABNORMAL, NORMAL)
    if not words & positive or not words & negative:
        return records
    values = {**dict.fromkeys(negative, "0"), **dict.fromkeys(positive, "1")}
    return [_with(record, column, values) for record in records]


def _with(record: Record, column: str, values: Mapping[str, str]) -> Record:
    said = {values[word] for word in _words(record) & set(values)}
    return replace(record, columns={**record.columns, column: said.pop()}) if len(said) == 1 else record


def _words(record: Record) -> set[str]:
    return {plain(word) for word in record.columns.get("class", "").split(".")}
