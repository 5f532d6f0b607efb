"""Passwords: what makes one fit, their argon2id hashes, and the same work where there is nobody to compare with.

Length is all that is asked for, so that a sentence will do (NIST SP 800-63B, 5.1.1.2: no rules of composition).
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError

from core.errors import PasswordUnfit

SHORTEST, LONGEST = 12, 1024


def check_fit(password: str) -> None:
    """Raises PasswordUnfit for one of fewer than 12 or more than 1024 characters."""
    if not SHORTEST <= len(_normal(password)) <= LONGEST:
        raise PasswordUnfit(f"A password has {SHORTEST} to {LONGEST} characters; a sentence makes a good one.")


def hash_password(password: str) -> str:
    """Its argon2id hash with a salt of its own; takes about 50 ms and 64 MiB. Raises PasswordUnfit."""
    check_fit(password)
    return _hasher().hash(_normal(password))


def verify_password(password: str, password_hash: str | None) -> tuple[bool, str | None]:
    """Whether it is the password of this hash, and a new hash where the old one was made with weaker parameters.

    Without a hash the answer is no, after the same work: its time does not tell whether there is a user.
    """
    normal = _normal(password)[: LONGEST + 1]
    try:
        right, better = _hasher().verify_and_update(normal, password_hash or _nobodys())
    except UnknownHashError:
        return False, None
    return (right, better) if password_hash is not None else (False, None)


def _normal(password: str) -> str:
    # The same characters may be typed in several encodings (NIST SP 800-63B: NFKC or NFKD).
    return unicodedata.normalize("NFKC", password)


@lru_cache(maxsize=1)
def _hasher() -> PasswordHash:
    return PasswordHash.recommended()


@lru_cache(maxsize=1)
def _nobodys() -> str:
    return _hasher().hash("a password that nobody has")
