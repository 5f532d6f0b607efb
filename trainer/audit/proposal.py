"""A split without leaks: whole groups, one file of each picture, what can stay where it was published."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trainer.audit.clusters import Clusters
from trainer.audit.fingerprints import Fingerprint
from trainer.audit.leaks import SPLITS, Conflict, labels_of
from trainer.audit.twins import Twins
from trainer.datasets import Record

SHARES: Mapping[str, float] = {"train": 0.7, "val": 0.15, "test": 0.15}
# Columns that are kept beside path, labels, group and split, where the data set has them.
KEPT_COLUMNS = ("region", "view", "hardware", "multiscan")


@dataclass(frozen=True, slots=True)
class Proposal:
    """`splits` {position: split} of the files that are kept, `groups` {position: a name never in two splits},
    `copies` {position: files that show the same picture, itself included}, `left_out` {reason: files}. `moved` counts
    files that were published in another split.
    """

    splits: dict[int, str]
    groups: dict[int, str]
    copies: dict[int, int]
    left_out: dict[str, int]
    moved: int
    units: int
    by_split: dict[str, dict[str, int]] = field(default_factory=dict)


def propose(
    records: Sequence[Record],
    prints: Sequence[Fingerprint],
    clusters: Sequence[Twins],
    conflicting: Sequence[Conflict],
    *,
    shares: Mapping[str, float] = SHARES,
) -> Proposal:
    """The clean split of `records`; of several data sets the membership of the earlier ones counts first.

    A unit is whatever is connected by twins, patients, studies and groups. One that was published in a single split
    stays there; one that stood in several goes to the one of these that lacks most of its label and region, towards
    `shares`; one without a split to any. Contradicting twins and unreadable files are left out, and all copies but the
    original.
    """
    left_out: Counter[str] = Counter()
    contradicted = {position for conflict in conflicting for held in conflict.values.values() for position in held}
    copies, kept = dict.fromkeys(range(len(records)), 1), set(range(len(records)))
    for cluster in clusters:
        chosen = _first(cluster, records)
        copies[chosen] = len(cluster.members)
        if contradicted & set(cluster.members):
            kept -= set(cluster.members)
            left_out["contradicting_labels"] += len(cluster.members)
        else:
            kept -= set(cluster.members) - {chosen}
            left_out["copies"] += len(cluster.members) - 1
    unreadable = {position for position in kept if not prints[position].readable}
    left_out["unreadable"] = len(unreadable)
    kept -= unreadable
    units = _units(records, clusters)
    strata = {position: _stratum(records, position) for position in kept}
    splits = _assigned(units, records, kept, strata, shares)
    groups = {
        position: _group_name(records[unit[0]], several=len(unit) > 1)
        for unit in units
        for position in unit
        if position in kept
    }
    moved = sum(records[position].split not in {None, split} for position, split in splits.items())
    by_split: dict[str, dict[str, int]] = {}
    for position in sorted(splits):
        name = ", ".join(part for part in strata[position] if part) or "all"
        counts = by_split.setdefault(splits[position], {})
        counts[name] = counts.get(name, 0) + 1
    return Proposal(
        splits=splits,
        groups=groups,
        copies={position: copies[position] for position in splits},
        left_out={reason: count for reason, count in left_out.items() if count},
        moved=moved,
        units=len({groups[position] for position in splits}),
        by_split=dict(sorted(by_split.items(), key=lambda item: _place(item[0]))),
    )


def write_split(proposal: Proposal, records: Sequence[Record], source: str, file: Path) -> int:
    """The files of the data set `source` as a CSV that `trainer.datasets.read` takes; how many rows it has."""
    chosen = [position for position in sorted(proposal.splits) if records[position].source == source]
    of_set = [records[position] for position in chosen]
    present = {name for record in of_set for name, value in record.columns.items() if value.strip()}
    columns = [*labels_of(of_set), *(name for name in KEPT_COLUMNS if name in present)]
    belonging = [name for name in ("patient", "study") if any(getattr(record, name) for record in of_set)]
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["path", *columns, *belonging, "group", "split", "copies"])
        for position, record in zip(chosen, of_set, strict=True):
            told = [record.columns.get(name, "") for name in columns]
            told += [getattr(record, name) or "" for name in belonging]
            writer.writerow(
                [record.name, *told, proposal.groups[position], proposal.splits[position], proposal.copies[position]]
            )
    return len(chosen)


def _first(cluster: Twins, records: Sequence[Record]) -> int:
    """The original, of the data set that was given first where the twins are of several."""
    sources = [records[position].source for position in cluster.members]
    if records[cluster.original].source == sources[0]:
        return cluster.original
    return next(position for position in cluster.members if records[position].source == sources[0])


def _units(records: Sequence[Record], clusters: Sequence[Twins]) -> list[list[int]]:
    connected = Clusters(len(records))
    for cluster in clusters:
        for position in cluster.members[1:]:
            connected.join(cluster.members[0], position)
    for name in ("patient", "study", "group"):
        values = (getattr(record, name) for record in records)
        connected.join_equal(
            None if value is None else (record.source, value) for record, value in zip(records, values, strict=True)
        )
    return connected.groups()


def _assigned(
    units: Sequence[list[int]],
    records: Sequence[Record],
    kept: set[int],
    strata: Mapping[int, tuple[str, str]],
    shares: Mapping[str, float],
) -> dict[int, str]:
    splits: dict[int, str] = {}
    have: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    total = Counter(strata.values())
    free: list[tuple[list[int], list[str]]] = []
    for unit in units:
        members = [position for position in unit if position in kept]
        if not members:
            continue
        allowed = _published(unit, records) or list(shares)
        if len(allowed) > 1:
            free.append((members, allowed))
        for position in members if len(allowed) == 1 else []:
            splits[position] = allowed[0]
            have[strata[position]][allowed[0]] += 1
    for members, allowed in sorted(free, key=lambda item: (-len(item[0]), _draw(records[item[0][0]]))):
        needs = Counter(strata[position] for position in members)

        def filled(split: str, needs: Counter[tuple[str, str]] = needs) -> float:
            return sum(
                count * have[stratum][split] / max(shares.get(split, 0.0) * total[stratum], 1e-9)
                for stratum, count in needs.items()
            )

        split = min(allowed, key=lambda name: (filled(name), _place(name)))
        for position in members:
            splits[position] = split
            have[strata[position]][split] += 1
    return splits


def _published(unit: Sequence[int], records: Sequence[Record]) -> list[str]:
    """The splits that the unit's files of the first data set that has some of them stood in."""
    placed = [records[position] for position in unit if records[position].split]
    first = next((record.source for record in placed), None)
    return sorted({str(record.split) for record in placed if record.source == first}, key=_place)


def _stratum(records: Sequence[Record], position: int) -> tuple[str, str]:
    labels, columns = labels_of([records[position]]), records[position].columns
    told = f"{labels[0]}={columns[labels[0]].strip().lower()}" if labels else ""
    return told, columns.get("region", "").strip().lower()


def _group_name(first: Record, *, several: bool) -> str:
    belongs = first.patient or first.group or first.study
    return belongs if belongs and not several else f"unit:{belongs or first.name}"


def _draw(record: Record) -> str:
    # As good as chance, and the same on every machine and for every order of the files.
    return hashlib.sha256(f"{record.source}:{record.name}".encode()).hexdigest()


def _place(split: str) -> int:
    return SPLITS.index(split) if split in SPLITS else len(SPLITS)
