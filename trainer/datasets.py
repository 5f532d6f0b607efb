"""Data sets as lists of records. The `split.csv` form: `path`, any label columns, optionally `split` and `group`."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
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


def read_csv(csv_file: Path, *, images: Path, required: Iterable[str] = ()) -> list[Record]:
    """The rows of `csv_file`; a relative `path` starts from the folder `images`, an absolute one is taken as it is.

    Raises DataInvalid where the file cannot be read, a required column is missing, or there are no rows.
    """
    try:
        with csv_file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            missing = {"path", *required} - set(reader.fieldnames or ())
            if missing:
                raise DataInvalid(f"{csv_file.name} lacks the columns {', '.join(sorted(missing))}")
            records = [_record(row, images=images) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataInvalid(f"{csv_file} is not there, or no CSV file that can be read") from error
    if not records:
        raise DataInvalid(f"{csv_file.name} has no rows")
    return records


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


def _record(row: dict[str, str], *, images: Path) -> Record:
    name = (row.get("path") or "").strip()
    if not name:
        raise DataInvalid("a row of the CSV has an empty path")
    columns = {key: value or "" for key, value in row.items() if key is not None}
    return Record(
        file=images / name, name=name, columns=columns, split=columns.get("split"), group=columns.get("group") or None
    )


def _binary(record: Record, column: str) -> int:
    text = record.columns.get(column, "").strip().lower()
    if text in {"", "nan"}:
        return UNKNOWN
    if text in {"1", "1.0", "true", "yes"}:
        return 1
    if text in {"0", "0.0", "false", "no"}:
        return 0
    raise DataInvalid(f"{record.name}: the column {column} holds {text!r}, not 0 or 1")
