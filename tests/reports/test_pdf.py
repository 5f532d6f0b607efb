"""The PDF, read back and looked at by PDFium."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pypdfium2
import pytest
from numpy.typing import NDArray

from core.errors import ImageInvalid
from core.identity import Identity
from core.result_record import Box, Pictures, ResultRecord
from core.vocabulary import DISCLAIMER, ReportKind
from reports.render import render
from tests.reports.records import chest, finding, identity, pictures, raster, record, slim

WIDE = record(rows=300, columns=3000, findings=(finding(regions=(Box(900, 100, 500, 150, 0.9),)),))
DOUBTFUL = record(
    findings=(
        finding(
            explained=False,
            regions=(),
            three_way={"decision": "refer", "coverage": None, "lower": None, "upper": None},
        ),
    ),
    region=None,
    region_probability=None,
    region_probabilities={},
    sanity={"accepted": False, "flags": [{"code": "blurred", "score": 2.0, "limit": 1.0}]},
)


def drawn(of: ResultRecord, who: Identity | None = None) -> bytes:
    return render(ReportKind.PDF, of, pictures(of), who).content


def pages(content: bytes) -> list[tuple[str, NDArray[np.uint8]]]:
    """Of each page the text, and the picture (h, w, 3) at 72 dots an inch."""
    document = pypdfium2.PdfDocument(content)
    try:
        return [(_text(page), np.asarray(page.render(scale=1).to_pil().convert("RGB"))) for page in document]
    finally:
        document.close()


def _text(page: Any) -> str:
    return str(page.get_textpage().get_text_bounded()).replace("\r\n", " ").replace("\xa0", " ")


def test_it_says_all_that_the_result_is() -> None:
    [(text, _)] = pages(drawn(record()))
    for said in (
        "Fracture 83.0 % 50.0 % POSITIVE REFER to a person 0.91",
        "referred, a person must decide: 83.0 % lies between 20.0 % and 90.0 %",
        "Stated coverage 90 %: of images like those that the limits were fitted on",
        "No doubt: kind of picture",
        "Leg (94.0 %); then hand 4.0 %, hip 2.0 %",
        "lucency 2, engine onnxruntime",
        "Software Lucency 0.0.7",
        record().model_digest,
        "sensitivity ≥ 0.85 on the val split",
        "2026-11-21 09:30:05 UTC",
        "network 62 ms",
        str(record().job_id),
        "hardware may be read as fracture",
        "1: columns 610–930, rows 1010–1270, highest heat 0.97",
        DISCLAIMER,
        "AI-GENERATED · NOT FOR PRIMARY DIAGNOSIS",
        "De-identified image",
    ):
        assert said in text, said


@pytest.mark.parametrize("of", [record(), chest(), raster(), slim(), WIDE, DOUBTFUL])
def test_one_or_two_pages_each_with_the_disclaimer(of: ResultRecord) -> None:
    read = pages(drawn(of, identity()))
    assert 1 <= len(read) <= 2
    for number, (text, picture) in enumerate(read, start=1):
        assert DISCLAIMER in text
        assert f"page {number} of {len(read)}" in text
        assert str(of.job_id) in text
        # Nothing runs into the margins.
        ink = np.argwhere(picture.min(axis=2) < 200)
        assert ink.min() >= 30
        assert (picture.shape[:2] - ink.max(axis=0)).min() >= 30


def test_many_findings_are_all_there() -> None:
    many = chest(findings=tuple(replace(one, three_way=finding().three_way) for one in chest().findings))
    read = pages(drawn(many))
    text = " ".join(text for text, _ in read)
    assert len(read) == 2
    for one in many.findings:
        assert one.label.replace("_", " ").capitalize() in text
    assert "What spoke for: Hernia" in text
    assert "Mass, 30.0 %" in text


def test_a_doubtful_input_is_said_so() -> None:
    [(text, _)] = pages(drawn(DOUBTFUL))
    assert "more blurred than the radiographs that the model knows (score 2.00, limit 1.00)" in text
    assert "referred, because the input is doubtful" in text
    assert "No heatmap was asked for" in text
    assert "not judged by this model" in text


def test_nothing_is_told_by_colour_alone() -> None:
    """In grey the place of the heatmap still differs from the radiograph beside it, and the box is there."""
    bare = record(findings=(finding(regions=()),))
    none = Pictures(pictures(bare).preview, {"fracture": pictures(slim()).heatmaps["fracture"]})
    [(_, picture)] = pages(drawn(record()))
    grey = picture.mean(axis=2)
    half = grey.shape[1] // 2
    rows = slice(120, 380)
    left, right = grey[rows, 40:half], grey[rows, half : 2 * half - 40]
    assert right.max() > 250 > left[20:-40, 60:-60].max()
    [(_, unboxed)] = pages(render(ReportKind.PDF, bare, none).content)
    assert np.abs(unboxed.mean(axis=2)[rows] - grey[rows]).max() > 100


def test_the_patient_is_on_it_only_when_asked_for() -> None:
    [(with_identity, _)] = pages(drawn(record(), identity()))
    for said in ("Yamada Tarou", "山田 太郎", "P-0815 (St. Elsewhere)", "1970-01-31, M", "A4711", "Müller Jörg"):
        assert said in with_identity, said
    [(without, _)] = pages(drawn(record()))
    assert "Yamada" not in without
    metadata = pypdfium2.PdfDocument(drawn(record(), identity())).get_metadata_dict()
    assert metadata["Title"] == f"AI result, job {record().job_id}"
    assert "Yamada" not in str(metadata)


@pytest.mark.parametrize(
    "name", ["Łukasz Żółć", "李^小龍", "홍^길동", "<b>&amp;", "نجيب^محفوظ", "\U0001f9b4", "A\x00\x1b\nB"]
)
def test_a_name_in_any_script_makes_a_page(name: str) -> None:
    [(text, _)] = pages(drawn(record(), identity(patient_name=name)))
    assert "P-0815" in text
    if name.isprintable() and name not in {"نجيب^محفوظ", "\U0001f9b4"}:
        assert name.replace("^", " ") in text


def test_a_name_without_end_makes_a_page() -> None:
    who = identity(patient_name="x" * 5000, patient_id="y" * 5000, study_description="z" * 5000)
    assert 1 <= len(pages(drawn(record(), who))) <= 4


def test_language_and_bytes() -> None:
    content = drawn(record(), identity())
    assert content == drawn(record(), identity())
    assert b"/Lang (en)" in content
    assert b"/FontFile2" in content


def test_damaged_pictures_are_refused() -> None:
    with pytest.raises(ImageInvalid):
        render(ReportKind.PDF, record(), Pictures(b"no picture", {"fracture": b""}))
