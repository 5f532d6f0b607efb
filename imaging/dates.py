"""Dates moved by a number of days: intervals stay, the days themselves are nobody's (PS3.15 E.3.6, Modified Dates)."""

from __future__ import annotations

import re
from datetime import date, timedelta

from core.sealing import SiteKey

# At least a year, so that a date-time of which only the year is known changes too; at most some eleven.
SHORTEST_DAYS, LONGEST_DAYS = 366, 4018

DATE = re.compile(r"([0-9]{4})\.?([0-9]{2})\.?([0-9]{2})")
TIME = re.compile(r"[0-9]{2}(:?[0-9]{2}(:?[0-9]{2}(\.[0-9]{1,6})?)?)?")
DATE_TIME = re.compile(
    r"([0-9]{4})([0-9]{2})?([0-9]{2})?([0-9]{2}([0-9]{2}([0-9]{2}(\.[0-9]{1,6})?)?)?)?([+-][0-9]{4})?"
)
ZONE = re.compile(r"[+-][0-9]{4}")


def days_back(patient: str, key: SiteKey) -> int:
    """How many days all dates of this patient (any text that stands for one) go back at the Site of `key`."""
    number = int.from_bytes(key.keyed_hash(patient, purpose="date shift")[:8], "big")
    return SHORTEST_DAYS + number % (LONGEST_DAYS - SHORTEST_DAYS + 1)


def moved(text: str, vr: str, days: int) -> str | None:
    """One value of DA, DT, TM or of the time zone (SH), `days` earlier; None where it is no such value.

    Times of day stay: whole days are moved. Zones become +0000, in date-times too: where the clock stood is told by
    none of them, and between two times of one patient nothing changes.
    """
    if not text:
        return ""
    if vr in {"TM", "SH"}:
        return _time_or_zone(text, vr)
    found = (DATE if vr == "DA" else DATE_TIME).fullmatch(text)
    if found is None:
        return None
    try:
        earlier = date(int(found[1]), int(found[2] or 1), int(found[3] or 1)) - timedelta(days=days)
    except (ValueError, OverflowError):
        return None
    written = f"{earlier.year:04}{earlier.month:02}{earlier.day:02}"
    if vr == "DA":
        return written
    precision = 8 if found[3] else 6 if found[2] else 4
    return written[:precision] + (found[4] or "") + ("+0000" if found[8] else "")


def _time_or_zone(text: str, vr: str) -> str | None:
    if vr == "TM":
        return text if TIME.fullmatch(text) else None
    return "+0000" if ZONE.fullmatch(text) else None
