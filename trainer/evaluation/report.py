"""A Bundle against labelled images: one code path for the trainer's own figures and for anybody's folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from core.errors import DataInvalid
from networks.bundle import Bundle
from networks.engines import Engine
from networks.manifest import Manifest
from trainer.datasets import UNKNOWN, Record
from trainer.evaluation.binary import finding_metrics, mean_of_defined
from trainer.evaluation.bootstrap import Bootstrap, Floats
from trainer.evaluation.decisions import three_way_metrics
from trainer.evaluation.multiclass import region_metrics
from trainer.evaluation.predictions import Predictions, Progress, predict
from trainer.evaluation.questions import Choice, Question, choices, questions, required_columns
from trainer.evaluation.ranking import Ranking
from trainer.evaluation.tables import by_hardware, by_region, by_study, by_view


def evaluate(
    bundle: Bundle, engine: Engine, records: Sequence[Record], *, progress: Progress | None = None
) -> dict[str, Any]:
    """Figures of every head and marginal on `records`; files that cannot be read are named and left out.

    Raises DataInvalid where no file can be read.
    """
    return judged(bundle, predict(bundle, engine, records, progress=progress))


def judged(bundle: Bundle, found: Predictions) -> dict[str, Any]:
    """The report on predictions. Raises DataInvalid where there are none.

    "findings" holds a Finding's figures by label, "regions" those of labels that exclude each other by head,
    "multi_label" the means over several Findings.
    """
    if not found.records:
        raise DataInvalid("none of the images can be read")
    asked, chosen = questions(bundle, found), choices(bundle, found)
    if all((known == UNKNOWN).all() for known in [*(q.truth for q in asked), *(c.truth for c in chosen)]):
        wanted = ", ".join(sorted(required_columns(bundle)))
        raise DataInvalid(f"no record says what this Bundle could be judged by: the columns {wanted}")
    unreadable = [{"path": file.name, "code": file.code} for file in found.unreadable]
    report: dict[str, Any] = {
        "bundle": {"name": bundle.manifest.name, "version": bundle.manifest.version, "digest": bundle.digest},
        "engine": found.engine,
        "n": len(found.records),
        "unreadable": {"count": len(unreadable), "files": unreadable},
        "findings": {question.label: _finding(question, found, manifest=bundle.manifest) for question in asked},
        "regions": {choice.name: _choice(choice, found) for choice in chosen},
    }
    several = [question for question in asked if (question.truth == 1).any()]
    if len(several) > 1:
        report["multi_label"] = multi_label(several, groups=found.groups)
    return report


def multi_label(asked: Sequence[Question], *, groups: Sequence[str | None]) -> dict[str, Any]:
    """Over Findings with a positive: the mean ROC AUC (macro), that of all answers in one list (micro), the mean AP."""
    rankings = []
    for question in asked:
        rows = np.flatnonzero(question.truth != UNKNOWN)
        rankings.append((rows, Ranking(question.truth[rows], question.probability[rows])))
    rows = np.concatenate([chosen for chosen, _ in rankings])
    pooled = Ranking(
        np.concatenate([question.truth[question.truth != UNKNOWN] for question in asked]),
        np.concatenate([question.probability[question.truth != UNKNOWN] for question in asked]),
    )

    def figures(weights: Floats) -> dict[str, Floats]:
        areas = [ranking.areas(weights[:, chosen]) for chosen, ranking in rankings]
        return {
            "auc_macro": mean_of_defined(np.stack([roc for roc, _ in areas], axis=1)),
            "auc_micro": pooled.areas(weights[:, rows])[0],
            "average_precision_macro": mean_of_defined(np.stack([precision for _, precision in areas], axis=1)),
        }

    measured = Bootstrap(len(groups), groups=groups).measured(figures)
    return {"labels": [question.label for question in asked], **measured}


def _finding(question: Question, found: Predictions, *, manifest: Manifest) -> dict[str, Any]:
    rows = np.flatnonzero(question.truth != UNKNOWN)
    groups = [found.groups[row] for row in rows]
    known, probability = question.truth[rows], question.probability[rows]
    single = len(np.unique(question.threshold)) == 1
    threshold = float(question.threshold[0]) if single else question.threshold[rows]
    report = finding_metrics(known, probability, threshold=threshold, groups=groups)
    report = _with_unknown(report, len(question.truth) - len(rows), what="no truth")
    if (decision := question.three_way) is not None:
        report["three_way"] = three_way_metrics(known, decision[rows], stated=question.coverage, groups=groups)
    parts = {
        "by_region": by_region(question, found.records, first=manifest.region_labels),
        "by_view": by_view(question, found.records),
        "by_hardware": by_hardware(question, found.records),
        "by_study": by_study(question, found.records, rule=manifest.study),
    }
    return {**report, **{name: part for name, part in parts.items() if part}}


def _choice(choice: Choice, found: Predictions) -> dict[str, Any]:
    rows = np.flatnonzero(choice.truth != UNKNOWN)
    groups = [found.groups[row] for row in rows]
    report = region_metrics(choice.truth[rows], choice.probability[rows], labels=choice.labels, groups=groups)
    return _with_unknown(report, len(choice.truth) - len(rows), what=f"none of {', '.join(choice.labels)}")


def _with_unknown(report: dict[str, Any], unknown: int, *, what: str) -> dict[str, Any]:
    """The report with the number of images that could not be judged, and a note of it."""
    note = f"{unknown} images whose row states {what} are not counted"
    return {**report, "unknown": unknown, "notes": [*report["notes"], *([note] if unknown else [])]}
