"""The figures of a Bundle's manifest as flat tables, for pages: what was measured on which split, by which part.

Reads manifests of older and newer releases alike: what is not there, or of another form, is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# The manifest's name of a figure's 95 % interval begins with the figure's.
INTERVAL = "_ci95"
# Counts and settings among the figures.
NO_FIGURES = frozenset({"n", "positives", "threshold", "unknown", "support"})
# Measures of trust: what stands beside the splits' reports.
MEASURES = ("localisation", "sanity", "stability", "variations", "hardware")
# A database keeps no order of names, so the figures come in this one; others follow by name.
ORDER = (
    "auc", "average_precision", "sensitivity", "specificity", "precision", "recall", "npv", "accuracy",
    "top_3_accuracy", "balanced_accuracy", "f1", "f1_macro", "f1_weighted", "kappa", "mcc", "ece", "ece_equal_mass",
    "brier", "log_loss", "stated_coverage", "coverage", "coverage_of_positives", "coverage_of_negatives", "referred",
    "referred_of_positives", "referred_of_negatives", "decided_accuracy", "decided_accuracy_of_positives",
    "decided_accuracy_of_negatives",
)  # fmt: skip
RANKS = {name: rank for rank, name in enumerate(ORDER)}
PARTS = {"by_region": "region", "by_view": "view", "by_hardware": "hardware"}


@dataclass(frozen=True, slots=True)
class Figure:
    """A value and, where it was measured, its 95 % interval; a value of None is undefined for these images."""

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """The figures of some of the images: those `by` region, view or hardware, or of a class, called `name`."""

    by: str
    name: str
    n: int | None
    positives: int | None
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A Finding (`subject` "finding") or a head of labels that exclude each other ("choice"), on one split.

    `matrix`: a row for each true label of `labels`, a column for each that was said. `three_way`: coverage, referred,
    and their like.
    """

    split: str
    subject: str
    label: str
    n: int | None
    positives: int | None
    threshold: float | None
    figures: tuple[Figure, ...]
    parts: tuple[Part, ...]
    three_way: tuple[Figure, ...]
    labels: tuple[str, ...]
    matrix: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Measure:
    """Figures of trust: `kind` of MEASURES, `path` the parts it is about ("by_region hand"; "" of all)."""

    kind: str
    split: str
    path: str
    n: int | None
    figures: tuple[Figure, ...]


def evaluations(manifest: Mapping[str, Any]) -> list[Evaluation]:
    """Every Finding and choice of every split."""
    found = []
    for split, report in _mapping(manifest, "metrics").items():
        if isinstance(report, Mapping) and split not in MEASURES:
            found += [_finding(split, *one) for one in _parts(report, "findings")]
            found += [_choice(split, *one) for one in _parts(report, "regions")]
    return found


def measures(manifest: Mapping[str, Any]) -> list[Measure]:
    """Every measure of trust of every split."""
    metrics = _mapping(manifest, "metrics")
    return [
        measure
        for kind in MEASURES
        for split, figures in _parts(metrics, kind)
        for measure in _nested(kind, split, figures, ())
    ]


def figures_of(part: Mapping[str, Any]) -> tuple[Figure, ...]:
    """The numbers of `part` with their intervals, in ORDER. One that is null is kept: it is undefined."""
    found = [
        Figure(name, None if value is None else float(value), *_interval(part.get(name + INTERVAL)))
        for name, value in part.items()
        if name not in NO_FIGURES and (_is_number(value) or (value is None and name + INTERVAL in part))
    ]
    return tuple(sorted(found, key=lambda figure: (RANKS.get(figure.name, len(ORDER)), figure.name)))


def _finding(split: str, label: str, part: Mapping[str, Any]) -> Evaluation:
    counts = _mapping(part, "confusion_matrix")
    whole = all(_is_number(counts.get(name)) for name in ("tp", "fn", "fp", "tn"))
    rows = ((counts["tp"], counts["fn"]), (counts["fp"], counts["tn"])) if whole else ()
    return Evaluation(
        split=split,
        subject="finding",
        label=label,
        n=_count(part, "n"),
        positives=_count(part, "positives"),
        threshold=float(part["threshold"]) if _is_number(part.get("threshold")) else None,
        figures=figures_of(part),
        parts=tuple(
            found
            for key, by in PARTS.items()
            for found in _largest_first(
                Part(by, name, _count(one, "n"), _count(one, "positives"), figures_of(one))
                for name, one in _parts(part, key)
            )
        ),
        three_way=figures_of(_mapping(part, "three_way")),
        labels=("positive", "negative") if rows else (),
        matrix=rows,
    )


def _choice(split: str, head: str, part: Mapping[str, Any]) -> Evaluation:
    matrix = part.get("confusion_matrix")
    rows = tuple(tuple(map(int, row)) for row in matrix) if isinstance(matrix, list) else ()
    return Evaluation(
        split=split,
        subject="choice",
        label=head,
        n=_count(part, "n"),
        positives=None,
        threshold=None,
        figures=figures_of(part),
        parts=_largest_first(
            Part("class", name, _count(one, "support"), None, figures_of(one))
            for name, one in _parts(part, "per_class")
        ),
        three_way=(),
        labels=tuple(map(str, part.get("labels") or ())) if rows else (),
        matrix=rows,
    )


def _largest_first(parts: Iterable[Part]) -> tuple[Part, ...]:
    return tuple(sorted(parts, key=lambda part: (-(part.n or 0), part.name)))


def _nested(kind: str, split: str, part: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[Measure]:
    if figures := figures_of(part):
        yield Measure(kind, split, " ".join(path), _count(part, "n"), figures)
    for name, inner in part.items():
        if isinstance(inner, Mapping):
            yield from _nested(kind, split, inner, (*path, name))


def _interval(found: object) -> tuple[float | None, float | None]:
    if isinstance(found, list) and len(found) == 2 and all(map(_is_number, found)):
        return float(found[0]), float(found[1])
    return None, None


def _parts(whole: Mapping[str, Any], name: str) -> list[tuple[str, Mapping[str, Any]]]:
    return [(key, part) for key, part in _mapping(whole, name).items() if isinstance(part, Mapping)]


def _mapping(whole: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = whole.get(name)
    return part if isinstance(part, Mapping) else {}


def _count(part: Mapping[str, Any], name: str) -> int | None:
    return int(part[name]) if _is_number(part.get(name)) else None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
