"""The folder of an evaluation: report.json, predictions.csv and .npy, the curves as PNG, the gallery, and one page."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import DataInvalid
from networks.bundle import Bundle
from networks.engines import Engine
from trainer.datasets import UNKNOWN
from trainer.evaluation import plots
from trainer.evaluation.gallery import Row, choice_gallery, finding_gallery
from trainer.evaluation.page import Context, Page, render
from trainer.evaluation.predictions import Predictions, group_of
from trainer.evaluation.questions import Choice, Question, choices, questions
from trainer.evaluation.ranking import curves

REPORT, PREDICTIONS, PROBABILITIES, PAGE = "report.json", "predictions.csv", "predictions.npy", "evaluation.html"
STATE = "state.json"
# A gallery of every one of 14 labels would be hundreds of pictures.
GALLERY_FINDINGS = 2
# Columns of the data set that are repeated beside the predictions.
REPEATED = ("region", "view", "hardware")
ANSWER = {1: "positive", 0: "negative", -1: "refer"}


def write_outputs(
    out: Path, bundle: Bundle, engine: Engine, found: Predictions, report: dict[str, Any], *, context: Context
) -> Path:
    """Everything into the folder `out` (made if need be; files of the same names are replaced). The page's path.

    Raises DataInvalid where the folder cannot be written.
    """
    asked, chosen = questions(bundle, found), choices(bundle, found)
    drawn = _curves(asked)
    try:
        out.mkdir(parents=True, exist_ok=True)
        stored = {**report, "data": context.data, "labels": list(found.labels), "curves": drawn}
        (out / REPORT).write_text(json.dumps(stored, indent=1, ensure_ascii=False, allow_nan=False), encoding="utf-8")
        _write_predictions(out / PREDICTIONS, found, asked, chosen)
        np.save(out / PROBABILITIES, found.probability.astype(np.float32))
        pictures = _pictures(asked, report, found, context.history)
        for name, png in pictures.items():
            (out / f"{name}.png").write_bytes(png)
        gallery = _gallery(asked, chosen, found, bundle=bundle, engine=engine)
        _write_gallery(out / "gallery", gallery)
        page = Page(bundle=bundle, report=report, context=context, pictures=pictures, gallery=gallery)
        (out / PAGE).write_text(render(page, written=datetime.now(UTC)), encoding="utf-8")
    except OSError as error:
        raise DataInvalid(f"{out} cannot be written") from error
    return out / PAGE


def training_history(bundle: Bundle, run: Path | None) -> tuple[Mapping[str, Any], ...]:
    """An entry for each epoch: of the run in the folder `run`, else what the Bundle keeps of its own; or nothing.

    Raises DataInvalid for a run without a readable state.
    """
    if run is None:
        history = bundle.manifest.training.get("history", [])
    else:
        try:
            history = json.loads((run / STATE).read_text(encoding="utf-8")).get("history", [])
        except (OSError, ValueError, AttributeError) as error:
            raise DataInvalid(f"{run} holds no training run") from error
    return tuple(entry for entry in history if isinstance(entry, dict)) if isinstance(history, list) else ()


def _curves(asked: Sequence[Question]) -> dict[str, dict[str, list[float]]]:
    result = {}
    for question in asked:
        rows = question.truth != UNKNOWN
        if (found := curves(question.truth[rows], question.probability[rows])) is not None:
            result[question.label] = found.as_dict()
    return result


def _pictures(
    asked: Sequence[Question], report: dict[str, Any], found: Predictions, history: Sequence[Mapping[str, Any]]
) -> dict[str, bytes]:
    """PNG by name, in the order of the page."""
    known = [part for part in (plots.Known(question, found.groups) for question in asked) if len(part.truth)]
    pictures: dict[str, bytes] = {}
    if known:
        pictures["roc"] = plots.roc(known, report)
        pictures["precision_recall"] = plots.precision_recall(known, report)
        pictures["reliability"] = plots.reliability(known, report)
        pictures["probabilities"] = plots.histograms(known)
        pictures["confusion"] = plots.confusions(known, report)
    for name, figures in report["regions"].items():
        if figures["n"]:
            plain = name.replace(" ", "_").replace("(", "").replace(")", "")
            pictures[f"confusion_{plain}"] = plots.confusion(figures, name)
            pictures[f"reliability_{plain}"] = plots.top_label_reliability(figures, name)
    if history and (png := plots.training([dict(entry) for entry in history])) is not None:
        pictures["training"] = png
    return pictures


def _gallery(
    asked: Sequence[Question], chosen: Sequence[Choice], found: Predictions, *, bundle: Bundle, engine: Engine
) -> list[Row]:
    rows: list[Row] = []
    for question in [question for question in asked if (question.truth != UNKNOWN).any()][:GALLERY_FINDINGS]:
        rows += finding_gallery(question, found, bundle=bundle, engine=engine)
    for choice in chosen:
        rows += choice_gallery(choice, found, bundle=bundle, engine=engine)
    return rows


def _write_gallery(folder: Path, gallery: Sequence[Row]) -> None:
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.jpg"):
        old.unlink()
    for row_number, row in enumerate(gallery, start=1):
        for number, example in enumerate(row.examples, start=1):
            (folder / f"{row_number:02d}-{number}.jpg").write_bytes(example.jpeg)


def _write_predictions(file: Path, found: Predictions, asked: Sequence[Question], chosen: Sequence[Choice]) -> None:
    """A line a record: what it is, then each Finding's and each choice's truth, probability and decision."""
    columns: dict[str, Sequence[Any]] = {
        "path": [record.name for record in found.records],
        "split": [record.split or "" for record in found.records],
        "group": [group_of(record) or "" for record in found.records],
        "study": [record.study or "" for record in found.records],
    }
    for name in REPEATED:
        if any(name in record.columns for record in found.records):
            columns[name] = [record.columns.get(name, "") for record in found.records]
    for question in asked:
        columns[f"{question.label}_truth"] = ["" if t == UNKNOWN else int(t) for t in question.truth]
        columns[f"{question.label}_probability"] = _rounded(question.probability)
        columns[f"{question.label}_decision"] = [ANSWER[int(answer)] for answer in question.decided]
        if (answers := question.three_way) is not None:
            columns[f"{question.label}_three_way"] = [ANSWER[int(answer)] for answer in answers]
    for choice in chosen:
        columns[f"{choice.name}_truth"] = ["" if t == UNKNOWN else choice.labels[t] for t in choice.truth]
        columns[f"{choice.name}_predicted"] = [choice.labels[index] for index in choice.probability.argmax(axis=1)]
        for index, label in enumerate(choice.labels):
            columns[f"{choice.name}_{label}_probability"] = _rounded(choice.probability[:, index])
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def _rounded(probability: np.ndarray[Any, np.dtype[np.float64]]) -> list[str]:
    return [f"{value:.6f}" for value in probability]
