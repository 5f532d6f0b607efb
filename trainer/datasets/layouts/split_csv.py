"""A folder with a `split.csv`: `path`, labels, and, where known, `split`, `group`, `patient`, `study`, `licence`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from core.errors import DataInvalid
from trainer.datasets.layouts import fracatlas
from trainer.datasets.layouts.layout import Content, Layout, split_name
from trainer.datasets.records import Record
from trainer.datasets.tables import is_split_only, read_csv

SPLIT_CSV = "split.csv"


def read_split_csv(csv_file: Path, *, images: Path) -> Content:
    """The rows of `csv_file`, whose relative paths start from `images`. FracAtlas is known by its columns."""
    records = [_completed(record) for record in read_csv(csv_file, images=images)]
    return fracatlas.recognised(Content(records))


def _completed(record: Record) -> Record:
    columns = dict(record.columns)
    if set(columns) >= fracatlas.VIEWS:
        columns.setdefault("view", fracatlas.view_of(columns))
    split = None if not record.split else split_name(record.split)
    return replace(record, columns=columns, split=split, group=record.group or record.patient)


def matches(folder: Path) -> bool:
    """Whether there is a split.csv that is more than a split to lay over another layout."""
    try:
        return (folder / SPLIT_CSV).is_file() and not is_split_only(folder / SPLIT_CSV)
    except DataInvalid:
        return True  # reading it says what is wrong with it


LAYOUT = Layout(
    name="split_csv",
    looked_for="a split.csv with a column `path`",
    matches=matches,
    read=lambda folder: read_split_csv(folder / SPLIT_CSV, images=folder),
)
