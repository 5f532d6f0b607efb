"""The plain forms, and what all forms share."""

from __future__ import annotations

import csv
import io
import json

import cv2
import numpy as np
import pytest

from core.vocabulary import DISCLAIMER, ReportKind
from reports import tables
from reports.render import render
from tests.reports.records import chest, finding, pictures, raster, record


def test_json_has_every_value_but_the_keys_of_objects() -> None:
    made = render(ReportKind.JSON, record(), None)
    document = json.loads(made.content)
    assert (made.media_type, made.suffix) == ("application/json", ".json")
    assert document["disclaimer"] == DISCLAIMER
    assert document["submitted_at"] == "2026-11-21T09:30:05Z"
    [fracture] = document["findings"]
    assert (fracture["probability"], fracture["threshold"], fracture["decision"]) == (0.83, 0.5, "positive")
    assert fracture["regions_of_interest"][0] == {"x": 610, "y": 1010, "width": 320, "height": 260, "score": 0.97}
    assert document["model_version"]["limits"] == list(record().limits)
    assert document["lucency_version"] == "0.0.7"
    assert b"out/" not in made.content


def test_csv_has_a_row_a_finding() -> None:
    rows = list(csv.DictReader(io.StringIO(render(ReportKind.CSV, chest(), None).content.decode())))
    assert [row["label"] for row in rows] == [one.label for one in chest().findings]
    assert [float(row["probability"]) for row in rows] == [one.probability for one in chest().findings]
    assert {row["region"] for row in rows} == {""}
    [row] = csv.DictReader(io.StringIO(tables.as_csv(record()).decode()))
    assert row["boxes"] == "610 1010 320 260 0.9700;180 1500 200 150 0.5500"
    assert (row["three_way"], row["coverage"], row["accepted"], row["flags"]) == ("refer", "0.9", "true", "")


def test_csv_of_a_model_without_findings_has_one_row() -> None:
    classes = record(findings=(finding("benign", 0.3, role="class"),), probabilities={"benign": 0.3, "normal": 0.7})
    [row] = tables.rows(classes)
    assert (row["label"], row["probability"], row["decision"]) == ("normal", "0.7", "")


def test_csv_runs_nothing_in_a_spreadsheet() -> None:
    text = tables.csv_text([{"path": "=cmd|' /C calc'!A0", "label": "ok"}], columns=("path", "label"))
    assert text.splitlines()[1].startswith("'=cmd")
    numbers = tables.csv_text(
        [{"path": "-7", "label": "-7+1"}, {"path": "-0.25", "label": "-7\n"}], columns=("path", "label")
    )
    assert numbers.splitlines()[1:3] == ["-7,'-7+1", "-0.25,\"'-7"]


def test_ndjson_is_one_line() -> None:
    line = tables.ndjson_line(raster(), path="a\nb")
    assert line.count(b"\n") == 1
    assert json.loads(line)["path"] == "a\nb"
    assert json.loads(line)["image"]["sop_instance_uid"] is None


def test_the_overlay_shows_the_most_probable_positive_finding() -> None:
    shown = chest().shown
    assert shown is not None
    assert shown.label == "hernia"
    drawn = render(ReportKind.OVERLAY, chest(), pictures(chest()))
    picture = cv2.imdecode(np.frombuffer(drawn.content, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (512 + 26, 384 + 64, 3)
    assert np.ptp(picture.astype(int), axis=2).max() > 60
    bare = record(findings=(finding(explained=False, regions=()),))
    grey = cv2.imdecode(np.frombuffer(render(ReportKind.OVERLAY, bare, pictures(bare)).content, np.uint8), -1)
    assert grey.shape == (512, 384)
    with pytest.raises(ValueError, match="pictures"):
        render(ReportKind.OVERLAY, record(), None)


@pytest.mark.parametrize("kind", [ReportKind.JSON, ReportKind.CSV, ReportKind.OVERLAY])
def test_the_same_record_gives_the_same_bytes(kind: ReportKind) -> None:
    assert render(kind, record(), pictures(record())) == render(kind, record(), pictures(record()))
