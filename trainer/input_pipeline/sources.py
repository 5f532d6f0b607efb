"""A recipe's data sets as one list of records: read, filtered, balanced."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from core.errors import DataInvalid
from trainer.datasets import DataSet, Record, combine, read
from trainer.recipes.recipe import DataRecipe, Recipe, Source

# Clean splits of published data sets that have none: file names and labels, no image.
SPLITS = Path(__file__).parents[1] / "splits"


def read_records(recipe: Recipe, data: Path) -> tuple[list[Record], tuple[str, ...]]:
    """The records of all the recipe's sources, and sentences about them for people.

    `data` is the folder of the only source, or the one that holds the folders of several. Raises DataInvalid where one
    cannot be read, or nothing is left of it.
    """
    sets = [
        _selected(read_source(source, folder), source, seed=recipe.seed)
        for source, folder in zip(recipe.data.sources, folders_of(recipe.data, data), strict=True)
    ]
    return combine(sets), tuple(f"{entry.name}: {note}" for entry in sets for note in entry.notes)


def folders_of(recipe: DataRecipe, data: Path) -> tuple[Path, ...]:
    """The folder of each source."""
    return (data,) if len(recipe.sources) == 1 else tuple(data / source.folder for source in recipe.sources)


def read_source(source: Source, folder: Path) -> DataSet:
    """One data set. A split that lies neither in its folder nor elsewhere may be one of the shipped ones."""
    split = None if source.split is None else Path(source.split)
    if split is not None and not (folder / split).exists() and (SPLITS / split).exists():
        split = SPLITS / split
    return read(folder, layout=source.layout, split_csv=split)


def repeated(records: Sequence[Record], recipe: DataRecipe, data: Path) -> list[Record]:
    """The records, and behind them those of each source as often again as it says."""
    result = list(records)
    for source, folder in zip(recipe.sources, folders_of(recipe, data), strict=True):
        result += (source.repeat - 1) * [record for record in records if record.file.is_relative_to(folder)]
    return result


def _selected(data_set: DataSet, source: Source, *, seed: int) -> DataSet:
    records = [record for record in data_set.records if _wanted(record, source)]
    if not records:
        said = ", ".join(f"{column} {' or '.join(values)}" for column, values in source.where.items())
        raise DataInvalid(f"{data_set.folder}: no image has {said}")
    notes = list(data_set.notes)
    if source.where:
        notes.append(f"{len(records)} of {len(data_set.records)} images are of the kind that the recipe takes")
    if source.balance is not None:
        before = len(records)
        records = _balanced(records, source.balance, seed=seed)
        notes.append(f"{len(records)} of {before} images: as many with {source.balance} as without in each split")
    if source.at_most is not None:
        records = [record for part in _by_split(records).values() for record in _spread(part, source.at_most)]
        notes.append(f"at most {source.at_most} images of each split")
    return replace(data_set, records=records, notes=tuple(notes))


def _wanted(record: Record, source: Source) -> bool:
    if record.name in source.leave_out or (record.split is not None and record.split not in source.splits):
        return False
    return all(record.columns.get(column, "").strip().lower() in values for column, values in source.where.items())


def _balanced(records: Sequence[Record], column: str, *, seed: int) -> list[Record]:
    """In each split as many records with 1 in `column` as with 0, drawn by the hash of their names; in their order."""
    kept: set[str] = set()
    for split, part in _by_split(records).items():
        sides = [[r.name for r in part if r.columns.get(column, "").strip() == value] for value in ("0", "1")]
        count = min(len(side) for side in sides)
        if not count:
            raise DataInvalid(f"the split {split} cannot be balanced: it has one kind of {column} only")
        for side in sides:
            kept |= set(sorted(side, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())[:count])
    return [record for record in records if record.name in kept]


def _by_split(records: Sequence[Record]) -> dict[str | None, list[Record]]:
    splits: dict[str | None, list[Record]] = {}
    for record in records:
        splits.setdefault(record.split, []).append(record)
    return splits


def _spread(records: Sequence[Record], count: int) -> list[Record]:
    """`count` records at even distances, or all where there are not so many."""
    if len(records) <= count:
        return list(records)
    return [records[index * len(records) // count] for index in range(count)]
