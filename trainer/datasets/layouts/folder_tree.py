"""A folder a split with a folder a class in it: `train|validation|test` × any classes, with regions above or in them.

The Kaggle set "Fracture Multi-Region X-ray" is one such tree, known by its classes (see `multiregion`).
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from core.errors import DataInvalid
from trainer.datasets.files import folders, list_images, plain
from trainer.datasets.grouping import divided
from trainer.datasets.layouts.class_words import class_columns, labelled
from trainer.datasets.layouts.layout import SPLIT_NAMES, Content, Layout
from trainer.datasets.records import Record

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
    found = labelled(records)
    notes = [f"{sum(others.values())} files are no images: {', '.join(sorted(others))}"] if others else []
    empty = sorted(set(splits) - {record.split for record in found})
    notes += [f"the folder {splits[split].name} has no images" for split in empty]
    if found and not any(record.split == "val" for record in found):
        found, note = _with_val(found)
        notes.append(note)
    return Content(found, notes=tuple(notes))


def _with_val(records: list[Record]) -> tuple[list[Record], str]:
    train = [record for record in records if record.split == "train"]
    drawn = divided(train, shares={"val": VAL_SHARE}, seed=SEED, stratum=lambda record: record.columns["class"])
    note = (
        f"there is no validation folder: {VAL_SHARE:.0%} of the training images, drawn one by one with seed {SEED}, "
        "are val; copies of one image may stand on both sides (lucency data audit finds them)"
    )
    return [*drawn, *(record for record in records if record.split != "train")], note


def _record(file: Path, *, folder: Path, place: Path, split: str) -> Record:
    classes = file.relative_to(place).parts[:-1]
    name = file.relative_to(folder).as_posix()
    if not classes:
        raise DataInvalid(f"{name} lies in no class folder")
    patient = next((part.lower() for part in classes if part.lower().startswith("patient")), None)
    return Record(file=file, name=name, columns=class_columns(classes), split=split, group=patient, patient=patient)


LAYOUT = Layout(
    name="folder_tree",
    looked_for="folders train, validation (or val, valid) and test with a folder a class in each",
    matches=lambda folder: "train" in split_folders(folder) and bool(class_names(folder)),
    read=read,
)
