"""What every DICOM report says of itself: made by software, and no primary diagnosis."""

from __future__ import annotations

from core.result_record import ResultRecord
from core.vocabulary import DICOM_REPORTS, ReportKind

MANUFACTURER = "Lucency"
# As it is burned into a picture; without identity, so BurnedInAnnotation stays NO.
BANNER = "AI-GENERATED - NOT FOR PRIMARY DIAGNOSIS"


def software(record: ResultRecord) -> str | None:
    """`Lucency 0.1.0`: what judged, not what wrote the report, so that the same result makes the same instance."""
    return None if record.release is None else f"{MANUFACTURER} {record.release}"


def software_versions(record: ResultRecord) -> list[str]:
    """Of the device (PS3.3 C.7.5.1): the model's own, then Lucency's where it is known."""
    return [*filter(None, (record.model_version, software(record)))]


def series_number(kind: ReportKind) -> int:
    """Of the series that a job's report of this kind is alone in."""
    return DICOM_REPORTS[kind].series_number


def series_description(kind: ReportKind) -> str:
    """At most 64 characters (LO)."""
    return f"{DICOM_REPORTS[kind].series_name} - research, not for primary diagnosis"
