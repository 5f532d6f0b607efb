"""Reports of a radiograph whose pixels are not square: drawn as a reader sees it, told of in stored pixels."""

from __future__ import annotations

import io

import numpy as np
import pydicom
import pypdfium2
import pytest
from PIL import Image

from core.result_record import Box, Pictures, ResultRecord
from core.vocabulary import ReportKind
from reports.layout import LONGEST_SIDE, Layout, shown_size
from reports.overlay import draw_result
from reports.render import render
from reports.secondary_capture import compose
from tests.reports.records import finding, image, pictures, record

# 2048 × 1536 square pixels, of which every second row was stored.
RATIO = {"00280034": {"vr": "IS", "Value": [2, 1]}}
SPACING = {"00181164": {"vr": "DS", "Value": [0.2, 0.1]}}
FLAT = record(
    rows=1024,
    image=image(rows=1024, attributes=RATIO),
    findings=(finding(regions=(Box(610, 505, 320, 130, 0.97),)),),
)
SQUARE = record(findings=(finding(regions=(Box(610, 1010, 320, 260, 0.97),)),))


def made(of: ResultRecord, kind: ReportKind) -> pydicom.Dataset:
    return pydicom.dcmread(io.BytesIO(render(kind, of, seen(of)).content))


def seen(of: ResultRecord) -> Pictures:
    """Pictures as a worker stores them: of the shape that the network was shown."""
    rows, columns = shown_size(of)
    return pictures(record(rows=rows, columns=columns, findings=of.findings))


@pytest.mark.parametrize("attributes", [RATIO, SPACING])
def test_what_is_drawn_has_the_shape_of_square_pixels(attributes: dict[str, object]) -> None:
    flat = record(rows=1024, image=image(rows=1024, attributes=attributes), findings=FLAT.findings)
    assert shown_size(flat) == shown_size(SQUARE) == (2048, 1536)
    assert (Layout.of(flat).rows, Layout.of(flat).columns) == (LONGEST_SIDE, 768)
    assert np.array_equal(compose(flat, seen(flat)), compose(SQUARE, pictures(SQUARE)))
    assert draw_result(flat, seen(flat)) == draw_result(SQUARE, pictures(SQUARE))


def test_the_pdf_s_pictures_too() -> None:
    def sizes(of: ResultRecord) -> list[tuple[float, float]]:
        """Width and height of each picture on the first page, in points."""
        document = pypdfium2.PdfDocument(render(ReportKind.PDF, of, seen(of)).content)
        try:
            places = [one.get_bounds() for one in document[0].get_objects(filter=(pypdfium2.raw.FPDF_PAGEOBJ_IMAGE,))]
        finally:
            document.close()
        return [(right - left, top - bottom) for left, bottom, right, top in places]

    found = sizes(FLAT)
    assert len(found) == 2
    assert [height / width for width, height in found] == pytest.approx([2048 / 1536] * 2, rel=0.01)
    assert np.ravel(found) == pytest.approx(np.ravel(sizes(SQUARE)), rel=0.01)


def test_boxes_are_told_in_stored_pixels() -> None:
    state = made(FLAT, ReportKind.GSPS)
    [annotation] = state.GraphicAnnotationSequence
    assert list(annotation.GraphicObjectSequence[0].GraphicData[:4]) == [610, 505, 930, 505]
    [area] = state.DisplayedAreaSelectionSequence
    assert list(area.DisplayedAreaBottomRightHandCorner) == [1536, 1024]
    assert list(area.PresentationPixelAspectRatio) == [2, 1]
    assert list(made(SQUARE, ReportKind.GSPS).DisplayedAreaSelectionSequence[0].PresentationPixelAspectRatio) == [1, 1]
    report = made(FLAT, ReportKind.SR)
    corners = [list(one.value) for one in report.iterall() if one.keyword == "GraphicData"]
    assert corners[0][:4] == [610, 505, 930, 505]


def test_the_overlay_s_box_lies_on_its_place() -> None:
    picture = np.asarray(Image.open(io.BytesIO(draw_result(FLAT, seen(FLAT)))).convert("L"))[26:, :-64]
    assert picture.shape[0] / picture.shape[1] == pytest.approx(2048 / 1536, abs=0.01)
    scale = picture.shape[0] / 1024
    top, left = round(505 * scale), round(610 * scale / 2)
    line = picture[top - 2 : top + 3, left + 20 : left + 60]
    assert (line.max(axis=0) > 200).all()
