"""Cursors: what we made comes back as it was, and nothing else is one."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from api.cursors import decode_cursor, decode_number, encode_cursor, encode_number
from core.errors import RequestInvalid

AT, IDENTIFIER = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC), UUID(int=7)


def packed(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def test_ours_come_back() -> None:
    assert decode_cursor(encode_cursor((AT, IDENTIFIER))) == (AT, IDENTIFIER)
    elsewhere = AT.astimezone(timezone(timedelta(hours=5)))
    assert encode_cursor((elsewhere, IDENTIFIER)) == encode_cursor((AT, IDENTIFIER))
    for number in (0, 1, 2**31 - 1):
        assert decode_number(encode_number(number)) == number


@pytest.mark.parametrize(
    "text",
    ["", "|", f"{AT.isoformat()}", f"{AT.isoformat()}|", f"{AT.isoformat()}|7", f"soon|{IDENTIFIER}",
     f"2026-01-02T03:04:05|{IDENTIFIER}", f"2026-01-02|{IDENTIFIER}", f"{AT.isoformat()}|{IDENTIFIER}|", "#1"],
)  # fmt: skip
def test_what_is_no_cursor_of_ours(text: str) -> None:
    with pytest.raises(RequestInvalid):
        decode_cursor(packed(text))


@pytest.mark.parametrize("text", ["", "1", "#", "#-1", "#+1", "# 1", "#1.0", "#0x1", "#²", f"#{2**31}", "#1#", "##1"])
def test_what_is_no_number_of_ours(text: str) -> None:
    with pytest.raises(RequestInvalid):
        decode_number(packed(text))


@pytest.mark.parametrize("cursor", ["!!", "=", "é", "a", "____"])
def test_what_is_no_base64(cursor: str) -> None:
    for decode in (decode_cursor, decode_number):
        with pytest.raises(RequestInvalid):
            decode(cursor)
