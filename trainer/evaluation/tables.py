"""Figures of parts of the data: by region, by view, with and without hardware, and by study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core.decisions import StudyOpinion, judge_study
from core.errors import DataInvalid
from core.vocabulary import StudyRule
from trainer.datasets import UNKNOWN, Record, truth
from trainer.evaluation.binary import finding_metrics, table_row
from trainer.evaluation.bootstrap import Bootstrap, Floats, Ints
from trainer.evaluation.decisions import CODES, three_way_metrics
from trainer.evaluation.predictions import group_of
from trainer.evaluation.questions import Question
from trainer.evaluation.ranking import Ranking

HARDWARE = "hardware"
# Flags of a radiograph's views (an image may show several); other data sets have one column `view`.
VIEWS = ("frontal", "lateral", "oblique")
# A column with more names than this is no table.
LARGEST_TABLE = 40
Rows = np.ndarray[tuple[int], np.dtype[np.bool_]]


def by_region(question: Question, records: Sequence[Record], *, first: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
    """A row for each region that the records name, those of `first` (the Bundle's) before others."""
    return _table(question, records, _named(records, "region", first=first))


def by_view(question: Question, records: Sequence[Record]) -> dict[str, dict[str, Any]]:
    """A row for each view: of the column `view`, else of the flags frontal, lateral, oblique."""
    return _table(question, records, _named(records, "view") or _flags(records, VIEWS))


def by_hardware(question: Question, records: Sequence[Record]) -> dict[str, Any]:
    """Rows with and without hardware (plates, screws), and how much ROC AUC the hardware is worth; {} if unknown.

    `auc_all_minus_without` has an interval of its own, of the difference within each resample.
    """
    flags = _flags(records, (HARDWARE,))
    if HARDWARE not in flags:
        return {}
    known = np.array([_states(record, HARDWARE) for record in records], dtype=np.bool_)
    has = flags[HARDWARE]
    rows = _table(question, records, {"without": known & ~has, "with": known & has})
    if "without" not in rows:
        return {}
    judged = known & (question.truth != UNKNOWN)
    label, score, plain = question.truth[judged], question.probability[judged], ~has[judged]
    every, without = Ranking(label, score), Ranking(label[plain], score[plain])
    groups = _chosen(records, judged)

    def difference(weights: Floats) -> dict[str, Floats]:
        return {"auc_all_minus_without": every.areas(weights)[0] - without.areas(weights[:, plain])[0]}

    return {**rows, **Bootstrap(len(label), groups=groups).measured(difference)}


def by_study(question: Question, records: Sequence[Record], *, rule: StudyRule) -> dict[str, Any]:
    """The Finding for whole studies, from the `mean` and from the `max` of their images' probabilities; {} without.

    A study is positive where any of its images is (MURA labels studies: all its images agree). Each way has the
    figures of a Finding, Cohen's κ among them, at the Bundle's threshold; `rule` is the Bundle's own way. The coverage
    of the three-way decision is measured, since the one that the Bundle states is of images.
    """
    members: dict[object, list[int]] = {}
    for row, record in enumerate(records):
        if record.study and question.truth[row] != UNKNOWN:
            members.setdefault((record.source, record.patient, record.study), []).append(row)
    if not members:
        return {}
    known = np.array([question.truth[rows].max() for rows in members.values()], dtype=np.int64)
    groups = [group_of(records[rows[0]]) for rows in members.values()]
    images = sum(map(len, members.values()))
    result: dict[str, Any] = {"n": len(members), "images": images, "positives": int(known.sum()), "rule": rule.value}
    for way in StudyRule:
        studies = [judge_study([question.opinion(row) for row in rows], rule=way) for rows in members.values()]
        result[way.value] = _figures_of_studies(studies, known, groups=groups)
    return result


def _figures_of_studies(
    studies: Sequence[StudyOpinion], known: Ints, *, groups: Sequence[str | None]
) -> dict[str, Any]:
    probability = np.array([study.probability for study in studies])
    threshold = np.array([study.threshold for study in studies])
    found = finding_metrics(known, probability, threshold=threshold, groups=groups)
    figures = {key: value for key, value in found.items() if key not in {"n", "positives", "threshold"}}
    if all(study.three_way is not None for study in studies):
        decision = np.array([CODES[study.three_way] for study in studies if study.three_way is not None])
        figures["three_way"] = three_way_metrics(known, decision, stated=None, groups=groups)
    return figures


def _table(question: Question, records: Sequence[Record], parts: Mapping[str, Rows]) -> dict[str, dict[str, Any]]:
    """A row for each part (n,) that holds an image with known truth."""
    result = {}
    for name, rows in parts.items():
        judged = rows & (question.truth != UNKNOWN)
        if judged.any():
            result[name] = table_row(
                question.truth[judged],
                question.probability[judged],
                decided=question.decided[judged],
                groups=_chosen(records, judged),
            )
    return result


def _chosen(records: Sequence[Record], rows: Rows) -> list[str | None]:
    return [group_of(record) for record, row in zip(records, rows, strict=True) if row]


def _named(records: Sequence[Record], column: str, *, first: Sequence[str] = ()) -> dict[str, Rows]:
    names = np.array([record.columns.get(column, "").strip().lower() for record in records], dtype=np.str_)
    present = set(names.tolist()) - {""}
    order = [*(name for name in first if name in present), *sorted(present - set(first))]
    return {name: names == name for name in order} if len(order) <= LARGEST_TABLE else {}


def _flags(records: Sequence[Record], columns: Sequence[str]) -> dict[str, Rows]:
    """The rows whose 0/1 column says 1, of the columns that are there and hold nothing else."""
    result: dict[str, Rows] = {}
    for column in columns:
        if not any(_states(record, column) for record in records):
            continue
        try:
            known = truth(records, kind="sigmoid", labels=(column,), columns=(column,))[:, 0]
        except DataInvalid:  # of another data set, where the name means something else
            continue
        result[column] = known == 1
    return result


def _states(record: Record, column: str) -> bool:
    return record.columns.get(column, "").strip().lower() not in {"", "nan"}
