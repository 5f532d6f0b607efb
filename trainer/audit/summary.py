"""What a Bundle records of the audit of its training data, and the reasons not to publish it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.audit.audit import Audit, audit
from trainer.audit.cache import Progress
from trainer.audit.leaks import SPLITS
from trainer.audit.matching import SAME
from trainer.datasets import Record

# How each kind of leak is told to people: (one, several).
KINDS = {
    "identical": ("identical file", "identical files"),
    "twins": ("picture with copies", "pictures with copies"),
    "patient": ("patient", "patients"),
    "study": ("study", "studies"),
    "group": ("group", "groups"),
}


@dataclass(frozen=True, slots=True)
class AuditSummary:
    """`digest` is the SHA-256 of the split: of every record's source, name, content and split, in order of their names.

    `splits` {split: files}, `leaks` {kind: how many of them stand in several splits}, `conflicts` counts twins with
    different labels, `unreadable` files.
    """

    digest: str
    splits: dict[str, int]
    leaks: dict[str, int]
    conflicts: int
    unreadable: int

    @property
    def leaking(self) -> bool:
        return any(self.leaks.values())

    @property
    def reasons(self) -> list[str]:
        """One sentence for each kind of leak."""
        told = [(count, *KINDS[kind]) for kind, count in self.leaks.items() if count]
        where = " and ".join(self.splits)
        return [f"{count:,} {one if count == 1 else many} in more than one of {where}" for count, one, many in told]

    def to_json(self) -> dict[str, Any]:
        """For `training.audit` of a Bundle's manifest; `publishing` and the model card read it."""
        return {
            "digest": self.digest,
            "checked_splits": list(self.splits),
            "files": dict(self.splits),
            "leaks": dict(self.leaks),
            "conflicting_twins": self.conflicts,
            "unreadable": self.unreadable,
            "same_from_correlation": SAME,
            "leaks_allowed": False,
            "reasons": self.reasons,
        }


def audit_split(
    records: Sequence[Record], *, cache: Path | None = None, progress: Progress | None = None
) -> AuditSummary:
    """Audit the splits train, val and test of `records`, as a network is trained and measured on them. `cache` is the
    folder of `lucency data audit`. Raises DataInvalid where no record is in any of them.
    """
    return summarised(audit([r for r in records if r.split in SPLITS], cache=cache, progress=progress))


def summarised(found: Audit) -> AuditSummary:
    """The summary of an audit."""
    counts = Counter(leak.kind for leak in found.leaks)
    splits = Counter(record.split or "none" for record in found.records)
    digest = hashlib.sha256()
    for line in sorted(
        f"{record.source}\t{record.name}\t{print_.sha256}\t{record.split}\n"
        for record, print_ in zip(found.records, found.prints, strict=True)
    ):
        digest.update(line.encode())
    return AuditSummary(
        digest=digest.hexdigest(),
        splits={split: splits[split] for split in (*SPLITS, "none") if splits[split]},
        leaks={kind: counts[kind] for kind in KINDS},
        conflicts=len(found.conflicts),
        unreadable=len(found.unreadable),
    )
