"""A folder a split with a folder a class in it: `train|validation|test` × any classes, with regions above or in them.

The Kaggle set "Fracture Multi-Region X-ray" is one such tree, known by its classes (see `multiregion`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

from core.errors import DataInvalid
from trainer.datasets.files import folders, list_images, plain
from trainer.datasets.grouping import divided
from trainer.datasets.layouts.layout import SPLIT_NAMES, Content, Layout
from trainer.datasets.records import Record

FRACTURED = frozenset({"fractured", "fracture", "fractures", "broken"})
NOT_FRACTURED = frozenset(
    {"not_fractured", "unfractured", "non_fractured", "nonfractured", "no_fracture", "not_fracture", "nofracture"}
)
ABNORMAL = frozenset({"abnormal", "positive"})
NORMAL = frozenset({"normal", "negative", "healthy"})
REGIONS = frozenset(
    {"elbow", "finger", "forearm", "hand", "humerus", "shoulder", "wrist", "ankle", "foot", "hip", "knee", "leg", "arm"}
)
SEED = 20
VAL_SHARE = 0.1


def split_folders(folder: Path) -> dict[str, Path]:
    """{train|val|test: folder} of the folders in `folder` with a usual name of a split. Raises DataInvalid for two."""
    found: dict[str, Path] = {}
    for entry in folders(folder):
        split = SPLIT_NAMES.get(entry.name.lower())
        if split is None:
            continue
        if split in found:
            raise DataInvalid(f"{found[split].name} and {entry.name} are both the split {split}")
        found[split] = entry
    return found


def class_names(folder: Path) -> set[str]:
    """The plain names of the class folders in all splits."""
    return {plain(entry.name) for split in split_folders(folder).values() for entry in folders(split)}


def read(folder: Path) -> Content:
    """Every image of the tree. Raises DataInvalid for no split, no training images, or images beside the classes."""
    splits = split_folders(folder)
    if "train" not in splits:
        raise DataInvalid(f"{folder} has no folder train (or training)")
    records, others = [], Counter[str]()
    for split, place in splits.items():
        listing = list_images(place)
        others.update(file.suffix.lower() or "no suffix" for file in listing.others)
        records += [_record(file, folder=folder, place=place, split=split) for file in listing.images]
    labelled = _labelled(records)
    notes = [f"{sum(others.values())} files are no images: {', '.join(sorted(others))}"] if others else []
    empty = sorted(set(splits) - {record.split for record in labelled})
    notes += [f"the folder {splits[split].name} has no images" for split in empty]
    if labelled and not any(record.split == "val" for record in labelled):
        labelled, note = _with_val(labelled)
        notes.append(note)
    return Content(labelled, notes=tuple(notes))


def _with_val(records: list[Record]) -> tuple[list[Record], str]:
    train = [record for record in records if record.split == "train"]
    drawn = divided(train, shares={"val": VAL_SHARE}, seed=SEED, stratum=lambda record: record.columns["class"])
    note = (
        f"there is no validation folder: {VAL_SHARE:.0%} of the training images, drawn one by one with seed {SEED}, "
        "are val; copies of one image may stand on both sides (lucency data audit finds them)"
    )
    return [*drawn, *(record for record in records if record.split != "train")], note


def _record(file: Path, *, folder: Path, place: Path, split: str) -> Record:
    parts = [plain(part) for part in file.relative_to(place).parts[:-1]]
    if not parts:
        raise DataInvalid(f"{file.relative_to(folder).as_posix()} lies in no class folder")
    region, words = "", []
    for part in parts:
        first, _, rest = part.removeprefix("xr_").partition("_")
        if not region and first in REGIONS and (rest in KNOWN or not rest):
            region = first
            words += [rest] if rest else []
        else:
            words.append(part)
    columns = {"class": ".".join([*([region] if region else []), *words])}
    if region:
        columns["region"] = region
    return Record(file=file, name=file.relative_to(folder).as_posix(), columns=columns, split=split)


KNOWN = FRACTURED | NOT_FRACTURED | ABNORMAL | NORMAL


def _labelled(records: list[Record]) -> list[Record]:
    """With `fractured` or `abnormal` where the classes' names say it; `normal` is the opposite of what there is."""
    words = {word for record in records for word in record.columns["class"].split(".")}
    column = "fractured" if words & (FRACTURED | NOT_FRACTURED) else "abnormal"
    positive, negative = (FRACTURED, NOT_FRACTURED | NORMAL) if column == "fractured" else (ABNORMAL, NORMAL)
    if not words & positive or not words & negative:
        return records
    return [replace(record, columns={**record.columns, **_truth(record, column, positive, negative)})
            for record in records]  # fmt: skip


def _truth(record: Record, column: str, positive: frozenset[str], negative: frozenset[str]) -> dict[str, str]:
    words = set(record.columns["class"].split("."))
    if words & positive:
        return {column: "1"}
    return {column: "0"} if words & negative else {}


LAYOUT = Layout(
    name="folder_tree",
    looked_for="folders train, validation (or val, valid) and test with a folder a class in each",
    matches=lambda folder: "train" in split_folders(folder) and bool(class_names(folder)),
    read=read,
)
