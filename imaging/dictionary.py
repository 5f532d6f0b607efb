"""The standard's own lists: its attributes, with value representation and keyword (PS3.6 section 6 to 9), and its UIDs.

Taken from pydicom 3.0 into data files (a test compares them): to import pydicom would load every codec that it knows,
which the API must not have.
"""

from __future__ import annotations

import csv
from functools import lru_cache
from pathlib import Path

FOLDER = Path(__file__).parent


@lru_cache(maxsize=1)
def vrs() -> dict[int, str]:
    """Value representations by tag, such as "US or SS"."""
    with (FOLDER / "dictionary.csv").open(newline="") as file:
        return {int(row["tag"], 16): row["vr"] for row in csv.DictReader(file)}


@lru_cache(maxsize=1)
def keywords() -> dict[str, int]:
    """Tags by keyword, such as StudyInstanceUID."""
    with (FOLDER / "dictionary.csv").open(newline="") as file:
        return {row["keyword"]: int(row["tag"], 16) for row in csv.DictReader(file) if row["keyword"]}


@lru_cache(maxsize=1)
def uids() -> frozenset[str]:
    """Every UID that the standard registers."""
    return frozenset((FOLDER / "standard_uids.txt").read_text().split())
