"""What a layout is: how a folder of it is known, and how it is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from trainer.datasets.records import Record

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True, slots=True)
class Publication:
    """What a data set is known by, under which licence, and what that asks to be said."""

    name: str
    licence: str
    attribution: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Content:
    """What a layout found: all records, also of files that are not there."""

    records: list[Record]
    notes: tuple[str, ...] = ()
    publication: Publication | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """`matches` looks at names only and raises nothing but DataInvalid for a folder that cannot be listed; `read`
    raises DataInvalid for what is missing or contradicts itself. `looked_for` is shown when nothing matches.
    """

    name: str
    looked_for: str
    matches: Callable[[Path], bool]
    read: Callable[[Path], Content]
    publication: Publication | None = None


def split_name(text: str) -> str:
    """train, val or test where `text` is a usual word for it, else `text` in lower case without spaces around it."""
    word = text.strip().lower()
    return SPLIT_NAMES.get(word, word)
