"""Passwords: what fits, what opens, and that nobody's password takes as long as anybody's."""

from __future__ import annotations

import time
import unicodedata

import pytest

from core.errors import PasswordUnfit
from core.passwords import check_fit, hash_password, verify_password

PASSWORD = "größer als zwölf Zeichen"


def test_a_hash_opens_to_its_password_alone() -> None:
    first, second = hash_password(PASSWORD), hash_password(PASSWORD)
    assert first.startswith("$argon2id$")
    assert first != second
    assert verify_password(PASSWORD, first) == (True, None)
    # However its letters were composed where it was typed.
    assert verify_password(unicodedata.normalize("NFD", PASSWORD), second)[0]
    assert not verify_password(PASSWORD + " ", first)[0]
    assert not verify_password(PASSWORD, "no hash at all")[0]


def test_only_its_length_is_asked_for() -> None:
    for fit in ("a" * 12, "passwort passwort", "🦴" * 12, "a" * 1024):
        check_fit(fit)
    for unfit in ("", "a" * 11, "🦴" * 11, "a" * 1025):
        with pytest.raises(PasswordUnfit):
            check_fit(unfit)


def test_nobody_takes_as_long_as_somebody() -> None:
    somebodys = hash_password(PASSWORD)
    verify_password(PASSWORD, None)  # its own hash is made once
    assert verify_password("a password that nobody has", None) == (False, None)

    def quickest(password_hash: str | None) -> float:
        times = []
        for _ in range(4):
            # Of the processor, for others work beside this test.
            started = time.process_time()
            verify_password("a wrong password", password_hash)
            times.append(time.process_time() - started)
        return min(times)

    assert quickest(None) > quickest(somebodys) / 2
