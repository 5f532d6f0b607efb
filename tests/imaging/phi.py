"""Radiographs full of made-up patient data: a canary in every attribute of PS3.15 Table E.1-1, at three depths."""

from __future__ import annotations

import csv
import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmread
from pydicom._dicom_dict import DicomDictionary
from pydicom.dataelem import DataElement
from pydicom.sequence import Sequence

import imaging
from tests.imaging.reference import dicom, ramp

# What must be found nowhere: in texts, in UIDs and in dates.
CANARY, UID_CANARY, DATE_CANARY = b"ZQXCANARY", b"1.2.826.0.1.777", b"19420117"
CANARIES = (CANARY, UID_CANARY, DATE_CANARY)
NEST = 0x00082218  # Anatomic Region Sequence: not in the table, so what is in it is looked at
WORD = CANARY.decode()
VALUES: dict[str, Any] = {
    "AS": "077Y", "AT": 0x00100010, "DA": "19420117", "DS": "777.42", "DT": "19420117131415.9265+0547", "FD": 777.42,
    "FL": 777.5, "IS": "777", "OB": CANARY + b"!", "OW": CANARY + b"!", "SL": 777, "SS": 777, "TM": "131415.926535",
    "UL": 777, "UN": CANARY + b"!", "UR": f"http://{WORD}", "US": 777, "PN": f"{WORD}^PATIENT",
}  # fmt: skip
# pydicom writes them into the file meta information or not at all.
UNWRITABLE = ("0000", "0002", "0004")


@dataclass(frozen=True)
class Planted:
    """The file, and the value that each planted attribute of the table (its tag as there) had."""

    data: bytes
    values: dict[str, Any]


def value_of(tag: int, vr: str) -> Any:
    if vr == "SQ":
        item = Dataset()
        item.PatientName = f"{WORD}^NESTED"
        item.add_new(0x00080104, "LO", f"{WORD} meaning")
        item.add_new(0x00081155, "UI", f"{UID_CANARY.decode()}.1")
        return Sequence([item])
    if vr == "UI":
        return f"{UID_CANARY.decode()}.{tag}"
    if tag == 0x00080201:
        return "+0547"
    return VALUES.get(vr, WORD)


def table_tags() -> list[tuple[str, int, str]]:
    """Of every writable row with a tag of its own: as in the table, as a number, and its value representation."""
    with (Path(imaging.__file__).parent / "confidentiality.csv").open() as file:
        listed = [row["tag"] for row in csv.DictReader(file)]
    single = [tag for tag in listed if len(tag) == 8 and "x" not in tag and not tag.startswith(UNWRITABLE)]
    return [(tag, int(tag, 16), DicomDictionary.get(int(tag, 16), ("LO",))[0]) for tag in single]


def fill(item: Dataset) -> dict[str, Any]:
    """Plant everything into one data set; what was planted for each row."""
    planted = {}
    for name, tag, vr in table_tags():
        value = value_of(tag, vr)
        item[tag] = DataElement(tag, vr, value)
        planted[name] = value
    others = {
        0x50003000: ("OB", CANARY + b"!"), 0x50020010: ("LO", WORD), 0x60003000: ("OB", CANARY + b"!"),
        0x60004000: ("LT", WORD), 0x60020022: ("LO", WORD), 0x00090010: ("LO", WORD), 0x00091001: ("PN", WORD),
        0x00187006: ("LT", WORD), 0x0018FFF0: ("LO", WORD), 0x00081191: ("UI", UID_CANARY.decode()),
        0x00100033: ("LO", WORD), 0x0040A160: ("UT", WORD), 0x00282000: ("OB", CANARY + b"!"),
    }  # fmt: skip
    for tag, (vr, value) in others.items():
        item[tag] = DataElement(tag, vr, value)
    return planted


def plant(syntax: str, sop_class: str, **attributes: Any) -> Planted:
    """A radiograph of 64 × 256 with canaries everywhere; `attributes` by keyword are set last."""
    data = dcmread(io.BytesIO(dicom(ramp(), syntax=syntax, SOPClassUID=sop_class)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # values that do not fit their VR are part of the point
        planted = fill(data)
        inner, innermost = Dataset(), Dataset()
        fill(inner)
        fill(innermost)
        inner[NEST] = DataElement(NEST, "SQ", Sequence([innermost]))
        data[NEST] = DataElement(NEST, "SQ", Sequence([inner]))
        for keyword, value in attributes.items():
            setattr(data, keyword, value)
        data.preamble = (CANARY * 15)[:128]
        data.file_meta.SourceApplicationEntityTitle = WORD
        data.file_meta.PrivateInformationCreatorUID = UID_CANARY.decode()
        data.file_meta.PrivateInformation = CANARY + b"!"
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
        buffer = io.BytesIO()
        data.save_as(buffer, enforce_file_format=True)
    return Planted(buffer.getvalue(), planted)
