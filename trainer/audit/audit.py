"""One audit: the records of one or several data sets, and all that was found about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from core.errors import DataInvalid
from trainer.audit.cache import FingerprintCache, Progress
from trainer.audit.fingerprints import Fingerprint
from trainer.audit.leaks import Conflict, Leak, conflicts, labels_of, leaks
from trainer.audit.proposal import SHARES, Proposal, propose
from trainer.audit.shortcuts import Shortcut, shortcuts
from trainer.audit.twins import Relation, Twins, relations, twins
from trainer.datasets import Record


@dataclass(frozen=True, slots=True)
class Audit:
    """`prints` are of `records`, position by position; all positions elsewhere are of these two."""

    records: list[Record]
    prints: list[Fingerprint]
    relations: list[Relation]
    clusters: list[Twins]
    leaks: list[Leak]
    conflicts: list[Conflict]
    shortcuts: list[Shortcut]
    proposal: Proposal

    @property
    def label(self) -> str | None:
        """The main label: what conflicts, shortcuts and strata are about."""
        labels = labels_of(self.records)
        return labels[0] if labels else None

    @property
    def unreadable(self) -> list[int]:
        return [position for position, print_ in enumerate(self.prints) if not print_.readable]

    @property
    def leaking(self) -> bool:
        return bool(self.leaks)


def audit(
    records: Sequence[Record],
    *,
    cache: Path | None = None,
    shares: Mapping[str, float] = SHARES,
    progress: Progress | None = None,
) -> Audit:
    """Audit `records` as they are split. `cache` is a folder that makes the next audit of the same files quick.

    Raises DataInvalid where there are no records.
    """
    if not records:
        raise DataInvalid("there is nothing to audit: no records")
    records = list(records)
    files = [record.file for record in records]
    with FingerprintCache.open(cache) if cache is not None else nullcontext(FingerprintCache.in_memory()) as kept:
        prints = kept.fingerprints(files, progress=progress)
        related = relations(prints, cache=kept, progress=progress)
    clusters = twins(records, prints, related)
    contradicting = conflicts(records, clusters)
    labels = labels_of(records)
    return Audit(
        records=records,
        prints=prints,
        relations=related,
        clusters=clusters,
        leaks=leaks(records, prints, clusters),
        conflicts=contradicting,
        shortcuts=shortcuts(records, prints, labels[0]) if labels else [],
        proposal=propose(records, prints, clusters, contradicting, shares=shares),
    )
