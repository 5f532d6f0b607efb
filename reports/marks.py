"""What every DICOM report says of itself: made by software, and no primary diagnosis."""

from __future__ import annotations

from core.vocabulary import ReportKind

MANUFACTURER = "Lucency"
# High, so that a viewer lists them behind the study's own series.
SERIES_NUMBERS = {ReportKind.SR: 9901, ReportKind.SC: 9902, ReportKind.GSPS: 9903}
_NAMES = {
    ReportKind.SR: "AI findings",
    ReportKind.SC: "AI heatmap",
    ReportKind.GSPS: "AI regions",
}
# As it is burned into a picture; without identity, so BurnedInAnnotation stays NO.
BANNER = "AI-GENERATED - NOT FOR PRIMARY DIAGNOSIS"


def series_description(kind: ReportKind) -> str:
    """At most 64 characters (LO)."""
    return f"{_NAMES[kind]} - research, not for primary diagnosis"
