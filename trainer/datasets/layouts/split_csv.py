"""A folder with a `split.csv`: `path`, labels, and, where known, `split`, `group`, `patient`, `study`, `licence`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from trainer.datasets.layouts import fracatlas
from trainer.datasets.layouts.layout import Content, Layout, split_name
from trainer.datasets.records import Record
from trainer.datasets.tables import read_csv

SPLIT_CSV = "split.csv"


def read_split_csv(csv_file: Path, *, images: Path) -> Content:
    """The rows of `csv_file`, whose relative paths start from `images`. FracAtlas is known by its columns."""
    records = [_completed(record) for record in read_csv(csv_file, images=images)]
    if set(records[0].columns) >= fracatlas.COLUMNS:
        return Content(records, name=fracatlas.NAME, licence=fracatlas.LICENCE, attribution=fracatlas.ATTRIBUTION)
    return Content(records)


def _completed(record: Record) -> Record:
    columns = dict(record.columns)
    if set(columns) >= fracatlas.VIEWS:
        columns.setdefault("view", fracatlas.view_of(columns))
    split = None if not record.split else split_name(record.split)
    return replace(record, columns=columns, split=split, group=record.group or record.patient)


LAYOUT = Layout(
    name="split_csv",
    looked_for="a split.csv with a column `path`",
    matches=lambda folder: (folder / SPLIT_CSV).is_file(),
    read=lambda folder: read_split_csv(folder / SPLIT_CSV, images=folder),
)
