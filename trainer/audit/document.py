"""An audit as JSON values: counts first, then what they are counts of."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from trainer.audit.audit import Audit
from trainer.audit.leaks import labels_of
from trainer.audit.shortcuts import majority
from trainer.audit.summary import summarised
from trainer.audit.twins import DERIVED, Twins
from trainer.datasets import Record


def document(found: Audit) -> dict[str, Any]:
    """The whole audit. Files are named as their records are, with the data set in front where there are several."""
    records = found.records
    label = found.label
    most = majority(records, label) if label else None
    return {
        "files": len(records),
        "label": label,
        "majority": None if most is None else {"value": most[0], "share": round(most[1], 4)},
        "counts": counts(records),
        "duplicates": duplicates(found),
        "summary": summarised(found).to_json(),
        "leaks": [
            {"kind": leak.kind, "what": leak.what, "splits": list(leak.splits), "files": _names(found, leak.members)}
            for leak in found.leaks
        ],
        "conflicts": [
            {"label": conflict.label, "values": {v: _names(found, held) for v, held in conflict.values.items()}}
            for conflict in found.conflicts
        ],
        "twins": [_twins(found, cluster) for cluster in found.clusters],
        "unreadable": [{"path": name_of(found, p), "code": found.prints[p].code} for p in found.unreadable],
        "shortcuts": [
            {
                "fact": one.fact,
                "positive": one.positive,
                "images": one.images,
                "auc": _rounded(one.auc),
                "auc_ci95": None if one.interval is None else [_rounded(v) for v in one.interval],
                "cramers_v": _rounded(one.v),
                "p": one.p,
                "table": {word: {"images": n, "positives": k} for word, (n, k) in one.table.items()},
                "flagged": one.flagged,
                "reason": one.reason,
            }
            for one in found.shortcuts
        ],
        "proposal": {
            "files": len(found.proposal.splits),
            "groups": found.proposal.units,
            "moved": found.proposal.moved,
            "left_out": found.proposal.left_out,
            "by_split": found.proposal.by_split,
        },
    }


def duplicates(found: Audit) -> dict[str, int]:
    """How many files are copies, and in which way. `pictures` is what is left once every picture counts once.

    `rotated_files` were turned, by their pixels; `named_rotated` and `named_derived` is what the names say.
    """
    prints, records = found.prints, found.records
    contents = Counter(print_.sha256 for print_ in prints if print_.sha256)
    inside = sum(len(cluster.members) for cluster in found.clusters)
    kinds = Counter(kind for cluster in found.clusters for kind in cluster.kinds)
    crossing = Counter(leak.kind for leak in found.leaks)
    return {
        "files": len(records),
        "unique_files": len(contents),
        "identical_groups": sum(count > 1 for count in contents.values()),
        "identical_groups_across_splits": crossing["identical"],
        "pictures": len(records) - inside + len(found.clusters),
        "pictures_with_copies": len(found.clusters),
        "pictures_with_copies_across_splits": crossing["twins"],
        "pictures_across_data_sets": sum(
            len({records[position].source for position in cluster.members}) > 1 for cluster in found.clusters
        ),
        **{f"clusters_with_{kind}": count for kind, count in sorted(kinds.items())},
        "rotated_files": sum(len(cluster.rotated) for cluster in found.clusters),
        "mirrored_files": sum(sum(cluster.mirrored.values()) for cluster in found.clusters),
        "named_rotated": sum("rotat" in record.name.lower() for record in records),
        "named_derived": sum(bool(DERIVED.search(record.name)) for record in records),
        "conflicting_twins": len(found.conflicts),
    }


def counts(records: Sequence[Record]) -> dict[str, Any]:
    """{data set: {split: {"files": n, label: {value: n}, "region": {value: n}}}}."""
    tree: defaultdict[str, defaultdict[str, dict[str, Any]]] = defaultdict(lambda: defaultdict(dict))
    columns = [*labels_of(records), "region"]
    for record in records:
        part = tree[record.source or ""][record.split or "none"]
        part["files"] = part.get("files", 0) + 1
        for column in columns:
            if value := record.columns.get(column, "").strip().lower():
                held = part.setdefault(column, {})
                held[value] = held.get(value, 0) + 1
    return {source: dict(parts) for source, parts in tree.items()}


def name_of(found: Audit, position: int) -> str:
    """What a file is called in the report."""
    record = found.records[position]
    several = len({one.source for one in found.records}) > 1
    return f"{record.source}/{record.name}" if several else record.name


def _names(found: Audit, positions: Sequence[int]) -> list[str]:
    return [name_of(found, position) for position in positions]


def _twins(found: Audit, cluster: Twins) -> dict[str, Any]:
    return {
        "original": name_of(found, cluster.original),
        "kinds": sorted(cluster.kinds),
        "files": [
            {
                "path": name_of(found, position),
                "split": found.records[position].split,
                "angle": cluster.angles[position],
                "mirrored": cluster.mirrored[position],
                "rotated": position in cluster.rotated,
            }
            for position in cluster.members
        ],
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
