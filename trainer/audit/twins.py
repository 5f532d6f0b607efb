"""Pictures that are the same, in what way, and which of them is the original."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from trainer.audit.appearance import spectra, turns
from trainer.audit.cache import FingerprintCache, Progress
from trainer.audit.clusters import Clusters
from trainer.audit.fingerprints import Fingerprint
from trainer.audit.matching import POLAR, matches
from trainer.datasets import Record

# Angles up to this many degrees are no turn: a crop can look like as much.
UPRIGHT = 2.0
# Names that say that a file was made from another one.
DERIVED = re.compile(r"rotat|flip|mirror|augment|[-_ (]copy\b", re.IGNORECASE)
# The share of its corners that a turned picture leaves blank, and how much less blank than that it is as a whole.
CORNERS, LESS = 0.6, 0.25


class TwinKind(StrEnum):
    """How two files are the same, from the surest to the least."""

    IDENTICAL = "identical"
    SAME_PIXELS = "same_pixels"
    TURNED = "turned"
    ROTATED = "rotated"
    NEAR = "near"


_TURNS = {TwinKind.ROTATED, TwinKind.TURNED}


@dataclass(frozen=True, slots=True)
class Twins:
    """All files that show one exposure: positions of records. `original` is the one to keep, `angles` says by how many
    degrees each is turned against it (0 for those upright), `mirrored` whether it is a mirror image of it.

    `kinds` are the relations that hold the cluster together, each with one pair of positions as its example. `rotated`
    are the members that were turned: by an angle, or back to upright with the corners lost on the way; all of them
    where the original itself lost its corners, so that no upright file is left.
    """

    members: list[int]
    original: int
    angles: dict[int, float]
    mirrored: dict[int, bool]
    kinds: dict[TwinKind, tuple[int, int]]
    rotated: frozenset[int]


@dataclass(frozen=True, slots=True)
class Relation:
    """Two files that are the same; `score` is the correlation of the pictures (1 where digests agree)."""

    first: int
    second: int
    kind: TwinKind
    score: float
    angle: float = 0.0


def relations(
    prints: Sequence[Fingerprint], *, cache: FingerprintCache | None = None, progress: Progress | None = None
) -> list[Relation]:
    """Enough relations to connect all files that show the same exposure. Unreadable ones are the same by bytes only."""
    found: list[Relation] = []
    connected = Clusters(len(prints))
    for kind, digests in (
        (TwinKind.IDENTICAL, [print_.sha256 for print_ in prints]),
        (TwinKind.SAME_PIXELS, [print_.pixels for print_ in prints]),
        (TwinKind.TURNED, [print_.turned for print_ in prints]),
    ):
        first: dict[str, int] = {}
        for position, digest in enumerate(digests):
            if digest is None:
                continue
            one = first.setdefault(digest, position)
            if not connected.together(one, position):
                connected.join(one, position)
                found.append(Relation(one, position, kind, 1.0))
    distinct = [group[0] for group in connected.groups() if prints[group[0]].thumb is not None]
    thumbs = [thumb for position in distinct if (thumb := prints[position].thumb) is not None]
    if len(thumbs) > 1:
        digests_ = [prints[position].pixels or "" for position in distinct]
        for match in matches(np.stack(thumbs), digests_, cache=cache, progress=progress):
            kind = _kind(match.angle, mirrored=match.mirrored)
            found.append(Relation(distinct[match.first], distinct[match.second], kind, match.score, match.angle))
    return found


def twins(records: Sequence[Record], prints: Sequence[Fingerprint], found: Sequence[Relation]) -> list[Twins]:
    """Every cluster of two files or more."""
    connected = Clusters(len(prints))
    for relation in found:
        connected.join(relation.first, relation.second)
    kinds: dict[int, dict[TwinKind, tuple[int, int]]] = {}
    for relation in found:
        pair = (relation.first, relation.second)
        kinds.setdefault(connected.root(relation.first), {}).setdefault(relation.kind, pair)
    return [
        _twins(group, records, prints, kinds[connected.root(group[0])])
        for group in connected.groups()
        if len(group) > 1
    ]


def original(members: Sequence[int], records: Sequence[Record], prints: Sequence[Fingerprint]) -> int:
    """The member to keep: not one whose name says that it is derived, nor with blank corners; then the largest."""

    def order(position: int) -> tuple[int, float, int, int, str]:
        name, facts = records[position].name, prints[position].facts
        corners, pixels = (1.0, 0) if facts is None else (round(facts.corners, 1), facts.rows * facts.columns)
        return len(DERIVED.findall(name)), corners, -pixels, len(name), name

    return min(members, key=order)


def _twins(
    group: list[int],
    records: Sequence[Record],
    prints: Sequence[Fingerprint],
    kinds: dict[TwinKind, tuple[int, int]],
) -> Twins:
    kept = original(group, records, prints)
    angles, mirrored = dict.fromkeys(group, 0.0), dict.fromkeys(group, False)
    if kinds.keys() - {TwinKind.IDENTICAL, TwinKind.SAME_PIXELS}:
        thumbs = [thumb for position in group if (thumb := prints[position].thumb) is not None]
        seen, index = np.unique(np.stack(thumbs), axis=0, return_inverse=True)
        turned = spectra(np.asarray(seen, np.uint8))
        reference = turned[index[group.index(kept)]]
        alike, degrees, flips = turns(np.broadcast_to(reference, turned.shape), turned)
        for position, place in zip(group, index, strict=True):
            if alike[place] >= POLAR:  # else one is a part of the other, and no angle can be told this way
                angles[position], mirrored[position] = float(degrees[place]), bool(flips[place])
    return Twins(
        members=group,
        original=kept,
        angles={position: 0.0 if abs(angle) <= UPRIGHT else round(angle, 1) for position, angle in angles.items()},
        mirrored=mirrored,
        kinds=kinds,
        rotated=_rotated(group, kept, angles, prints) if kinds.keys() & _TURNS else frozenset(),
    )


def _rotated(
    group: Sequence[int], kept: int, angles: dict[int, float], prints: Sequence[Fingerprint]
) -> frozenset[int]:
    facts = {position: found for position in group if (found := prints[position].facts) is not None}
    askew = {position for position, angle in angles.items() if abs(angle) > UPRIGHT}
    if askew and facts[kept].corners >= CORNERS and facts[kept].blank <= facts[kept].corners - LESS:
        return frozenset(group)
    lost = {position for position, fact in facts.items() if fact.corners >= facts[kept].corners + LESS}
    return frozenset(askew | lost)


def _kind(angle: float, *, mirrored: bool) -> TwinKind:
    if abs((angle + 45.0) % 90.0 - 45.0) > UPRIGHT:
        return TwinKind.ROTATED
    return TwinKind.NEAR if abs(angle) <= UPRIGHT and not mirrored else TwinKind.TURNED
