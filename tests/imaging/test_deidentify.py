"""PS3.15 Table E.1-1 on generated data sets with patient data in every attribute of the table, read back by pydicom.

The table is read here by itself, and every row's action is checked at the root and two sequences deep.
"""

from __future__ import annotations

import csv
import io
import re
import zlib
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pydicom._dicom_dict import DicomDictionary
from pydicom.dataelem import DataElement

import imaging
from core.sealing import SiteKey
from imaging.confidentiality import DESCRIPTIVE
from imaging.deidentify import pseudonym
from imaging.dicom import scan_dicom
from imaging.header import Limits
from imaging.stored_dicom import stored_dicom
from tests.imaging.encodings import NATIVE
from tests.imaging.phi import CANARIES, NEST, Planted, plant
from tests.imaging.reference import dicom, ramp

KEY = SiteKey(b"k" * 32)
TABLE = Path(imaging.__file__).parent / "confidentiality.csv"
CR, DX = "1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1"


def rows() -> list[dict[str, str]]:
    with TABLE.open() as file:
        return list(csv.DictReader(file))


def deidentified(data: bytes, key: SiteKey = KEY) -> bytes:
    file = io.BytesIO(data)
    stored = stored_dicom(file, scan_dicom(file, limits=Limits()), key=key, limits=Limits())
    try:
        return stored.reading(file).read()
    finally:
        stored.close()


def read(data: bytes) -> Dataset:
    return dcmread(io.BytesIO(data))


def inflated(data: bytes, syntax: str) -> bytes:
    """The file with its data set inflated, so that it can be searched."""
    if syntax != NATIVE[2]:
        return data
    # PS3.10 section 7.1: the group length, at a fixed place, tells where the data set begins.
    start = 144 + int.from_bytes(data[140:144], "little")
    return data[:start] + zlib.decompress(data[start:], -zlib.MAX_WBITS)


def planted_file(syntax: str = NATIVE[1], sop_class: str = CR) -> tuple[bytes, Planted]:
    """A radiograph with a canary in every attribute of the table that pydicom can write, at three depths."""
    found = plant(syntax, sop_class)
    return found.data, found


def checked(element: DataElement | None, before: Any, row: dict[str, str], vr: str) -> str:
    """What is wrong with an attribute after the action of its row; empty where nothing is."""
    if row["modified_dates"]:
        return shifted_fault(element, before, vr)
    action = row["action"]
    if action.startswith("X"):
        # X/Z and the like: DX needs one of them, empty; no CR or DX needs another.
        kept = element is not None and not (action == "X/Z" and is_empty(element, vr))
        return "not removed" if kept else ""
    if element is None:
        return "gone"
    changed = element.value != before
    if action == "U":
        return "" if changed and re.fullmatch(r"2\.25\.[1-9][0-9]{1,38}", str(element.value)) else "no new UID"
    if action == "D":
        return "" if changed and not is_empty(element, vr) else "no dummy"
    return "" if is_empty(element, vr) or changed else "not emptied"


def is_empty(element: DataElement, vr: str) -> bool:
    return len(element.value) == 0 if vr == "SQ" else bool(element.is_empty)


def shifted_fault(element: DataElement | None, before: Any, vr: str) -> str:
    if element is None or element.is_empty:
        return "a date is gone"
    value = str(element.value)
    if vr == "TM":
        return "" if value == before else "a time of day changed"
    if vr == "SH":
        return "" if value == "+0000" else "a time zone stayed"
    return "" if re.fullmatch(r"[0-9]{8}[0-9.+]*", value) and value[:8] != before[:8] else "a date did not move"


@pytest.mark.parametrize("syntax", NATIVE)
@pytest.mark.parametrize("sop_class", [CR, DX])
def test_every_attribute_of_the_table_gets_its_action_at_every_depth(syntax: str, sop_class: str) -> None:
    data, found = planted_file(syntax, sop_class)
    after = read(deidentified(data))
    faults, seen = [], 0
    for depth, item in enumerate((after, after[NEST][0], after[NEST][0][NEST][0])):
        for row in rows():
            if row["tag"] not in found.values:
                continue
            seen += 1
            tag = int(row["tag"], 16)
            vr = DicomDictionary[tag][0] if tag in DicomDictionary else "UN"
            fault = checked(item.get(tag), found.values[row["tag"]], row, vr)
            if fault:
                faults.append((depth, row["tag"], row["name"], row["action"], fault, item.get(tag)))
    assert not faults
    assert seen >= 3 * 600
    stored = inflated(deidentified(data), syntax)
    assert [canary for canary in CANARIES if canary in stored] == []
    assert all(canary in inflated(data, syntax) for canary in CANARIES)


def test_the_table_is_whole() -> None:
    """Edition 2026c has 656 rows; every action code of the standard is among them."""
    table = rows()
    assert len({row["tag"] for row in table}) == len(table) == 656
    codes = {row["action"] for row in table}
    assert codes == {"X", "Z", "D", "U", "X/Z", "X/D", "X/Z/D", "X/Z/U*", "Z/D"}
    groups = {row["tag"] for row in table if not re.fullmatch("[0-9A-F]{8}", row["tag"])}
    assert groups == {"50xxxxxx", "60xx3000", "60xx4000", "private"}
    assert all(row["name"] for row in table)
    # None of them is among what is kept for being descriptive.
    assert not DESCRIPTIVE & {int(row["tag"], 16) for row in table if row["tag"] not in groups}


