"""CSV files with a row an image."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from core.errors import DataInvalid
from trainer.datasets.records import Record

Row = dict[str, str]


# A CSV with nothing else gives a split to records that know their labels already.
SPLIT_ONLY = {"path", "split", "group"}


def is_split_only(csv_file: Path) -> bool:
    """Whether the CSV says which split an image is in and nothing more. Raises DataInvalid where it cannot be read."""
    return {"path", "split"} <= set(read_rows(csv_file)[0]) <= SPLIT_ONLY


def read_rows(csv_file: Path, *, required: Iterable[str] = ()) -> list[Row]:
    """The rows of `csv_file` as text, with trimmed column names; a byte order mark and CRLF are no part of them.

    Raises DataInvalid where the file cannot be read, a required column is missing, or there are no rows.
    """
    try:
        with csv_file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, delimiter=_delimiter(stream.readline()))
            stream.seek(0)
            reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
            missing = set(required) - set(reader.fieldnames)
            if missing:
                raise DataInvalid(f"{csv_file.name} lacks the columns {', '.join(sorted(missing))}")
            rows = [{key: value or "" for key, value in row.items() if key is not None} for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataInvalid(f"{csv_file} is not there, or no CSV file that can be read") from error
    if not rows:
        raise DataInvalid(f"{csv_file.name} has no rows")
    return rows


def _delimiter(header: str) -> str:
    """What the columns' names are parted by: a comma, unless semicolons or tabs are more."""
    return max(",;\t", key=header.count)


def read_csv(csv_file: Path, *, images: Path, required: Iterable[str] = ()) -> list[Record]:
    """The rows of `csv_file`; a relative `path` starts from the folder `images`, an absolute one is taken as it is.

    Columns `split`, `group`, `patient`, `study`, `source` and `licence` become the record's own. Raises DataInvalid
    where the file cannot be read, a required column is missing, or there are no rows.
    """
    return [_record(row, images=images) for row in read_rows(csv_file, required={"path", *required})]


def _record(row: Row, *, images: Path) -> Record:
    name = row["path"].strip()
    if not name:
        raise DataInvalid("a row of the CSV has an empty path")
    return Record(
        file=images / name,
        name=name,
        columns=row,
        split=row.get("split"),
        group=row.get("group") or None,
        patient=row.get("patient") or None,
        study=row.get("study") or None,
        source=row.get("source") or None,
        licence=row.get("licence") or None,
    )
