"""From an Image, its header and its neighbours to how it is shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date
from typing import Any

from api.viewer.schemas import DisplayView, OtherImageView, SpacingView, WindowView
from core.vocabulary import JobState, MediaKind
from db.repositories.related import OtherImage
from db.tables import Image, Job
from imaging.display import DisplayAttributes, DisplayWindow

STUDY_DATE, VIEW_POSITION = "00080020", "00185101"
LATERALITY = ("00200062", "00200060")


def display_view(job: Job, image: Image, display: DisplayAttributes, others: list[OtherImage]) -> DisplayView:
    """Call inside the session."""
    spacing = display.spacing
    day = study_day(image.attributes or {})
    return DisplayView(
        job_id=job.id,
        image_id=image.id,
        study_id=image.study_id,
        media_kind=MediaKind(image.media_kind),
        rows=image.rows,
        columns=image.columns,
        bits=image.bits_stored,
        photometric=display.photometric,
        small_is_bright=display.small_is_bright,
        slope=display.slope,
        intercept=display.intercept,
        windows=_windows(display.windows),
        spacing=None
        if spacing is None
        else SpacingView(row_mm=spacing.rows, column_mm=spacing.columns, calibrated=spacing.calibrated),
        others=[_other(one, day) for one in others],
    )


def _windows(windows: tuple[DisplayWindow, ...]) -> list[WindowView]:
    """Their names are ours: an explanation in the file is free text, and not shown."""
    seen: Counter[str] = Counter()
    made = []
    for one in windows:
        seen[one.source] += 1
        number = f"_{seen[one.source]}" if seen[one.source] > 1 else ""
        made.append(
            WindowView(
                name=one.source + number,
                center=one.center,
                width=one.width,
                function=one.function,
                lower=one.lower,
                upper=one.upper,
            )
        )
    return made


def _other(one: OtherImage, day: date | None) -> OtherImageView:
    its = study_day(one.attributes)
    return OtherImageView(
        job_id=one.job_id,
        job_state=JobState(one.job_state),
        image_id=one.image_id,
        study_id=one.study_id,
        same_study=one.same_study,
        days_apart=(its - day).days if its is not None and day is not None else None,
        body_part=one.body_part,
        view_position=_first(one.attributes, VIEW_POSITION),
        laterality=next((found for tag in LATERALITY if (found := _first(one.attributes, tag))), None),
        rows=one.rows,
        columns=one.columns,
        received_at=one.created_at,
    )


def study_day(attributes: Mapping[str, Any]) -> date | None:
    """Study Date of DICOM JSON; None where it is none."""
    found = _first(attributes, STUDY_DATE)
    try:
        return date.fromisoformat(found) if found is not None else None
    except ValueError:
        return None


def _first(attributes: Mapping[str, Any], tag: str) -> str | None:
    values = attributes.get(tag, {}).get("Value")
    return str(values[0]) if values else None
