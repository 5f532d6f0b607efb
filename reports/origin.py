"""Whom and what a DICOM report is about: the patient and study that it joins, and the image that it refers to.

As stored that is the de-identified instance, with the attributes that its Image keeps; with an Identity the original
one. A PNG or JPEG has neither: its report refers to the Secondary Capture that is made of it here.
"""

from __future__ import annotations

import io
from datetime import UTC

import pydicom.config
from pydicom import DataElement, Dataset
from pydicom.datadict import dictionary_VR
from pydicom.tag import Tag
from pydicom.uid import SecondaryCaptureImageStorage
from pydicom.valuerep import validate_value

from core.identity import Identity
from core.result_record import ResultRecord
from core.vocabulary import ReportKind
from reports.codes import PRIVATE_SCHEME
from reports.identifiers import SCHEME_UID, instance_uid, series_uid, study_uid
from reports.marks import MANUFACTURER

# Type 2 or wanted attributes of the Patient and General Study modules (PS3.3 C.7.1.1, C.7.2.1), with Identity's names.
ENTERED = {
    "PatientName": "patient_name",
    "PatientID": "patient_id",
    "IssuerOfPatientID": "issuer_of_patient_id",
    "PatientBirthDate": "patient_birth_date",
    "PatientSex": "patient_sex",
    "StudyID": "study_id",
    "StudyDate": "study_date",
    "StudyTime": "study_time",
    "StudyDescription": "study_description",
    "AccessionNumber": "accession_number",
    "ReferringPhysicianName": "referring_physician_name",
}
FINDING_THE_PATIENT = {"PatientName", "PatientID"}
OPTIONAL = {"IssuerOfPatientID", "StudyDescription"}


def is_dicom(record: ResultRecord) -> bool:
    """Whether the judged image is a DICOM instance, which a report can refer to."""
    return record.image.sop_instance_uid is not None and record.image.sop_class_uid is not None


def referenced(record: ResultRecord, identity: Identity | None) -> Dataset:
    """The referenced instance: its four UIDs, its size, and empty patient and study modules (`enter` fills them)."""
    found, image = Dataset(), record.image
    home = identity is not None
    if not is_dicom(record):
        found.SOPClassUID = SecondaryCaptureImageStorage
        found.SOPInstanceUID = instance_uid(record, ReportKind.SC, home=home)
        found.SeriesInstanceUID = series_uid(record, ReportKind.SC, home=home)
        found.StudyInstanceUID = study_uid(record)
    else:
        # An Identity that lacks a UID would break the reference: then the stored one stands.
        found.SOPClassUID = (identity and identity.sop_class_uid) or image.sop_class_uid
        found.SOPInstanceUID = (identity and identity.sop_instance_uid) or image.sop_instance_uid
        found.SeriesInstanceUID = (identity and identity.series_instance_uid) or image.series_instance_uid
        found.StudyInstanceUID = (identity and identity.study_instance_uid) or image.study_instance_uid
        found.SeriesInstanceUID = found.SeriesInstanceUID or series_uid(record, ReportKind.OVERLAY, home=home)
        found.StudyInstanceUID = found.StudyInstanceUID or study_uid(record)
    found.Modality = image.modality or "OT"
    found.Rows, found.Columns, found.SamplesPerPixel = record.rows, record.columns, 1
    for keyword in ENTERED:
        setattr(found, keyword, None)
    return found


def side(record: ResultRecord) -> str | None:
    """Laterality, `L` or `R`, as the image has it; type 2C, so empty where nobody told (PS3.3 C.7.3.1.1.1)."""
    for keyword in ("Laterality", "ImageLaterality"):
        values = (record.image.attributes.get(f"{int(Tag(keyword)):08X}") or {}).get("Value")
        if values and values[0] in {"L", "R"}:
            return str(values[0])
    return None


def enter(dataset: Dataset, record: ResultRecord, identity: Identity | None) -> None:
    """Give `dataset` its patient and study, as UTF-8, and the times of the Prediction instead of now.

    Name and ID are as they came, valid or not: a PACS finds its patient by them. Another value that its VR does not
    allow is left empty.
    """
    dataset.SpecificCharacterSet = "ISO_IR 192"
    values = _stored(record) if identity is None else {name: getattr(identity, of) for name, of in ENTERED.items()}
    for keyword in ENTERED:
        value = values.get(keyword, "")
        if keyword not in FINDING_THE_PATIENT and not _is_valid(keyword, value):
            value = ""
        if value or keyword not in OPTIONAL:
            tag, vr = Tag(keyword), dictionary_VR(keyword)
            dataset.add(DataElement(tag, vr, value, validation_mode=pydicom.config.IGNORE))
        elif keyword in dataset:
            del dataset[keyword]
    moment = record.predicted_at.astimezone(UTC)
    date, time = moment.strftime("%Y%m%d"), moment.strftime("%H%M%S")
    for part in ("InstanceCreation", "Content", "Series"):
        setattr(dataset, f"{part}Date", date)
        setattr(dataset, f"{part}Time", time)
    if not values.get("StudyTime") or not is_dicom(record):
        # It speaks of every time in the instance, and a study's own is that of the clock on its wall.
        dataset.TimezoneOffsetFromUTC = "+0000"
    for item in dataset.get("ContributingEquipmentSequence", []):
        # It is now, and with a zone dcmtk's checker of presentation states takes it for a mistake.
        item.pop("ContributionDateTime", None)


def _is_valid(keyword: str, value: str) -> bool:
    """By its VR (PS3.5 6.2), and the sex by its terms (PS3.3 C.7.1.1)."""
    if keyword == "PatientSex":
        return value in {"M", "F", "O"}
    try:
        validate_value(dictionary_VR(keyword), value, pydicom.config.RAISE)
    except ValueError:
        return False
    return True


def private_scheme() -> Dataset:
    """Whose codes `99LUCENCY` are (PS3.3 C.12.1.1.9)."""
    item = Dataset()
    item.CodingSchemeDesignator = PRIVATE_SCHEME
    item.CodingSchemeUID = SCHEME_UID
    item.CodingSchemeName = "Lucency's labels and measures"
    item.CodingSchemeResponsibleOrganization = MANUFACTURER
    return item


def as_file(dataset: Dataset) -> bytes:
    """A Part 10 file."""
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _stored(record: ResultRecord) -> dict[str, str]:
    """What the Image keeps of its stored instance. Of a raster when it came, no name, and its id: an empty PatientID
    would make all one patient.
    """
    attributes = record.image.attributes
    known = {}
    for keyword in ENTERED:
        values = (attributes.get(f"{int(Tag(keyword)):08X}") or {}).get("Value") or [""]
        first = values[0]
        known[keyword] = str(first.get("Alphabetic", "")) if isinstance(first, dict) else str(first)
    if not any(known.values()):
        known |= {"PatientID": str(record.image.image_id), "PatientName": "Anonymous^"}
    if not is_dicom(record):
        came = record.submitted_at.astimezone(UTC)
        known |= {"StudyDate": f"{came:%Y%m%d}", "StudyTime": f"{came:%H%M%S}", "StudyID": "1"}
    return known
