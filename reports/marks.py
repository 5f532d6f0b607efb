"""What every DICOM report says of itself: made by software, and no primary diagnosis."""

from __future__ import annotations

from core.vocabulary import DICOM_REPORTS, ReportKind

MANUFACTURER = "Lucency"
# As it is burned into a picture; without identity, so BurnedInAnnotation stays NO.
BANNER = "AI-GENERATED - NOT FOR PRIMARY DIAGNOSIS"


def series_number(kind: ReportKind) -> int:
    """Of the series that a job's report of this kind is alone in."""
    return DICOM_REPORTS[kind].series_number


def series_description(kind: ReportKind) -> str:
    """At most 64 characters (LO)."""
    return f"{DICOM_REPORTS[kind].series_name} - research, not for primary diagnosis"
