"""DICOM text as Unicode: Specific Character Set (PS3.3 C.12.1.1.2), with code extensions (PS3.5 6.1.2.5)."""

from __future__ import annotations

import re

# Defined terms without code extensions, and with them (ISO 2022), by the codec that reads them.
CODECS = {
    "ISO_IR 6": "ascii", "ISO_IR 13": "shift_jis", "ISO_IR 100": "latin_1", "ISO_IR 101": "iso8859_2",
    "ISO_IR 109": "iso8859_3", "ISO_IR 110": "iso8859_4", "ISO_IR 126": "iso8859_7", "ISO_IR 127": "iso8859_6",
    "ISO_IR 138": "iso8859_8", "ISO_IR 144": "iso8859_5", "ISO_IR 148": "iso8859_9", "ISO_IR 166": "tis_620",
    "ISO_IR 192": "utf_8", "GB18030": "gb18030", "GBK": "gbk",
}  # fmt: skip
# Escape sequences (PS3.3 tables C.12-3 and C.12-4), by the codec of what follows. The Japanese and Chinese ones that
# stand in G0 are read with their escape by the ISO 2022 codecs.
ESCAPES = {
    b"\x1b(B": "ascii", b"\x1b-A": "latin_1", b"\x1b-B": "iso8859_2", b"\x1b-C": "iso8859_3", b"\x1b-D": "iso8859_4",
    b"\x1b-F": "iso8859_7", b"\x1b-G": "iso8859_6", b"\x1b-H": "iso8859_8", b"\x1b-L": "iso8859_5",
    b"\x1b-M": "iso8859_9", b"\x1b-T": "tis_620", b"\x1b)I": "shift_jis", b"\x1b(J": "shift_jis",
    b"\x1b$)C": "euc_kr", b"\x1b$)A": "gb2312", b"\x1b$B": "iso2022_jp", b"\x1b$(D": "iso2022_jp_2",
}  # fmt: skip
WITH_ESCAPE = frozenset({"iso2022_jp", "iso2022_jp_2"})
PARTS = re.compile(rb"\x1b[^\x1b]*|[^\x1b]+")
# What ends the effect of an escape to G1 (PS3.5 6.1.2.5.3): after it the first character set holds again. In what
# stands in G0 the same bytes may be half of a sign.
ENDS = re.compile(rb"[\\^=\r\n\t\f]")


def codec_of(specific_character_set: bytes) -> str:
    """The codec of text without escapes; of a term that is not known, Latin-1, which reads any byte."""
    first = specific_character_set.decode("latin-1").split("\\")[0].strip(" \0").upper()
    term = first.replace("ISO 2022 IR", "ISO_IR") or "ISO_IR 6"
    return CODECS.get(term, "latin_1")


def decoded(data: bytes, codec: str) -> str:
    """`data` without its padding; what is not written in its character set is read as Latin-1."""
    try:
        if b"\x1b" not in data:
            return data.decode(codec).strip(" \0")
        return "".join(_extended(part, codec) for part in PARTS.findall(data)).strip(" \0")
    except (UnicodeError, LookupError):
        return data.decode("latin-1").strip(" \0")


def _extended(part: bytes, codec: str) -> str:
    """An escape with all that stands before the next, or what stands before the first."""
    if not part.startswith(b"\x1b"):
        return part.decode(codec)
    escape = next((known for known in ESCAPES if part.startswith(known)), None)
    if escape is None:
        raise UnicodeError
    used = ESCAPES[escape]
    if used in WITH_ESCAPE:
        return part.decode(used)
    text = part[len(escape) :]
    end = found.start() if (found := ENDS.search(text)) else len(text)
    return text[:end].decode(used) + text[end:].decode(codec)
