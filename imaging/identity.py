"""Who an image is of, read from a header before it is de-identified."""

from __future__ import annotations

from pydicom.charset import convert_encodings, decode_bytes, python_encoding
from pydicom.valuerep import PersonName

from core.identity import Identity
from imaging.tree import Tree
from imaging.walk import Value

SPECIFIC_CHARACTER_SET = 0x00080005
SOP_CLASS_UID, SOP_INSTANCE_UID = 0x00080016, 0x00080018
STUDY_INSTANCE_UID, SERIES_INSTANCE_UID = 0x0020000D, 0x0020000E
PATIENT_ID, PATIENT_NAME = 0x00100020, 0x00100010

# The fields of an Identity: which element each is, and whether it may hold other than ASCII (PS3.5 6.1.2.2).
PLAIN = {
    "sop_class_uid": SOP_CLASS_UID,
    "sop_instance_uid": SOP_INSTANCE_UID,
    "series_instance_uid": SERIES_INSTANCE_UID,
    "study_instance_uid": STUDY_INSTANCE_UID,
    "patient_birth_date": 0x00100030,
    "patient_sex": 0x00100040,
    "study_date": 0x00080020,
    "study_time": 0x00080030,
}
TEXT = {
    "patient_id": PATIENT_ID,
    "issuer_of_patient_id": 0x00100021,
    "study_id": 0x00200010,
    "study_description": 0x00081030,
    "accession_number": 0x00080050,
}
NAMES = {"patient_name": PATIENT_NAME, "referring_physician_name": 0x00080090}
IDENTIFYING = frozenset((PLAIN | TEXT | NAMES).values()) | {SPECIFIC_CHARACTER_SET}


def identity_of(tree: Tree) -> Identity:
    """The original identifiers at the root of `tree`, decoded by its Specific Character Set."""
    encodings = _encodings(tree)
    fields = {field: _bytes(tree, tag).decode("latin-1").strip(" \0") for field, tag in PLAIN.items()}
    for field, tag in TEXT.items():
        fields[field] = _decoded(_bytes(tree, tag), encodings)
    for field, tag in NAMES.items():
        fields[field] = _name(_bytes(tree, tag), encodings)
    return Identity(**fields)


def _bytes(tree: Tree, tag: int) -> bytes:
    node = tree.get(tag)
    return node.data if isinstance(node, Value) else b""


def _encodings(tree: Tree) -> list[str]:
    terms = _bytes(tree, SPECIFIC_CHARACTER_SET).decode("latin-1").split("\\")
    known = [term.strip(" \0") for term in terms if term.strip(" \0") in python_encoding]
    # What is not known is not guessed: pydicom would, with a warning that names it.
    return list(convert_encodings(known or [""]))


def _decoded(data: bytes, encodings: list[str]) -> str:
    """Text by the given encodings; where it is not written in them, by Latin-1, which reads any byte."""
    if b"\x1b" in data:
        try:
            return str(decode_bytes(data, encodings, set(b"\\\n\f\r\t"))).strip(" \0")
        except (UnicodeError, LookupError, UserWarning):
            return data.decode("latin-1").strip(" \0")
    try:
        return data.decode(encodings[0]).strip(" \0")
    except (UnicodeError, LookupError):
        return data.decode("latin-1").strip(" \0")


def _name(data: bytes, encodings: list[str]) -> str:
    if b"\x1b" not in data:
        return _decoded(data, encodings)
    try:
        return str(PersonName(data.strip(b" \0"), encodings)).strip(" \0")
    except (UnicodeError, LookupError, UserWarning):
        return data.decode("latin-1").strip(" \0")
