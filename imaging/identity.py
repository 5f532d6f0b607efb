"""Who an image is of, read from a header before it is de-identified."""

from __future__ import annotations

from core.identity import Identity
from imaging.character_sets import codec_of, decoded
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
    "patient_name": PATIENT_NAME,
    "referring_physician_name": 0x00080090,
}
IDENTIFYING = frozenset((PLAIN | TEXT).values()) | {SPECIFIC_CHARACTER_SET}


def identity_of(tree: Tree) -> Identity:
    """The original identifiers at the root of `tree`, decoded by its Specific Character Set."""
    codec = codec_of(_bytes(tree, SPECIFIC_CHARACTER_SET))
    fields = {field: _bytes(tree, tag).decode("latin-1").strip(" \0") for field, tag in PLAIN.items()}
    for field, tag in TEXT.items():
        fields[field] = decoded(_bytes(tree, tag), codec)
    return Identity(**fields)


def _bytes(tree: Tree, tag: int) -> bytes:
    node = tree.get(tag)
    return node.data if isinstance(node, Value) else b""
