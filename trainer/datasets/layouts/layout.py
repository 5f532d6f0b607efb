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
class Content:
    """What a layout found: all records, also of files that are not there. `name` where the data set is known by one."""

    records: list[Record]
    name: str | None = None
    licence: str | None = None
    attribution: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """`matches` looks at names only and raises nothing but DataInvalid for a folder that cannot be listed; `read`
    raises DataInvalid for what is missing or contradicts itself. `looked_for` is shown when nothing matches.
    """

    name: str
    looked_for: str
    matches: Callable[[Path], bool]
    read: Callable[[Path], Content]


def split_name(text: str) -> str:
    """train, val or test where `text` is a usual word for it, else `text` in lower case without spaces around it."""
    word = text.strip().lower()
    return SPLIT_NAMES.get(word, word)
