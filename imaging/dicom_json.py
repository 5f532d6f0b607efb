"""DICOM JSON (PS3.18 annex F) of stored headers, and the part of it that searches answer from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from imaging.stored_header import StoredHeader

Json = dict[str, Any]
BINARY = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
INLINE_BYTES = 1024
MAX_DEPTH = 16
# What one value of a search's attributes may weigh as JSON, and all together: PS3.18 asks for single values.
VALUE_SIGNS = 1024
PIXEL_DATA = "7FE00010"
UTF_8 = {"vr": "CS", "Value": ["ISO_IR 192"]}

# PS3.18 tables 10.6.1-5 (matched), 10.6.3-3, -4 and -5 (returned), and what viewers ask for beside them.
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
    "VOILUTFunction",
)  # fmt: skip


def search_attributes(header: StoredHeader) -> Json:
    """The searched attributes that the stored instance has, at most about 60 of at most 1 kB each."""
    found = Dataset()
    for keyword in SEARCHED:
        if keyword in header.elements:
            found.add(header.elements[keyword])
    made = _of(found, bulk=None)
    made = {tag: value for tag, value in made.items() if _signs(value) <= VALUE_SIGNS}
    return made | {"00080005": UTF_8}


def metadata(header: StoredHeader, *, bulk_uri: Callable[[str], str]) -> Json:
    """All attributes; the pixel data, and binary values above 1 kB, as the URI of their path (`bulk_value`'s)."""
    made = _of(header.elements, bulk=bulk_uri)
    made["00080005"] = UTF_8
    if header.has_pixels:
        made[PIXEL_DATA] = {"vr": header.pixel_vr, "BulkDataURI": bulk_uri(PIXEL_DATA)}
    return made


def _of(elements: Dataset, *, bulk: Callable[[str], str] | None, path: str = "", depth: int = 0) -> Json:
    made: Json = {}
    for raw in elements:
        tag = f"{raw.tag:08X}"
        if raw.tag.element == 0:  # group lengths are no part of the model (PS3.18 F.2.2)
            continue
        if raw.VR == "SQ":
            if depth < MAX_DEPTH:
                items = [
                    _of(item, bulk=bulk, path=f"{path}{tag}/{number}/", depth=depth + 1)
                    for number, item in enumerate(raw.value, start=1)
                ]
                made[tag] = {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}
            continue
        made[tag] = _element(raw, bulk=bulk, path=path + tag)
    return made


def _element(element: DataElement, *, bulk: Callable[[str], str] | None, path: str) -> Json:
    if element.VR in BINARY and isinstance(element.value, bytes) and len(element.value) > INLINE_BYTES:
        return {"vr": element.VR, "BulkDataURI": bulk(path)} if bulk is not None else {"vr": element.VR}
    try:
        return dict(element.to_json_dict(None, INLINE_BYTES))
    except (ValueError, TypeError, AttributeError, OverflowError):
        # A value that its VR does not allow: the file has it, JSON cannot.
        return {"vr": element.VR}


def _signs(value: Json) -> int:
    return sum(len(str(part)) for part in value.get("Value", ()))


def tag_of(name: str) -> str | None:
    """`0020000D` for that or for `StudyInstanceUID`; None for what the dictionary does not know."""
    if len(name) == 8:
        try:
            tag = Tag(int(name, 16))
        except ValueError:
            tag = None
        if tag is not None:
            return f"{tag:08X}"
    found = tag_for_keyword(name)
    return None if found is None else f"{Tag(found):08X}"


def keyword_of(tag: str) -> str:
    """The keyword of a tag; empty where the dictionary has none."""
    return str(keyword_for_tag(int(tag, 16)))


def vr_of(tag: str) -> str:
    """The value representation of a tag, the first where it has several; UN where the dictionary has none."""
    try:
        return str(dictionary_VR(int(tag, 16))).split(" ", 1)[0]
    except KeyError:
        return "UN"
