"""Data sets as lists of records, whatever the layout of their folder. `read` is the way in."""

from __future__ import annotations

from trainer.datasets.reading import combine, read
from trainer.datasets.records import UNKNOWN, DataSet, Record, of_split, truth
from trainer.datasets.tables import read_csv

__all__ = ["UNKNOWN", "DataSet", "Record", "combine", "of_split", "read", "read_csv", "truth"]