def test_what_was_done_is_recorded() -> None:
    after = read(deidentified(planted_file()[0]))
    assert after.PatientIdentityRemoved == "YES"
    assert after.LongitudinalTemporalInformationModified == "MODIFIED"
    assert "PS3.15" in after.DeidentificationMethod
    codes = [(item.CodeValue, item.CodingSchemeDesignator) for item in after.DeidentificationMethodCodeSequence]
    assert codes == [("113100", "DCM"), ("113107", "DCM")]
    assert after.file_meta.MediaStorageSOPInstanceUID == after.SOPInstanceUID
    assert set(after.file_meta.keys()) == {0x00020000 + n for n in (0, 1, 2, 3, 0x10, 0x12, 0x13)}


def test_groups_private_and_unknown_attributes_go() -> None:
    after = read(deidentified(planted_file()[0]))
    for element in after.iterall():
        group = element.tag.group
        assert not group & 1, element
        assert group & 0xFF00 not in (0x5000, 0x6000), element
        assert element.tag in DicomDictionary, element
    assert "IconImageSequence" not in after
    assert "DataSetTrailingPadding" not in after


def test_uids_outside_of_the_table_stay_only_where_they_are_the_standards() -> None:
    before = read(dicom(ramp()))
    before.SOPClassesSupported, before.AvailableTransferSyntaxUID = [CR, DX], "1.2.840.10008.1.2.1"
    before.MultiFrameSourceSOPInstanceUID = before.TargetFrameOfReferenceUID = "1.2.826.0.1.777.5"
    before.SOPClassesInStudy = [CR, "1.2.826.0.1.777.6"]
    buffer = io.BytesIO()
    before.save_as(buffer, enforce_file_format=True)
    after = read(deidentified(buffer.getvalue()))
    assert (after.SOPClassesSupported, after.AvailableTransferSyntaxUID) == ([CR, DX], "1.2.840.10008.1.2.1")
    assert b"1.2.826.0.1.777" in buffer.getvalue()
    assert b"1.2.826.0.1.777" not in deidentified(buffer.getvalue())
    for gone in ("MultiFrameSourceSOPInstanceUID", "TargetFrameOfReferenceUID", "SOPClassesInStudy"):
        assert gone not in after


def test_dates_keep_their_distances_and_patients_have_their_own_shift() -> None:
    def shifted(patient: str, key: SiteKey = KEY) -> tuple[Any, ...]:
        before = read(dicom(ramp()))
        before.update({0x00100020: DataElement(0x00100020, "LO", patient)})
        before.StudyDate, before.AcquisitionDate, before.ContentDate = "20240229", "20240301", "20231231"
        before.AcquisitionDateTime = "20240301235959.25+0130"
        buffer = io.BytesIO()
        before.save_as(buffer, enforce_file_format=True)
        after = read(deidentified(buffer.getvalue(), key))
        return after.StudyDate, after.AcquisitionDate, after.ContentDate, after.AcquisitionDateTime

    study, acquired, content, moment = shifted("A")
    days = [date.fromisoformat(day).toordinal() for day in (study, acquired, content)]
    assert (days[1] - days[0], days[0] - days[2]) == (1, 60)
    assert moment == acquired + "235959.25+0000"
    assert shifted("A") == (study, acquired, content, moment)
    assert 366 <= date(2024, 2, 29).toordinal() - days[0] <= 4018
    assert len({shifted(f"patient {number}")[0] for number in range(12)}) > 8
    assert shifted("A", SiteKey(b"o" * 32))[0] != study


def test_a_date_that_is_none_is_not_kept() -> None:
    before = read(dicom(ramp()))
    for keyword, value in (("StudyDate", "CANARY"), ("SeriesDate", "CANARY"), ("ContentTime", "12CANARY")):
        element = DataElement(before.data_element(keyword).tag if keyword in before else keyword, "LO", value)
        before[element.tag] = DataElement(element.tag, "LO", value)
    buffer = io.BytesIO()
    before.save_as(buffer, enforce_file_format=True)
    after = read(deidentified(buffer.getvalue()))
    assert after.StudyDate == ""
    assert "SeriesDate" not in after
    assert after.get("ContentTime", "") == ""


def test_same_patient_same_pseudonym_and_another_sites_is_another() -> None:
    data, _ = planted_file()
    one, again = read(deidentified(data)), read(deidentified(data))
    other = read(deidentified(data, SiteKey(b"o" * 32)))
    assert one.PatientID == again.PatientID != other.PatientID
    assert one.PatientID.startswith("P")
    assert deidentified(data) == deidentified(data)
    # UIDs keep what they join: the nested reference to this instance is to its new UID.
    assert one[NEST][0].ReferencedSOPInstanceUID != other[NEST][0].ReferencedSOPInstanceUID


def test_no_two_patients_have_one_pseudonym() -> None:
    """It stands for the patient wherever one is looked for: an erasure must not find another."""
    found = [pseudonym(f"{number}", KEY) for number in range(20_000)]
    assert len(set(found)) == len(found)
    assert all(re.fullmatch(r"P[A-Z2-7]{16}", one) for one in found)
    assert (pseudonym(" 7 ", KEY), pseudonym(" \0", KEY)) == (found[7], "")
