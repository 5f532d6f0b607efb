"""The folder of an evaluation: what is in it, that it agrees with itself, and that the page fetches nothing."""

from __future__ import annotations

import csv
import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from lucency.commands import app
from networks.bundle import Bundle
from tests.trainer.evaluation.made import fracture_bundle, predictions, record
from trainer.evaluation import judged, plots
from trainer.evaluation.html import text
from trainer.evaluation.output import training_history
from trainer.evaluation.page import Context, Page, render
from trainer.evaluation.questions import questions

HISTORY = [
    {"phase": "heads", "epoch": 1, "loss": 0.7, "fracture_auc": 0.6, "seconds": 3.0},
    {"phase": "heads", "epoch": 2, "loss": 0.6, "fracture_auc": 0.7, "seconds": 3.0},
    {"phase": "all", "epoch": 1, "loss": 0.5, "fracture_auc": None, "seconds": 9.0},
]


class _Reader(HTMLParser):
    """Everything a browser could fetch, and whether each element is closed."""

    VOID = ("meta", "img", "br")

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        self.fetched += [value for name, value in attrs if name in {"src", "href", "action", "srcset", "data"}]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def written(bundle: Path, data_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command's output for 32 made-up images of three splits, with the curves of a training run."""
    folder = tmp_path_factory.mktemp("evaluation")
    (folder / "run").mkdir()
    (folder / "run" / "state.json").write_text(json.dumps({"history": HISTORY}))
    arguments = ["evaluate", str(bundle), "--data", str(data_set), "--out", str(folder / "out")]
    done = CliRunner().invoke(app, [*arguments, "--run", str(folder / "run"), "--cache", str(folder / "cache")])
    assert done.exit_code == 0, done.output
    assert done.stdout.strip().endswith("evaluation.html")
    return folder / "out"


def test_the_files(written):
    names = {file.name for file in written.iterdir()}
    assert {"report.json", "predictions.csv", "predictions.npy", "evaluation.html", "gallery"} <= names
    pictures = {"roc", "precision_recall", "reliability", "probabilities", "confusion", "training"}
    assert {f"{name}.png" for name in (*pictures, "confusion_region", "reliability_region")} <= names
    for file in written.glob("*.png"):
        pixels = cv2.imread(str(file))
        assert min(pixels.shape[:2]) > 300
        assert pixels.std() > 5, f"{file.name} is empty"
    assert len(list((written / "gallery").glob("*.jpg"))) >= 8


def test_tables_agree_with_the_report(written, bundle):
    report = json.loads((written / "report.json").read_text())
    rows = list(csv.DictReader((written / "predictions.csv").read_text().splitlines()))
    probability = np.load(written / "predictions.npy")
    assert probability.shape == (len(rows), len(report["labels"])) == (32, len(Bundle.load(bundle).labels))
    column = probability[:, report["labels"].index("fracture")]
    np.testing.assert_allclose([float(row["fracture_probability"]) for row in rows], column, atol=1e-6)
    right = [(row["fracture_decision"] == "positive") == (row["fracture_truth"] == "1") for row in rows]
    assert report["findings"]["fracture"]["accuracy"] == pytest.approx(np.mean(right), abs=1e-4)
    regions = [row["region_truth"] == row["region_predicted"] for row in rows]
    assert report["regions"]["region"]["accuracy"] == pytest.approx(np.mean(regions), abs=1e-4)
    assert {row["split"] for row in rows} == {"train", "val", "test"}
    curve = report["curves"]["fracture"]
    assert np.trapezoid(curve["tpr"], curve["fpr"]) == pytest.approx(report["findings"]["fracture"]["auc"], abs=1e-3)


def test_the_page_stands_alone(written):
    page = (written / "evaluation.html").read_text()
    reader = _Reader()
    reader.feed(page)
    assert reader.open == []
    assert reader.fetched
    assert all(address.startswith(("data:image/png;base64,", "data:image/jpeg;base64,")) for address in reader.fetched)
    assert not reader.seen & {"script", "link", "iframe", "object", "embed", "form"}
    assert "default-src 'none'" in page
    assert not re.search(r"url\(|@import|https?://", page)
    report = json.loads((written / "report.json").read_text())
    assert f"{report['findings']['fracture']['auc']:.3f}" in page
    assert "has seen them" in page  # images of the training split are among them


def test_what_data_says_is_escaped():
    bundle = fracture_bundle(attribution=("<b>me</b>",))
    records = [record(i, fractured=i % 2, region="<script>alert(1)</script>") for i in range(4)]
    report = judged(bundle, predictions(bundle, records, [0.1, 0.9, 0.2, 0.8]))
    context = Context(data="<img src=x>", notes=("<i>note</i>",))
    page = render(Page(bundle, report, context, pictures={}, gallery=[]), written=datetime.now(UTC))
    reader = _Reader()
    reader.feed(page)
    assert reader.fetched == []
    assert not reader.seen & {"script", "i", "img"}
    assert text("<script>alert(1)</script>") in page


def test_one_class_and_one_image_can_be_drawn():
    bundle = fracture_bundle(conformal={"fracture": {"coverage": 0.9, "lower": 0.2, "upper": 0.8}})
    for count in (1, 3):
        records = [record(i, fractured=1) for i in range(count)]
        found = predictions(bundle, records, np.linspace(0, 1, count))
        report = judged(bundle, found)
        known = [plots.Known(question, found.groups) for question in questions(bundle, found)]
        for png in (
            plots.roc(known, report),
            plots.precision_recall(known, report),
            plots.reliability(known, report),
            plots.histograms(known),
            plots.confusions(known, report),
        ):
            assert png.startswith(b"\x89PNG")


def test_training_curves():
    assert plots.training(HISTORY).startswith(b"\x89PNG")
    assert plots.training([{"phase": "a", "epoch": 1, "seconds": 2.0}]) is None
    kept = fracture_bundle(training={"history": HISTORY})
    assert list(training_history(kept, None)) == HISTORY
    assert training_history(fracture_bundle(), None) == ()


def test_json_and_errors(bundle, data_set, tmp_path):
    def run(*arguments: str):
        return CliRunner().invoke(app, ["evaluate", *arguments])

    done = run(str(bundle), "--data", str(data_set), "--split-name", "test", "--json", "--out", str(tmp_path / "out"))
    assert done.exit_code == 0
    assert json.loads(done.stdout)["n"] == 8
    assert run(str(bundle)).exit_code == 2
    assert run("--data", str(data_set)).exit_code == 2
    for flag, value in (("--run", tmp_path), ("--split-name", "nowhere"), ("--layout", "unheard")):
        assert run(str(bundle), "--data", str(data_set), flag, str(value)).exit_code != 0
