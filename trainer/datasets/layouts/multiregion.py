"""The Kaggle set "Fracture Multi-Region X-ray": train, val and test with `fractured` and `not fractured` in each.

The published split leaks: most files are rotated copies, and copies stand on both sides of it (`lucency data audit`).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from trainer.datasets.layouts import folder_tree
from trainer.datasets.layouts.class_words import FRACTURED, NOT_FRACTURED
from trainer.datasets.layouts.layout import Content, Layout, Publication

PUBLICATION = Publication(
    name="multiregion",
    licence="ODC-By 1.0",
    attribution=(
        "Fracture Multi-Region X-ray Data: Bmadushani Rodrigo, Kaggle (2024), Open Data Commons Attribution License",
    ),
)


def matches(folder: Path) -> bool:
    """Whether the classes are exactly a fractured and a not fractured one, in all three splits."""
    splits = folder_tree.split_folders(folder)
    classes = folder_tree.class_names(folder) if len(splits) == 3 else set()
    return len(classes) == 2 and bool(classes & FRACTURED) and bool(classes & NOT_FRACTURED)


def read(folder: Path) -> Content:
    """Every image of the tree, with `fractured`; the licence is that of the published set."""
    content = folder_tree.read(folder)
    note = "taken for the Kaggle set by its folders' names: for another set its licence does not hold"
    return replace(content, publication=PUBLICATION, notes=(note, *content.notes))


LAYOUT = Layout(
    name="multiregion",
    looked_for='folders train, val and test with "fractured" and "not fractured" (or "unfractured") in each',
    matches=matches,
    read=read,
    publication=PUBLICATION,
)
