"""Attribute matching of QIDO-RS (PS3.18 section 8.3.4, PS3.4 section C.2.2.2) on DICOM JSON."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

Json = Mapping[str, Any]
RANGED = frozenset({"DA", "TM", "DT"})
NUMBERS = frozenset({"DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV"})
LISTED = frozenset({"UI"})
MODALITIES_IN_STUDY = "00080061"


@dataclass(frozen=True, slots=True)
class Key:
    """One matching key: a tag, or tags of nested sequences from the outside, and the values of which one must match."""

    path: tuple[str, ...]
    vr: str
    values: tuple[str, ...]

    @property
    def tag(self) -> str:
        return self.path[0]

    def matches(self, found: Json) -> bool:
        """Whether `found` (DICOM JSON) has a value that matches."""
        ways = [_way(self.vr, value) for value in self.values]
        return any(way(text) for text in texts(found, self.path) for way in ways)


def texts(found: Json, path: tuple[str, ...]) -> Iterator[str]:
    """The values at `path` as text; of a name all its representations."""
    element = found.get(path[0])
    for value in (element or {}).get("Value", ()):
        if len(path) > 1:
            if isinstance(value, dict):
                yield from texts(value, path[1:])
        elif isinstance(value, dict):
            yield from (str(part) for part in value.values())
        elif value is not None:
            yield str(value)


@lru_cache(maxsize=1024)
def _way(vr: str, asked: str) -> Callable[[str], bool]:
    if vr in RANGED and "-" in asked:
        return _range(vr, asked)
    if vr in NUMBERS:
        return lambda found: _number(found) == _number(asked)
    if vr not in RANGED and vr not in LISTED and ("*" in asked or "?" in asked):
        pattern = "".join({"*": ".*", "?": "."}.get(sign, re.escape(sign)) for sign in asked)
        return re.compile(pattern, re.DOTALL | (re.IGNORECASE if vr == "PN" else re.NOFLAG)).fullmatch  # type: ignore[return-value]
    if vr == "PN":
        # PS3.4 C.2.2.2.1: names match whatever their case; empty components at the end say nothing.
        return lambda found: found.rstrip("^=").casefold() == asked.rstrip("^=").casefold()
    if vr == "TM":
        return lambda found: _padded(found, "0") == _padded(asked, "0")
    return lambda found: found == asked


def _range(vr: str, asked: str) -> Callable[[str], bool]:
    low, _, high = asked.partition("-")
    if vr == "DA":
        return lambda found: (not low or found >= low) and (not high or found <= high)
    # A time that is given to the minute is its first moment as a start, and its last as an end.
    first, last = _padded(low, "0"), _padded(high, "9")
    return lambda found: (not low or _padded(found, "0") >= first) and (not high or _padded(found, "0") <= last)


def _padded(time: str, filler: str) -> str:
    whole, _, fraction = time.partition(".")
    return whole.ljust(14 if len(whole) > 6 else 6, filler) + fraction.ljust(6, filler)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
