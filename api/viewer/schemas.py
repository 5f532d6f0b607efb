"""How a radiograph is shown, as clients see it. Every name is part of the API: add, never rename."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field

from api.schemas import Schema
from core.vocabulary import DISCLAIMER, JobState, MediaKind


class WindowView(Schema):
    """A window of the file's own. `lut` is the straight line that is nearest to the file's VOI LUT."""

    name: str = Field(description="`voi` or `lut`, numbered from the second on: `voi_2`.")
    center: float = Field(description="As in the file: in the modality's units.")
    width: float
    function: str = Field(description="LINEAR, LINEAR_EXACT or SIGMOID (PS3.3 C.11.2.1).")
    lower: float = Field(description="The same as a range of the radiograph's values.")
    upper: float


class SpacingView(Schema):
    """Millimetres between neighbouring pixels' centres."""

    row_mm: float = Field(description="From one row to the next.")
    column_mm: float
    calibrated: bool = Field(
        description="True: measured in the patient. False: at the detector, where what is nearer to the tube is larger."
    )


class OtherImageView(Schema):
    """Another image of the same study, or of the same patient at another time, and the Job that shows it best."""

    job_id: UUID
    job_state: JobState
    image_id: UUID
    study_id: UUID | None
    same_study: bool
    days_apart: int | None = Field(
        description="Whole days from this image's study to the other's, negative for an earlier one; null where a date "
        "is missing. True although the dates are moved: all of a patient's are moved alike."
    )
    body_part: str | None
    view_position: str | None
    laterality: str | None
    rows: int
    columns: int
    received_at: datetime


class DisplayView(Schema):
    """How to show what is at `/v1/jobs/{id}/radiograph`. A number of the modality is value · slope + intercept."""

    job_id: UUID
    image_id: UUID
    study_id: UUID | None
    media_kind: MediaKind
    rows: int
    columns: int
    bits: int = Field(description="Bits that a value was stored with.")
    photometric: str = Field(description="As in the file; MONOCHROME2 of PNG and JPEG.")
    small_is_bright: bool = Field(
        description="The smallest value is the brightest (MONOCHROME1, or a falling rescale). The pixels are not "
        "turned: whoever shows them does it, once."
    )
    slope: float
    intercept: float
    windows: list[WindowView] = Field(description="The file's own; the first is what the modality shows.")
    spacing: SpacingView | None = Field(description="Null where the file states none, as PNG and JPEG.")
    others: list[OtherImageView] = Field(description="First of this study, then of this patient; newest first.")
    disclaimer: str = DISCLAIMER
