"""The layouts that are known, the most telling first: the first that matches a folder reads it."""

from __future__ import annotations

from trainer.datasets.layouts import csv_table, folder_tree, fracatlas, multiregion, mura, nih, split_csv
from trainer.datasets.layouts.layout import Layout

LAYOUTS: tuple[Layout, ...] = (
    split_csv.LAYOUT,
    nih.LAYOUT,
    mura.LAYOUT,
    fracatlas.LAYOUT,
    multiregion.LAYOUT,
    folder_tree.LAYOUT,
    csv_table.LAYOUT,
)
