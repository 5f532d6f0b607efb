"""UIDs that stand for others: the same original gives the same stand-in, at one Site, for who has its key."""

from __future__ import annotations

import uuid

from core.sealing import SiteKey
from imaging.dictionary import uids

# PS3.5 B.2: the root under which a UUID as a decimal number is a UID.
UUID_ROOT = "2.25."


def is_standard(uid: str) -> bool:
    """Whether PS3.6 table A-1 registers this UID, or it is empty: it names no one."""
    return not (found := uid.strip(" \0")) or found in uids()


def remapped(uid: str, key: SiteKey) -> str:
    """The UID that stands for `uid` at the Site of `key`: `2.25.` and a UUID of version 8 (RFC 9562) of its keyed hash.

    Those of the standard itself (PS3.6 table A-1: SOP classes, transfer syntaxes, well-known frames of reference) name
    no one and stay; an empty one stays empty.
    """
    original = uid.strip(" \0")
    if is_standard(original):
        return original
    digest = key.keyed_hash(original, purpose="uid")[:16]
    number = int.from_bytes(digest, "big") & ~(0xF << 76) & ~(0x3 << 62) | 0x8 << 76 | 0x2 << 62
    return f"{UUID_ROOT}{uuid.UUID(int=number).int}"
