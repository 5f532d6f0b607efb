"""Dates moved: how far, and what of a date there is to move."""

from __future__ import annotations

from datetime import date

import pytest

from core.sealing import SiteKey
from imaging.dates import days_back, moved

KEY = SiteKey(b"k" * 32)


def test_every_patient_is_moved_by_more_than_a_year() -> None:
    """And by no more than eleven, each by a number of days of its own."""
    days = [days_back(f"patient {number}", KEY) for number in range(5000)]
    assert 366 <= min(days) < 380
    assert 4000 < max(days) <= 4018
    assert len(set(days)) > 2500
    assert days_back("patient 1", SiteKey(b"o" * 32)) != days[1]


@pytest.mark.parametrize(
    ("text", "vr", "expected"),
    [
        ("20240229", "DA", "20230228"),
        ("2024.02.29", "DA", "20230228"),
        ("", "DA", ""),
        ("20240230", "DA", None),
        ("2024022", "DA", None),
        ("2024", "DT", "2022"),
        ("202403", "DT", "202303"),
        ("20240229235959.5", "DT", "20230228235959.5"),
        ("20240229235959+0130", "DT", "20230228235959+0000"),
        ("235959.123456", "TM", "235959.123456"),
        ("Doe", "TM", None),
        ("+0130", "SH", "+0000"),
        ("Doe", "SH", None),
    ],
)
def test_what_there_is_of_a_date_moves(text: str, vr: str, expected: str | None) -> None:
    assert (date(2024, 2, 29) - date(2023, 2, 28)).days == 366
    assert moved(text, vr, 366) == expected
