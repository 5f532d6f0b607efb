"""UIDs of what is made here (PS3.5 B.2): a fixed function of the Job, the form, and whether it goes home. The same
result is the same instance, however often and wherever it is made.
"""

from __future__ import annotations

from typing import Protocol
from uuid import UUID, uuid5

from core.result_record import ResultRecord
from core.vocabulary import ReportKind

_NAMESPACE = UUID("6d6c0c1e-7a52-5d0b-9b1c-3f6a0e1f4c55")


class OfJob(Protocol):
    """A ResultRecord, or whatever else knows its Job."""

    @property
    def job_id(self) -> UUID: ...


def uid(*words: object) -> str:
    """`2.25.` and a UUID of version 5 over `words`, which may hold no tab."""
    return f"2.25.{uuid5(_NAMESPACE, chr(9).join(map(str, words))).int}"


def instance_uid(record: OfJob, kind: ReportKind, *, home: bool) -> str:
    """The SOP Instance UID of `record` in the DICOM form `kind`; `home`: under the original identity."""
    return uid("instance", record.job_id, kind.value, home)


def series_uid(record: OfJob, kind: ReportKind, *, home: bool) -> str:
    """Each form has another modality, hence a series of its own."""
    return uid("series", record.job_id, kind.value, home)


def study_uid(record: ResultRecord) -> str:
    """The study of an image that came without one."""
    return uid("study", record.image.image_id)


# Of our own codes, `99LUCENCY`.
SCHEME_UID = uid("coding scheme")
