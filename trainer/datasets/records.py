"""What every layout yields: one Record an image. And what is read from records: a split, the truth of a head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.errors import DataInvalid

# The truth of a label that a record does not state; losses and metrics leave it out.
UNKNOWN = -1


@dataclass(frozen=True, slots=True)
class Record:
    """One image file and what is known about it. `columns` holds every label and column of its row as text.

    Names that mean the same in every data set: `fractured`, `abnormal` and `hardware` (0/1), `region`, `view`, `class`.
    `group` names what must not be torn apart by a split (a patient where patients are known), `source` its data set.
    """

    file: Path
    name: str
    columns: Mapping[str, str]
    split: str | None = None
    group: str | None = None
    patient: str | None = None
    study: str | None = None
    source: str | None = None
    licence: str | None = None


@dataclass(frozen=True, slots=True)
class DataSet:
    """A folder that was read. `records` are images that are there, in a fixed order, `missing` those that a CSV lists
    and that are not there; `notes` are sentences for people: what was left out, counted or made up (a split).
    """

    name: str
    layout: str
    folder: Path
    records: list[Record]
    missing: list[Record]
    licence: str | None
    attribution: tuple[str, ...]
    notes: tuple[str, ...]


def of_split(records: Sequence[Record], split: str) -> list[Record]:
    """The records of one split. Raises DataInvalid where there are none."""
    chosen = [record for record in records if record.split == split]
    if not chosen:
        known = sorted({record.split for record in records if record.split})
        raise DataInvalid(f"no rows of the split {split!r}; there are: {', '.join(known) or 'none'}")
    return chosen


def truth(records: Sequence[Record], *, kind: str, labels: Sequence[str], columns: Sequence[str]) -> NDArray[np.int64]:
    """What the rows say: (n, labels) 0/1 for `sigmoid`, (n,) label index for `softmax`; UNKNOWN where they do not.

    Raises DataInvalid for a 0/1 column that holds something else. A name that is no label of a softmax head is UNKNOWN.
    """
    if kind == "softmax":
        index = {label: position for position, label in enumerate(labels)}
        column = columns[0]
        return np.array(
            [index.get(r.columns.get(column, "").strip().lower(), UNKNOWN) for r in records], dtype=np.int64
        )
    return np.array([[_binary(record, column) for column in columns] for record in records], dtype=np.int64)


def _binary(record: Record, column: str) -> int:
    text = record.columns.get(column, "").strip().lower()
    if text in {"", "nan"}:
        return UNKNOWN
    if text in {"1", "1.0", "true", "yes"}:
        return 1
    if text in {"0", "0.0", "false", "no"}:
        return 0
    raise DataInvalid(f"{record.name}: the column {column} holds {text!r}, not 0 or 1")
