"""DICOM JSON of stored headers, against pydicom's own."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from core.errors import DicomInvalid, DicomTruncated
from imaging.dicom_json import PIXEL_DATA, metadata, search_attributes, tag_of, vr_of
from imaging.dictionary import keywords
from imaging.file_meta import media_storage
from imaging.first_bytes import header_of
from imaging.header import Limits
from imaging.stored_header import bulk_value, explicit_header, read_header
from tests.data import pydicom_file, shared
from tests.imaging.encodings import CODESTREAMS, NATIVE, START, written
from tests.imaging.reference import dicom, ramp

LIMITS = Limits()
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


def shown(data: bytes) -> dict[str, Any]:
    return metadata(read_header(io.BytesIO(data), limits=LIMITS), bulk_uri=lambda path: f"/bulk/{path}")


def as_pydicom_has_it(found: Dataset) -> dict[str, Any]:
    del found.PixelData
    made = found.to_json_dict(bulk_data_threshold=1024, bulk_data_element_handler=lambda element: "")
    made["00080005"] = {"vr": "CS", "Value": ["ISO_IR 192"]}
    return {tag: element for tag, element in made.items() if not tag.endswith("0000")}


def plain(found: dict[str, Any]) -> dict[str, Any]:
    """The values of what the standard knows before the pixel data; pydicom knows private attributes of some makers."""
    return {
        tag: [None if value == "" else value for value in element.get("Value", element.get("InlineBinary")) or ()]
        for tag, element in found.items()
        if tag < PIXEL_DATA and not int(tag[3], 16) & 1
    }


@pytest.mark.parametrize("name", ["RG3_UNCR", "RG1_JLSN", "966_fixed", "NM_Kakadu44_SOTmarkerincons", "RG3_J2KI"])
def test_metadata_is_pydicoms(name: str) -> None:
    path = shared(f"dicom_cr/{name}.dcm")
    found = shown(path.read_bytes())
    assert found.pop(PIXEL_DATA)["BulkDataURI"] == f"/bulk/{PIXEL_DATA}"
    assert plain(found) == plain(as_pydicom_has_it(pydicom.dcmread(path)))


@pytest.mark.parametrize("name", ["RG3_UNCI.dcm", "RG1_UNCI.dcm"])
def test_implicit_files(name: str) -> None:
    found = shown(pydicom_file(name).read_bytes())
    del found[PIXEL_DATA]
    wanted = plain(as_pydicom_has_it(pydicom.dcmread(pydicom_file(name))))
    assert {tag: value for tag, value in plain(found).items() if vr_of(tag) != "UN"} == {
        tag: value for tag, value in wanted.items() if vr_of(tag) != "UN"
    }


@pytest.mark.parametrize("syntax", [*NATIVE, START + ".4.80"])
def test_one_instance_is_the_same_in_every_encoding(syntax: str) -> None:
    item = Dataset()
    item.LUTDescriptor, item.LUTData = [3, 0, 16], np.array([1, 2, 40000], "<u2").tobytes()
    code = Dataset()
    code.CodeValue, code.CodeMeaning = "T-1", "Ünïcode"
    more = {
        "SpecificCharacterSet": "ISO_IR 100", "PatientName": "Äb^C", "WindowCenter": [1.5, 2],
        "SmallestImagePixelValue": 7,
        "RecommendedDisplayFrameRateInFloat": 1.5, "AnatomicRegionSequence": Sequence([code]),
        "PixelSpacing": [0.1, 0.2],
    }  # fmt: skip
    made = shown(written(ramp(), syntax, **more))
    assert made["00100010"]["Value"] == [{"Alphabetic": "Äb^C"}]
    assert made["00281050"]["Value"] == [1.5, 2.0]
    assert made["00280106"]["Value"] == [7]
    assert made["00280030"]["Value"] == [0.1, 0.2]
    assert made["00082218"]["Value"][0]["00080104"]["Value"] == ["Ünïcode"]
    json.dumps(made, allow_nan=False)


def test_what_json_cannot_hold_is_null() -> None:
    made = shown(dicom(ramp(), syntax=START + ".1", FilterMaterial="\\A\\"))
    assert made["00187050"]["Value"] == [None, "A", None]


def test_bulk_data_has_a_path() -> None:
    table = np.arange(4096, dtype="<u2").tobytes()
    item = Dataset()
    item.LUTDescriptor, item.LUTData = [4096, 0, 16], table
    data = dicom(ramp(), syntax=START + ".1", VOILUTSequence=Sequence([item]))
    made = shown(data)
    assert made["00283010"]["Value"][0]["00283006"] == {"vr": "OW", "BulkDataURI": "/bulk/00283010/1/00283006"}
    header = read_header(io.BytesIO(data), limits=LIMITS)
    assert bulk_value(header, "00283010/1/00283006") == table
    for path in ("00283010/2/00283006", "00283010", "00100010", "x", "", "00283010/0/00283006"):
        with pytest.raises(DicomInvalid):
            bulk_value(header, path)


@pytest.mark.parametrize("syntax", [*NATIVE, *CODESTREAMS])
def test_explicit_header_reads_back(syntax: str) -> None:
    pixels = ramp()
    data = written(pixels if not syntax.endswith(".50") else pixels.astype(np.uint8), syntax, PatientID="7")
    header = read_header(io.BytesIO(data), limits=LIMITS)
    start = explicit_header(header, photometric="MONOCHROME2", pixel_bytes=pixels.size * pixels.itemsize)
    found = pydicom.dcmread(io.BytesIO(start + pixels.tobytes()))
    assert found.file_meta.TransferSyntaxUID == START + ".1"
    assert found.PatientID == "7"
    assert media_storage(io.BytesIO(start)) == (found.SOPClassUID, found.SOPInstanceUID)
    if not syntax.endswith(".50"):
        assert np.array_equal(found.pixel_array, pixels)


def test_no_more_is_read_than_the_header_takes() -> None:
    data = dicom(ramp(), syntax=START + ".1", PatientID="7")
    asked: list[int] = []

    def first(size: int) -> bytes:
        asked.append(size)
        return data[: min(size, 300)] if len(asked) == 1 else data[:size]

    assert header_of(first, size=200_000, limits=LIMITS).tree
    assert asked == [64 * 1024, 512 * 1024]
    with pytest.raises(DicomTruncated):
        header_of(lambda size: data[:300], size=len(data), limits=LIMITS)


def test_searched_attributes_are_bounded() -> None:
    path = pydicom_file("RG3_UNCI.dcm")
    header = read_header(io.BytesIO(path.read_bytes()), limits=LIMITS)
    found = search_attributes(header)
    assert found["00080060"] == {"vr": "CS", "Value": ["CR"]}
    assert PIXEL_DATA not in found
    assert len(json.dumps(found)) < 8192
    long = dicom(ramp(), syntax=START + ".1", WindowCenter=[1.0] * 900)
    assert "00281050" not in search_attributes(read_header(io.BytesIO(long), limits=LIMITS))


def test_names_of_attributes() -> None:
    from pydicom._dicom_dict import DicomDictionary

    assert keywords() == {entry[4]: tag for tag, entry in DicomDictionary.items() if entry[4]}
    assert tag_of("StudyInstanceUID") == tag_of("0020000d") == "0020000D"
    assert tag_of("Nothing") is None
    assert (vr_of("0020000D"), vr_of("00280106"), vr_of("00091001")) == ("UI", "US", "UN")


def test_a_file_that_is_none_has_no_uids(tmp_path: Path) -> None:
    for data in (
        b"",
        b"x" * 200,
        bytes(128) + b"DICM",
        bytes(128) + b"DICM\\x02\\x00\\x02\\x00UI\\xff\\xff" + b"1" * 50,
    ):
        assert media_storage(io.BytesIO(data)) in {("", ""), ("1" * 50, "")}
