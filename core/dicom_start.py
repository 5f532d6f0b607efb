"""Where a DICOM file begins, told by its first bytes.

A proper one has a preamble of 128 bytes and the prefix DICM before its file meta information (PS3.10 section 7.1).
Older tools leave out the preamble, the meta information, or both: then the first elements tell, for a data set begins
with group 0008 and each element says where the next one is.
"""

from __future__ import annotations

import struct

from core.transfer_syntaxes import BIG_ENDIAN, EXPLICIT, IMPLICIT

PREAMBLE_BYTES = 128
PREFIX = b"DICM"
# So much of a file is enough to know.
HEAD_BYTES = PREAMBLE_BYTES + len(PREFIX)
META_GROUP, FIRST_GROUP = 0x0002, 0x0008
SHORT_VRS = frozenset((b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US").split())
LONG_VRS = frozenset((b"OB OD OF OL OV OW SQ SV UC UN UR UT UV").split())
UNDEFINED = 0xFFFFFFFF
# What comes first is one of group 0008's first attributes (of those that may be, the manufacturer is the last), and
# UIDs, codes, dates and names are not longer than this.
LAST_FIRST, LONGEST_VALUE, LAST_GROUP = 0x0070, 1024, 0x00FF


def start_of(head: bytes) -> int | None:
    """Where the file meta information, or the data set, of the file that starts with `head` begins; None where that is
    no DICOM file. `head` is its first 132 bytes, or all of a shorter file.
    """
    if head[PREAMBLE_BYTES:HEAD_BYTES] == PREFIX:
        return HEAD_BYTES
    start = len(PREFIX) if head.startswith(PREFIX) else 0
    return start if is_meta(head[start:]) or syntax_of_data_set(head[start:]) is not None else None


def is_meta(head: bytes) -> bool:
    """Whether `head` is the start of file meta information, which is always in Explicit VR Little Endian."""
    return _elements(head, "<", META_GROUP, implicit=False) > 0


def syntax_of_data_set(head: bytes) -> str | None:
    """The transfer syntax of a data set that starts with `head`: one of the three uncompressed ones that name theirs by
    how their elements are written. None where it is none of them; what is deflated cannot be told.
    """
    for syntax, order, implicit in ((EXPLICIT, "<", False), (BIG_ENDIAN, ">", False), (IMPLICIT, "<", True)):
        if _elements(head, order, FIRST_GROUP, implicit=implicit) >= (2 if implicit else 1):
            return syntax
    return None


def _elements(head: bytes, order: str, first_group: int, *, implicit: bool) -> int:
    """How many elements `head` is the start of, the first of them in `first_group`; 0 where one cannot be.

    Of the meta information only its own elements count: what follows may be written in another way.
    """
    position, before, count = 0, -1, 0
    while len(head) >= position + 12:
        group, element = struct.unpack_from(order + "HH", head, position)
        if count and first_group == META_GROUP != group:
            break
        found = _length(head[position + 4 : position + 12], order, implicit=implicit)
        if found is None or group << 16 | element <= before or group > LAST_GROUP:
            return 0
        size, length = found
        if not count and not (group == first_group and _may_be_first(element, length)):
            return 0
        if implicit and length > LONGEST_VALUE:
            break
        count += 1
        if length == UNDEFINED:
            break
        position, before = position + 4 + size + length, group << 16 | element
    return count


def _may_be_first(element: int, length: int) -> bool:
    # A group's length is a number of four bytes.
    return element <= LAST_FIRST and (element != 0 or length == 4)


def _length(rest: bytes, order: str, *, implicit: bool) -> tuple[int, int] | None:
    """Bytes of value representation and length, and the length; None where they are none (PS3.5 section 7.1)."""
    if implicit:
        return 4, struct.unpack_from(order + "I", rest)[0]
    if rest[:2] in SHORT_VRS:
        return 4, struct.unpack_from(order + "H", rest, 2)[0]
    if rest[:2] not in LONG_VRS or rest[2:4] != b"\0\0":
        return None
    return 8, struct.unpack_from(order + "I", rest, 4)[0]
