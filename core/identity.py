"""Who an image is of: what de-identification takes out, is kept sealed, and goes home with a result."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Identity:
    """The original identifiers of one DICOM instance (PS3.3 C.7.1.1, C.7.2.1, C.7.3.1), as Unicode text; empty where
    the instance has none. Dates are DICOM DA, times TM, names PN. Never logged: its repr is empty.
    """

    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    series_instance_uid: str = ""
    study_instance_uid: str = ""
    patient_name: str = ""
    patient_id: str = ""
    issuer_of_patient_id: str = ""
    patient_birth_date: str = ""
    patient_sex: str = ""
    study_id: str = ""
    study_date: str = ""
    study_time: str = ""
    study_description: str = ""
    accession_number: str = ""
    referring_physician_name: str = ""

    def __repr__(self) -> str:
        return "Identity(…)"

    def to_bytes(self) -> bytes:
        """UTF-8 JSON, to be sealed."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Identity:
        """What `to_bytes` gave; names of a later release are left out."""
        known = json.loads(data)
        return cls(**{name: str(known[name]) for name in cls.__slots__ if name in known})
