"""The start of a received data set: does it hold what the C-STORE command said of it?

Only group 0008 up to the SOP Instance UID is parsed, from at most 64 KiB: nothing that a peer sends makes this take
memory or time. The API's pre-scan judges the rest.
"""

from __future__ import annotations

import warnings
import zlib
from io import BytesIO

from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag

from core.transfer_syntaxes import BIG_ENDIAN, DEFLATED, IMPLICIT
from gateway.spool import HEAD_BYTES

SOP_CLASS, SOP_INSTANCE = BaseTag(0x00080016), BaseTag(0x00080018)
UID_BYTES = 64


class Unreadable(Exception):
    """The bytes are no data set in the transfer syntax that was agreed."""


def uids_of(head: bytes, *, transfer_syntax: str) -> tuple[str, str]:
    """(SOP Class UID, SOP Instance UID) of a data set that begins with `head`. Raises Unreadable."""
    found = [_uid(element) for element in _elements(head, transfer_syntax)]
    if len(found) != 2 or not all(found):
        raise Unreadable("no SOP Class UID and SOP Instance UID at the start of the data set")
    return found[0], found[1]


def _elements(head: bytes, transfer_syntax: str) -> list[object]:
    try:
        if transfer_syntax == DEFLATED:
            head = zlib.decompressobj(-zlib.MAX_WBITS).decompress(head, HEAD_BYTES)
        # pydicom's warnings quote values.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read = read_dataset(
                BytesIO(head),
                transfer_syntax == IMPLICIT,
                transfer_syntax != BIG_ENDIAN,
                stop_when=lambda tag, _vr, _length: tag > SOP_INSTANCE,
                specific_tags=[SOP_CLASS, SOP_INSTANCE],
            )
            return [read.get_item(tag) for tag in (SOP_CLASS, SOP_INSTANCE) if tag in read]
    # A parser that is fed with anything raises anything.
    except Exception as error:  # noqa: BLE001
        raise Unreadable(type(error).__name__) from None


def _uid(element: object) -> str:
    """The element's value as text, without padding (PS3.5 section 9.1); empty where it is none."""
    value = getattr(element, "value", None)
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else str(value or "")
    text = text.rstrip("\0 ")
    return text if len(text) <= UID_BYTES and text.replace(".", "").isdecimal() else ""
