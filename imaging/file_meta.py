"""What the first bytes of a DICOM file say that it is: for the answer about a file that could not be taken."""

from __future__ import annotations

import contextlib
import io
import re
import struct
from typing import BinaryIO

from core.dicom_start import HEAD_BYTES, start_of, syntax_of_data_set
from core.errors import InputRejected
from core.transfer_syntaxes import BIG_ENDIAN, IMPLICIT
from imaging.dicom import SOP_CLASS_UID, SOP_INSTANCE_UID, text
from imaging.header import Limits
from imaging.walk import Encoding, FileSource, Walk

UID = re.compile(r"[0-9.]{1,64}")
SOP_CLASS, SOP_INSTANCE = b"\x02\x00\x02\x00", b"\x02\x00\x03\x00"
LONG_FORM = (b"OB", b"UN", b"OW", b"UT")
META_BYTES = 4096


def media_storage(file: BinaryIO) -> tuple[str, str]:
    """Media Storage SOP Class UID and SOP Instance UID of the file meta information (PS3.10 section 7.1), or of the
    data set where the file has none.

    Empty where the first 4 kB of `file` do not say; never raises for its content.
    """
    file.seek(0)
    data = file.read(META_BYTES)
    start = start_of(data[:HEAD_BYTES])
    if start is None:
        return "", ""
    syntax = syntax_of_data_set(data[start : start + HEAD_BYTES])
    return _of_meta(data, start) if syntax is None else _of_data_set(data[start:], syntax)


def _of_meta(data: bytes, position: int) -> tuple[str, str]:
    found = {SOP_CLASS: "", SOP_INSTANCE: ""}
    while data[position : position + 2] == b"\x02\x00" and position + 12 <= len(data):
        tag, long_form = data[position : position + 4], data[position + 4 : position + 6] in LONG_FORM
        form, head = ("<I", 12) if long_form else ("<H", 8)
        (length,) = struct.unpack_from(form, data, position + (8 if long_form else 6))
        if tag in found:
            found[tag] = _uid(data[position + head : position + head + length].decode("latin-1").strip("\0 "))
        position += head + length
    return found[SOP_CLASS], found[SOP_INSTANCE]


def _of_data_set(data: bytes, syntax: str) -> tuple[str, str]:
    encoding = Encoding(implicit=syntax == IMPLICIT, big_endian=syntax == BIG_ENDIAN)
    wanted = frozenset({SOP_CLASS_UID, SOP_INSTANCE_UID})
    walk = Walk(FileSource(io.BytesIO(data), size=len(data)), encoding, wanted=wanted, limits=Limits())
    with contextlib.suppress(InputRejected):  # it ends somewhere within the first bytes
        walk.run()
    values = walk.found.values
    return _uid(text(values.get(SOP_CLASS_UID)) or ""), _uid(text(values.get(SOP_INSTANCE_UID)) or "")


def _uid(found: str) -> str:
    return found if UID.fullmatch(found) else ""
