"""DICOM JSON (PS3.18 annex F) of stored headers, and the part of it that searches answer from."""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Callable
from typing import Any

from imaging.character_sets import codec_of, decoded
from imaging.dictionary import keywords, vrs
from imaging.stored_header import StoredHeader
from imaging.tree import Tree
from imaging.walk import Value

Json = dict[str, Any]
SPECIFIC_CHARACTER_SET = 0x00080005
# How the numbers of a binary value are read.
NUMBERS = {
    b"US": "H", b"SS": "h", b"UL": "I", b"SL": "i", b"UV": "Q", b"SV": "q", b"FL": "f", b"FD": "d",
}  # fmt: skip
BINARY = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"UN"})
# One value, whatever is in it (PS3.5 table 6.2-1).
UNDIVIDED = frozenset({b"LT", b"ST", b"UT", b"UR"})
IN_CHARACTER_SET = frozenset({b"LO", b"LT", b"PN", b"SH", b"ST", b"UC", b"UT"})
NAME_PARTS = ("Alphabetic", "Ideographic", "Phonetic")
INLINE_BYTES = 1024
# What one element of a search's attributes may weigh.
VALUE_SIGNS = 1024
PIXEL_DATA = "7FE00010"
UTF_8 = {"vr": "CS", "Value": ["ISO_IR 192"]}

# PS3.18 tables 10.6.1-5 (matched), 10.6.3-3, -4 and -5 (returned), and what viewers and reports ask for beside them.
SEARCHED = (
    "SpecificCharacterSet", "ImageType", "SOPClassUID", "SOPInstanceUID", "StudyDate", "SeriesDate",
    "AcquisitionDate", "ContentDate", "StudyTime", "SeriesTime", "AcquisitionTime", "ContentTime",
    "AccessionNumber", "Modality", "PresentationIntentType", "Manufacturer", "ReferringPhysicianName",
    "TimezoneOffsetFromUTC", "StudyDescription", "SeriesDescription", "ManufacturerModelName", "PatientName",
    "PatientID", "PatientBirthDate", "PatientSex", "PatientAge", "BodyPartExamined", "ViewPosition", "ProtocolName",
    "StudyInstanceUID", "SeriesInstanceUID", "StudyID", "SeriesNumber", "InstanceNumber", "Laterality",
    "ImageLaterality", "PatientOrientation", "FrameOfReferenceUID", "SamplesPerPixel", "PhotometricInterpretation",
    "NumberOfFrames", "Rows", "Columns", "PixelSpacing", "ImagerPixelSpacing", "BitsAllocated", "BitsStored",
    "HighBit", "PixelRepresentation", "BurnedInAnnotation", "WindowCenter", "WindowWidth", "LossyImageCompression",
    "PatientIdentityRemoved", "DeidentificationMethod", "PerformedProcedureStepStartDate",
    "PerformedProcedureStepStartTime", "IssuerOfPatientID", "RescaleIntercept", "RescaleSlope", "RescaleType",
    "VOILUTFunction", "PixelAspectRatio", "NominalScannedPixelSpacing",
)  # fmt: skip


def search_attributes(header: StoredHeader) -> Json:
    """The searched attributes that the stored instance has: about 60, of at most 1 kB each."""
    known = keywords()
    wanted = {known[keyword] for keyword in SEARCHED}
    made = _of({tag: node for tag, node in header.tree.items() if tag in wanted}, bulk=None)
    made = {tag: element for tag, element in made.items() if _signs(element) <= VALUE_SIGNS}
    return made | {"00080005": UTF_8}


def metadata(header: StoredHeader, *, bulk_uri: Callable[[str], str]) -> Json:
    """All attributes; the pixel data, and binary values above 1 kB, as the URI of their path (`bulk_value`'s)."""
    made = _of(header.tree, bulk=bulk_uri) | {"00080005": UTF_8}
    if header.pixel_vr:
        made[PIXEL_DATA] = {"vr": header.pixel_vr, "BulkDataURI": bulk_uri(PIXEL_DATA)}
    return made


def _of(tree: Tree, *, bulk: Callable[[str], str] | None, path: str = "", codec: str = "ascii") -> Json:
    character_set = tree.get(SPECIFIC_CHARACTER_SET)
    if isinstance(character_set, Value):
        codec = codec_of(character_set.data)
    made: Json = {}
    for tag in sorted(tree):
        node, name = tree[tag], f"{tag:08X}"
        if isinstance(node, list):
            items = [
                _of(item, bulk=bulk, path=f"{path}{name}/{number}/", codec=codec)
                for number, item in enumerate(node, start=1)
            ]
            made[name] = {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}
        else:
            made[name] = _element(node, codec, bulk=bulk, path=path + name)
    return made


def _element(node: Value, codec: str, *, bulk: Callable[[str], str] | None, path: str) -> Json:
    vr = node.vr or b"UN"
    made: Json = {"vr": vr.decode()}
    if vr in BINARY:
        if len(node.data) > INLINE_BYTES:
            return made | ({"BulkDataURI": bulk(path)} if bulk is not None else {})
        return made | ({"InlineBinary": base64.b64encode(node.data).decode()} if node.data else {})
    values = _values(vr, node.data, codec)
    return made | {"Value": values} if any(value is not None for value in values) else made


def _values(vr: bytes, data: bytes, codec: str) -> list[Any]:
    """The values as JSON has them; null for one that is empty, or that its VR does not allow (PS3.18 F.2.5)."""
    if vr in NUMBERS:
        form = NUMBERS[vr]
        count = len(data) // struct.calcsize("<" + form)
        numbers = struct.unpack_from(f"<{count}{form}", data)
        return [value if math.isfinite(value) else None for value in numbers]
    if vr == b"AT":
        pairs = struct.unpack_from(f"<{len(data) // 4 * 2}H", data)
        return [f"{group:04X}{element:04X}" for group, element in zip(pairs[::2], pairs[1::2], strict=True)]
    text = decoded(data, codec if vr in IN_CHARACTER_SET else "latin_1")
    if vr in UNDIVIDED:
        return [text or None]
    return [_value(vr, part.strip(" \0")) for part in text.split("\\")]


def _value(vr: bytes, text: str) -> Any:
    if not text:
        return None
    if vr == b"PN":
        parts = zip(NAME_PARTS, text.split("="), strict=False)
        return {name: part.rstrip("^ ") for name, part in parts if part.strip("^ ")} or None
    if vr in (b"DS", b"IS"):
        try:
            value = float(text) if vr == b"DS" else int(text)
        except ValueError:
            return None
        return value if math.isfinite(value) else None
    return text


def _signs(element: Json) -> int:
    return sum(len(str(part)) for part in element.get("Value", ())) + len(element.get("InlineBinary", ""))


def tag_of(name: str) -> str | None:
    """`0020000D` for that or for `StudyInstanceUID`; None for what the dictionary does not know."""
    if len(name) == 8 and all(sign in "0123456789abcdefABCDEF" for sign in name):
        return name.upper()
    found = keywords().get(name)
    return None if found is None else f"{found:08X}"


def vr_of(tag: str) -> str:
    """The value representation of a tag, the first where it has several; UN where the dictionary has none."""
    return vrs().get(int(tag, 16), "UN")[:2]
