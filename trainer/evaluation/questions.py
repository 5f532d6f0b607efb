"""What is asked of a Bundle, with the truth of the records: one Question for a Finding, one Choice for labels that
exclude each other. Both kinds come from heads and from marginals alike; everything is judged through them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from core.decisions import Opinion
from networks.bundle import Bundle
from networks.manifest import Conformal, Head, Marginal
from trainer.datasets import UNKNOWN, Record, truth
from trainer.evaluation.bootstrap import Floats, Ints
from trainer.evaluation.predictions import Predictions

# The columns of `split.csv` for a Bundle that does not say which columns its heads were trained on.
DEFAULT_COLUMNS = {"fracture": ("fractured",), "region": ("region",)}
# The name of the choice between the marginals that are regions.
REGION = "region"


@dataclass(frozen=True, slots=True)
class Question:
    """A Finding: (n,) `truth` 0/1 or UNKNOWN, (n,) calibrated `probability`, and (n,) `threshold` of each row.

    `limits` (n, 2) lower and upper of the three-way decision, `coverage` what it states; None without one. `referred`
    (n,) marks rows that the router was too unsure of, which are referred whatever the probability.
    """

    label: str
    truth: Ints
    probability: Floats
    threshold: Floats
    limits: Floats | None
    coverage: float | None
    referred: np.ndarray[tuple[int], np.dtype[np.bool_]]

    @property
    def decided(self) -> Ints:
        """(n,) 1 where the probability reaches the threshold."""
        return (self.probability >= self.threshold).astype(np.int64)

    @property
    def three_way(self) -> Ints | None:
        """(n,) 1 positive, 0 negative, -1 refer; None where the Bundle has no three-way decision."""
        if self.limits is None:
            return None
        lower, upper = self.limits.T
        decision = np.where(self.probability > upper, 1, np.where(self.probability < lower, 0, -1))
        return np.where(self.referred, -1, decision).astype(np.int64)

    def opinion(self, row: int) -> Opinion:
        """What was said of the image in `row`, to be judged together with others of its study."""
        lower, upper = (None, None) if self.limits is None else map(float, self.limits[row])
        probability, threshold = float(self.probability[row]), float(self.threshold[row])
        return Opinion(probability, threshold, lower=lower, upper=upper, referred=bool(self.referred[row]))


@dataclass(frozen=True, slots=True)
class Choice:
    """Labels that exclude each other: (n,) `truth` as an index into `labels` or UNKNOWN, (n, K) `probability`."""

    name: str
    labels: tuple[str, ...]
    truth: Ints
    probability: Floats


def head_columns(bundle: Bundle, head: Head) -> tuple[str, ...]:
    """The CSV columns of a head's truth: as the Bundle's training says, else those of FracAtlas, else its labels."""
    recorded = bundle.manifest.training.get("columns", {})
    if isinstance(recorded, dict) and head.name in recorded:
        return tuple(recorded[head.name])
    return DEFAULT_COLUMNS.get(head.name, head.labels if head.kind == "sigmoid" else (head.name,))


def required_columns(bundle: Bundle) -> set[str]:
    """All columns that a CSV must have to judge this Bundle."""
    return {column for head in bundle.manifest.heads for column in head_columns(bundle, head)}


def questions(bundle: Bundle, found: Predictions) -> list[Question]:
    """One for each of the Bundle's Findings, in its order."""
    known = _finding_truth(bundle, found.records)
    return [_question(bundle, found, label, known[label]) for label in bundle.finding_labels]


def choices(bundle: Bundle, found: Predictions) -> list[Choice]:
    """One for each softmax head, and one for the marginals that are regions."""
    made = [
        Choice(head.name, head.labels, _head_truth(bundle, head, found.records), found.of_all(head.labels))
        for head in bundle.manifest.heads
        if head.kind == "softmax"
    ]
    regions = tuple(m for m in bundle.manifest.marginals if m.role == "region")
    if not regions:
        return made
    name = REGION if REGION not in {choice.name for choice in made} else "region (summed)"
    labels = tuple(marginal.label for marginal in regions)
    known = truth(found.records, kind="softmax", labels=labels, columns=(REGION,))
    for index, marginal in enumerate(regions):
        known = np.where(_member(bundle, marginal, found.records) == 1, index, known)
    return [*made, Choice(name, labels, known, found.of_all(labels))]


def _question(bundle: Bundle, found: Predictions, label: str, known: Ints) -> Question:
    routes, referred = _routes(bundle, found)
    manifest, routing = bundle.manifest, bundle.manifest.routing
    if routing is None:
        thresholds = np.full(len(known), bundle.threshold(label))
        conformal = [manifest.conformal.get(label)] * len(known)
    else:
        specialists = [routing.specialists[region] for region in routes]
        thresholds = np.array([specialist.thresholds[label].value for specialist in specialists], dtype=np.float64)
        conformal = [specialist.conformal.get(label) for specialist in specialists]
    limits, coverage = _limits(conformal)
    return Question(
        label=label,
        truth=known,
        probability=found.of(label),
        threshold=thresholds,
        limits=limits,
        coverage=coverage,
        referred=referred,
    )


def _limits(conformal: Sequence[Conformal | None]) -> tuple[Floats | None, float | None]:
    """(n, 2) lower and upper of each row, and the lowest stated coverage; a row without a decision is referred."""
    stated = [rule.coverage for rule in conformal if rule is not None]
    if not stated:
        return None, None
    rows = [(rule.lower, rule.upper) if rule is not None else (0.0, 1.0) for rule in conformal]
    return np.array(rows, dtype=np.float64), min(stated)


def _routes(bundle: Bundle, found: Predictions) -> tuple[list[str], np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Of a hierarchy: the specialist of each record, and (n,) where the router is too unsure. Else nothing is."""
    routing = bundle.manifest.routing
    if routing is None:
        return [], np.zeros(len(found.records), dtype=np.bool_)
    labels = next(head.labels for head in bundle.manifest.heads if head.name == routing.head)
    probability = found.of_all(labels)
    return [labels[index] for index in probability.argmax(axis=1)], probability.max(axis=1) < routing.refer_below


def _finding_truth(bundle: Bundle, records: Sequence[Record]) -> dict[str, Ints]:
    """(n,) truth of each Finding."""
    result: dict[str, Ints] = {}
    for head in bundle.manifest.heads:
        if head.kind == "sigmoid":
            known = _head_truth(bundle, head, records)
            result |= {label: known[:, index] for index, label in enumerate(head.labels)}
    for marginal in _findings(bundle):
        own = truth(records, kind="sigmoid", labels=(marginal.label,), columns=(marginal.label,))[:, 0]
        member = _member(bundle, marginal, records)
        result[marginal.label] = np.where(member == UNKNOWN, own, member)
    return result


def _findings(bundle: Bundle) -> Iterator[Marginal]:
    return (marginal for marginal in bundle.manifest.marginals if marginal.role == "finding")


def _member(bundle: Bundle, marginal: Marginal, records: Sequence[Record]) -> Ints:
    """(n,) 1 where the true label of the marginal's head is one of its members, 0 where it is another, or UNKNOWN."""
    head = next(head for head in bundle.manifest.heads if head.name == marginal.head)
    known = _head_truth(bundle, head, records)
    members = [head.labels.index(label) for label in marginal.members]
    return np.where(known == UNKNOWN, UNKNOWN, np.isin(known, members)).astype(np.int64)


def _head_truth(bundle: Bundle, head: Head, records: Sequence[Record]) -> Ints:
    return truth(records, kind=head.kind, labels=head.labels, columns=head_columns(bundle, head))
