"""A result as Grayscale Softcopy Presentation State (PS3.3 A.33.1): boxes and their figures as graphic annotations over
the original image, which a viewer shows or hides. Window, rescale and polarity are the image's own, where its Image
keeps them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
from highdicom import (
    PresentationLUTShapeValues,
    PresentationLUTTransformation,
)
from highdicom.pr import (
    AnnotationUnitsValues,
    GraphicAnnotation,
    GraphicLayer,
    GraphicObject,
    GrayscaleSoftcopyPresentationState,
    TextObject,
)
from highdicom.pr import GraphicTypeValues as GraphicType
from pydicom import Dataset
from pydicom.datadict import tag_for_keyword

from core.errors import NotFound
from core.identity import Identity
from core.result_record import Box, ReportedFinding, ResultRecord
from core.vocabulary import ReportKind
from imaging.aspect import aspect_of_attributes
from reports.identifiers import instance_uid, series_uid
from reports.marks import BANNER, MANUFACTURER, series_description, series_number, software_versions
from reports.origin import as_file, enter, is_dicom, referenced, side

LAYER = "AI_REGIONS"
PIXEL, DISPLAY = AnnotationUnitsValues.PIXEL, AnnotationUnitsValues.DISPLAY
# PS3.3 C.11.2.1.3.
VOI_FUNCTIONS = frozenset({"LINEAR", "LINEAR_EXACT", "SIGMOID"})


def make(record: ResultRecord, identity: Identity | None = None) -> bytes:
    """A Part 10 file. Raises NotFound for a PNG or JPEG: there is no DICOM image that it could present."""
    if not is_dicom(record):
        raise NotFound("A presentation state presents a DICOM image; this one is a picture file.")
    home = identity is not None
    image = referenced(record, identity)
    _add_grey_values(image, record)
    layer = GraphicLayer(LAYER, order=1, description=BANNER)
    state = GrayscaleSoftcopyPresentationState(
        referenced_images=[image],
        series_instance_uid=series_uid(record, ReportKind.GSPS, home=home),
        series_number=series_number(ReportKind.GSPS),
        sop_instance_uid=instance_uid(record, ReportKind.GSPS, home=home),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=record.model_name,
        software_versions=software_versions(record),
        device_serial_number=record.model_digest,
        series_description=series_description(ReportKind.GSPS),
        content_label="AI_REGIONS",
        content_description=BANNER,
        graphic_layers=[layer],
        graphic_annotations=[
            GraphicAnnotation(
                referenced_images=[image],
                graphic_layer=layer,
                graphic_objects=[_polyline(box) for _, box in _boxes(record)] or None,
                text_objects=[*_texts(record)],
            )
        ],
        presentation_lut_transformation=_polarity(record),
    )
    enter(state, record, identity)
    state.PresentationCreationDate, state.PresentationCreationTime = state.ContentDate, state.ContentTime
    del state.ContentDate, state.ContentTime
    state.Laterality = side(record)
    _set_aspect(state, record)
    return as_file(state)


def _set_aspect(state: Dataset, record: ResultRecord) -> None:
    """The shape of the image's pixels (PS3.3 C.10.4), which would else be shown as squares."""
    ratio = Fraction(aspect_of_attributes(record.image.attributes)).limit_denominator(1000)
    for area in state.DisplayedAreaSelectionSequence:
        area.PresentationPixelAspectRatio = [ratio.numerator, ratio.denominator]


def _polarity(record: ResultRecord) -> PresentationLUTTransformation:
    """A MONOCHROME1 image's lowest values are white: a presentation state says so itself (PS3.3 C.11.6)."""
    inverse = record.image.photometric_interpretation == "MONOCHROME1"
    shape = PresentationLUTShapeValues.INVERSE if inverse else PresentationLUTShapeValues.IDENTITY
    return PresentationLUTTransformation(presentation_lut_shape=shape)


def _boxes(record: ResultRecord) -> Iterator[tuple[ReportedFinding, Box]]:
    for finding in record.judged:
        for box in finding.regions:
            yield finding, box


def _polyline(box: Box) -> GraphicObject:
    """Closed; (column, row) with pixel edges on whole numbers (PS3.3 C.10.5.1.2)."""
    left, top, right, bottom = box.x, box.y, box.x + box.width, box.y + box.height
    corners = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
    return GraphicObject(
        graphic_type=GraphicType.POLYLINE, graphic_data=np.array(corners, dtype=np.float64), units=PIXEL
    )


def _texts(record: ResultRecord) -> Iterator[TextObject]:
    """The figures of each box below it, and the banner at the foot of the display."""
    for finding, box in _boxes(record):
        yield TextObject(
            text_value=f"AI: {finding.label} {finding.probability:.1%}, {finding.decision}",
            units=PIXEL,
            anchor_point=(box.x, box.y + box.height),
            anchor_point_visible=False,
        )
    figures = ", ".join(f"{one.label} {one.probability:.1%}" for one in record.judged[:4])
    more = f" and {len(record.judged) - 4} more" if len(record.judged) > 4 else ""
    yield TextObject(
        text_value=f"{BANNER}\r\n{record.model_name} {record.model_version}: {figures}{more}",
        units=DISPLAY,
        bounding_box=(0.02, 0.92, 0.98, 0.99),
    )


def _add_grey_values(image: Dataset, record: ResultRecord) -> None:
    """As far as they are valid: a radiograph's own mistakes are no reason to have no presentation state of it."""
    center, width = _number(record, "WindowCenter"), _number(record, "WindowWidth")
    function = _first(record, "VOILUTFunction") or "LINEAR"
    least = 1.0 if function == "LINEAR" else 0.0
    if center is not None and width is not None and width >= least and width > 0 and function in VOI_FUNCTIONS:
        image.WindowCenter, image.WindowWidth = center, width
        if function != "LINEAR":
            image.VOILUTFunction = function
    intercept, slope = _number(record, "RescaleIntercept"), _number(record, "RescaleSlope")
    if intercept is not None and slope:
        image.RescaleIntercept, image.RescaleSlope = intercept, slope
        # CR has no Rescale Type, and a presentation state must (PS3.3 table C.11-1b): unspecified.
        image.RescaleType = _first(record, "RescaleType") or "US"


def _first(record: ResultRecord, keyword: str) -> Any:
    """The first value of a stored attribute; of several windows the first is the default."""
    values = (record.image.attributes.get(f"{tag_for_keyword(keyword):08X}") or {}).get("Value") or [None]
    return values[0]


def _number(record: ResultRecord, keyword: str) -> float | None:
    value = _first(record, keyword)
    # DS holds 16 signs.
    return float(f"{value:.9g}") if isinstance(value, int | float) and math.isfinite(value) else None
