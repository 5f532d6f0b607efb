"""What is done with each attribute: PS3.15 Table E.1-1, and what we decide where the table leaves a choice.

`confidentiality.csv` is that table (edition 2026c): every row's tag, name, action of the Basic Application Level
Confidentiality Profile, and its column "Rtn. Long. Modif. Dates Opt." for dates and times. That option overrides the
profile (E.1.1); no other option is used.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from pathlib import Path

from imaging.dictionary import vrs

EDITION = "2026c"
TABLE = Path(__file__).with_name("confidentiality.csv")

# PS3.3 C.8.11: digital X-ray images need this sequence, empty where there is nothing to say (type 2); every other
# X/Z, X/D, X/Z/D and X/Z/U* attribute is of type 3 in the CR and DX objects, or of a module that they do not have.
DX_CLASSES = frozenset({"1.2.840.10008.5.1.4.1.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1.1"})
ACQUISITION_CONTEXT_SEQUENCE = 0x00400555

TEXT_VRS = frozenset({"AE", "LO", "LT", "PN", "SH", "ST", "UC", "UN", "UR", "UT"})
BULK_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "OB or OW"})
# Text and bulk that is not in the table and yet stays: it describes equipment, codes and pixels, and reading needs it.
# All other text of the standard may be typed in by people, so it goes (E.1.1 note 5: keep only what is known as safe).
DESCRIPTIVE = frozenset(
    {
        0x00080070,  # Manufacturer
        0x00081090,  # Manufacturer's Model Name
        0x00181020,  # Software Versions
        0x00080100, 0x00080102, 0x00080103, 0x00080104, 0x00080119, 0x00080120,  # Code Sequence Macro (PS3.3 8.8)
        0x00181160, 0x00181161, 0x00181260, 0x00181261,  # filter, plate and phosphor types
        0x00281054, 0x00281055,  # Rescale Type, Window Center & Width Explanation
        0x00283002, 0x00283003, 0x00283004, 0x00283006,  # LUT descriptor, explanation, type and data
    }
)  # fmt: skip
# Where the attributes of CR and DX objects lie that are not in the table: codes and equipment, acquisition, relations,
# pixels, procedure context, views, presentation. Of any other group nothing outside of the table stays.
READING_GROUPS = frozenset({0x0008, 0x0018, 0x0020, 0x0028, 0x0040, 0x0054, 0x2010, 0x2050})
# They name a kind of object, never one of them, so they stay though a vendor may have registered them.
CLASS_UIDS = frozenset({0x00080016, 0x0008001A, 0x0008001B, 0x00081150})


class Action(Enum):
    """What becomes of an attribute, once every choice is made."""

    REMOVE = "X"
    EMPTY = "Z"
    DUMMY = "D"
    REMAP = "U"
    SHIFT = "C"  # dates, times and the time zone: the option's "clean"
    KEEP = "K"
    STANDARD = "S"  # a UID outside of the table: it stays where the standard itself registered it


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table. `dates` says whether the option Modified Dates applies."""

    action: str
    dates: bool


@lru_cache(maxsize=1)
def rows() -> dict[int, Row]:
    """The table's rows by tag. Its groups of tags (private, 50xx, 60xx) are none of `READING_GROUPS`."""
    with TABLE.open(newline="") as file:
        return {
            int(row["tag"], 16): Row(row["action"], row["modified_dates"] == "C")
            for row in csv.DictReader(file)
            if "x" not in row["tag"] and row["tag"] != "private"
        }


@lru_cache(maxsize=8192)
def action(tag: int, *, sop_class: str | None) -> Action:
    """What is done with `tag` in an instance of `sop_class`, at any depth."""
    row = rows().get(tag)
    if row is None:
        return _outside(tag)
    return Action.SHIFT if row.dates else profile_action(tag, sop_class=sop_class)


def profile_action(tag: int, *, sop_class: str | None) -> Action:
    """The Basic Profile's own action for a tag of the table: also what is done with a date that is none."""
    code = rows()[tag].action
    if code == "Z/D":
        # Type 2 wherever a CR or DX object has them (PS3.3 A.2, A.26).
        return Action.EMPTY
    if code.startswith("X/"):
        needed = tag == ACQUISITION_CONTEXT_SEQUENCE and sop_class in DX_CLASSES
        return Action.EMPTY if needed else Action.REMOVE
    return Action(code)


def _outside(tag: int) -> Action:
    """A tag without a row of its own; private attributes, curves and overlays are rows of the table without a tag."""
    vr = vr_of(tag)
    # Group lengths would be wrong, and say nothing.
    if tag >> 16 not in READING_GROUPS or tag & 0xFFFF == 0 or vr is None:
        return Action.REMOVE
    if vr in TEXT_VRS | BULK_VRS:
        return Action.KEEP if tag in DESCRIPTIVE else Action.REMOVE
    if vr == "UI":
        return Action.KEEP if tag in CLASS_UIDS else Action.STANDARD
    return Action.SHIFT if vr in {"DA", "DT", "TM"} else Action.KEEP


def vr_of(tag: int) -> str | None:
    """The value representation of a public tag (PS3.6), such as "US or SS"; None where the standard has no such tag."""
    return vrs().get(tag)
