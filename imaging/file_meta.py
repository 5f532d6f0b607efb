"""What the first bytes of a DICOM file say that it is: for the answer about a file that could not be taken."""

from __future__ import annotations

import re
import struct
from typing import BinaryIO

UID = re.compile(r"[0-9.]{1,64}")
SOP_CLASS, SOP_INSTANCE = b"\x02\x00\x02\x00", b"\x02\x00\x03\x00"
LONG_FORM = (b"OB", b"UN", b"OW", b"UT")
META_BYTES = 4096


def media_storage(file: BinaryIO) -> tuple[str, str]:
    """Media Storage SOP Class UID and SOP Instance UID of the file meta information (PS3.10 section 7.1).

    Empty where the first 4 kB of `file` do not say; never raises for its content.
    """
    file.seek(0)
    data = file.read(META_BYTES)
    if data[128:132] != b"DICM":
        return "", ""
    found = {SOP_CLASS: "", SOP_INSTANCE: ""}
    position = 132
    while data[position : position + 2] == b"\x02\x00" and position + 12 <= len(data):
        tag, long_form = data[position : position + 4], data[position + 4 : position + 6] in LONG_FORM
        form, head = ("<I", 12) if long_form else ("<H", 8)
        (length,) = struct.unpack_from(form, data, position + (8 if long_form else 6))
        if tag in found:
            text = data[position + head : position + head + length].decode("latin-1").strip("\0 ")
            found[tag] = text if UID.fullmatch(text) else ""
        position += head + length
    return found[SOP_CLASS], found[SOP_INSTANCE]
