"""What crosses the splits of a data set, and labels that contradict each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from trainer.audit.fingerprints import Fingerprint
from trainer.audit.twins import Twins
from trainer.datasets import Record

SPLITS = ("train", "val", "test")
# What a label is called in every data set, in the order in which a data set's main label is chosen.
MAIN_LABELS = ("fractured", "abnormal", "class", "no_finding")
NIH_LABELS = (
    "atelectasis", "cardiomegaly", "consolidation", "edema", "effusion", "emphysema", "fibrosis", "hernia",
    "infiltration", "mass", "nodule", "pleural_thickening", "pneumonia", "pneumothorax",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Leak:
    """Files that belong together and stand in several splits. `what` names them: a digest, a patient, the original."""

    kind: str
    what: str
    splits: tuple[str, ...]
    members: list[int]


@dataclass(frozen=True, slots=True)
class Conflict:
    """Twins with different values of one label: {value: positions}."""

    label: str
    values: dict[str, list[int]]


def labels_of(records: Sequence[Record]) -> tuple[str, ...]:
    """The label columns that any record has, the main one first."""
    present = {column for record in records for column, value in record.columns.items() if value.strip()}
    return tuple(label for label in (*MAIN_LABELS, *NIH_LABELS) if label in present)


def leaks(records: Sequence[Record], prints: Sequence[Fingerprint], clusters: Sequence[Twins]) -> list[Leak]:
    """Identical files, twins of any kind (a cluster counts once), patients, studies and groups in several splits."""
    found = list(_shared("identical", (print_.sha256 for print_ in prints), records))
    for cluster in clusters:
        splits = _splits(cluster.members, records)
        if len(splits) > 1:
            found.append(Leak("twins", records[cluster.original].name, splits, cluster.members))
    for kind, value in _BELONGING.items():
        found += _shared(
            kind, (None if (v := value(record)) is None else _of(record, v) for record in records), records
        )
    return found


def conflicts(records: Sequence[Record], clusters: Sequence[Twins]) -> list[Conflict]:
    """Twins that are labelled differently; unknown labels contradict nothing."""
    found = []
    for cluster in clusters:
        for label in labels_of([records[position] for position in cluster.members]):
            values: defaultdict[str, list[int]] = defaultdict(list)
            for position in cluster.members:
                if value := records[position].columns.get(label, "").strip().lower():
                    values[value].append(position)
            if len(values) > 1:
                found.append(Conflict(label, dict(values)))
    return found


# A value of a record that must not stand in two splits.
_BELONGING: dict[str, Callable[[Record], str | None]] = {
    "patient": lambda record: record.patient,
    "study": lambda record: record.study,
    "group": lambda record: record.group,
}


def _shared(kind: str, values: Iterable[str | None], records: Sequence[Record]) -> Iterable[Leak]:
    members: defaultdict[str, list[int]] = defaultdict(list)
    for position, value in enumerate(values):
        if value is not None:
            members[value].append(position)
    for value, positions in members.items():
        splits = _splits(positions, records)
        if len(splits) > 1:
            yield Leak(kind, value, splits, positions)


def _splits(positions: Sequence[int], records: Sequence[Record]) -> tuple[str, ...]:
    known = {split for position in positions if (split := records[position].split)}
    return tuple(sorted(known, key=lambda split: (SPLITS.index(split) if split in SPLITS else len(SPLITS), split)))


def _of(record: Record, value: str) -> str:
    return f"{record.source or ''}:{value}"
