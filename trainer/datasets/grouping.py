"""Splits that tear no group apart, the same for the same seed on every machine."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from trainer.datasets.records import Record


def divided(
    records: Sequence[Record],
    *,
    shares: Mapping[str, float],
    seed: int,
    rest: str = "train",
    stratum: Callable[[Record], str] = lambda _: "",
) -> list[Record]:
    """The records with each split of `shares` (of the images, 0–1) drawn by whole groups, and `rest` for the others.

    A record without group is one of its own. Groups are drawn within strata (a group's is the largest of its records'),
    so that each split has its part of a rare label; with groups enough, none is left empty.
    """
    groups: dict[str, list[int]] = {}
    for position, record in enumerate(records):
        groups.setdefault(record.group or f"\0{record.name}", []).append(position)
    strata: dict[str, list[str]] = {}
    for name, members in groups.items():
        strata.setdefault(max(stratum(records[position]) for position in members), []).append(name)
    assigned = dict.fromkeys(groups, rest)
    for names in strata.values():
        order = sorted(names, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())
        total = sum(len(groups[name]) for name in order)
        for split, share in shares.items():
            taken = 0
            # The last group of a stratum stays with the rest: training needs every label.
            while len(order) > 1 and taken < share * total:
                chosen = order.pop()
                assigned[chosen] = split
                taken += len(groups[chosen])
    by_position = {position: assigned[name] for name, members in groups.items() for position in members}
    return [replace(record, split=by_position[position]) for position, record in enumerate(records)]
