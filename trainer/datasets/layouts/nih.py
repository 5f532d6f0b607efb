"""NIH ChestX-ray14: `Data_Entry_2017.csv`, `train_val_list.txt`, `test_list.txt`, images in one or twelve folders.

Wang et al., ChestX-ray8, CVPR 2017 (arXiv 1705.02315). The published test list is `test`; `val` is drawn out of
train_val by patient. The labels were mined from reports: "abnormal" is everything but "No Finding".
"""

from __future__ import annotations

from pathlib import Path

from core.errors import DataInvalid
from trainer.datasets.files import entries, list_images, plain
from trainer.datasets.grouping import divided
from trainer.datasets.layouts.layout import Content, Layout, Publication
from trainer.datasets.records import Record
from trainer.datasets.tables import Row, read_rows

PUBLICATION = Publication(
    name="nih_chestxray14",
    licence="unrestricted use; acknowledgement of the NIH Clinical Center, its link and citation asked for",
    attribution=(
        "NIH ChestX-ray14, provided by the NIH Clinical Center (https://nihcc.app.box.com/v/ChestXray-NIHCC): "
        "Wang, X., et al., ChestX-ray8, CVPR 2017, arXiv 1705.02315",
    ),
)
LABELS = (
    "atelectasis", "cardiomegaly", "effusion", "infiltration", "mass", "nodule", "pneumonia", "pneumothorax",
    "consolidation", "edema", "emphysema", "fibrosis", "pleural_thickening", "hernia",
)  # fmt: skip
NO_FINDING = "no_finding"
TABLE = "Data_Entry_2017"
LISTS = {"train_val_list.txt": "train", "test_list.txt": "test"}
# The last columns of its header hold commas of their own and are of no use here.
REQUIRED = ("Image Index", "Finding Labels", "Patient ID")
SEED = 20
VAL_SHARE = 0.1
TEST_SHARE = 0.2


def table_of(folder: Path) -> Path | None:
    """Data_Entry_2017.csv or its edition of 2020."""
    named = [entry for entry in entries(folder) if entry.name.startswith(TABLE) and entry.suffix.lower() == ".csv"]
    return named[0] if named else None


def read(folder: Path) -> Content:
    """One record a row. Raises DataInvalid for no table, unknown labels, or an image that both lists name."""
    table = table_of(folder)
    if table is None:
        raise DataInvalid(f"{folder} has no {TABLE}.csv")
    rows = read_rows(table, required=REQUIRED)
    files: dict[str, Path] = {}
    for file in list_images(folder).images:
        if file.name in files:
            raise DataInvalid(f"{file.name} is there twice: in {files[file.name].parent} and {file.parent}")
        files[file.name] = file
    records = [_record(row, files, folder=folder) for row in rows]
    listed = {record.name for record in records}
    extra = [name for name in files if name not in listed]
    split, notes = _published_split(folder)
    notes += [f"{len(extra)} images that {table.name} does not list are left out"] if extra else []
    if not split:
        shares = {"test": TEST_SHARE, "val": VAL_SHARE}
        notes.append(f"train_val_list.txt and test_list.txt are not there: split by patient with seed {SEED}")
        records = divided(records, shares=shares, seed=SEED)
    else:
        records, more = _divided(records, split)
        notes += more
    return Content(records, publication=PUBLICATION, notes=tuple(notes))


def _published_split(folder: Path) -> tuple[dict[str, str], list[str]]:
    """{image: train|test} by the two lists, empty where neither is there."""
    split: dict[str, str] = {}
    notes = []
    present = [name for name in LISTS if (folder / name).is_file()]
    for name in present:
        try:
            lines = (folder / name).read_text(encoding="utf-8-sig").split()
        except (OSError, UnicodeDecodeError) as error:
            raise DataInvalid(f"{name} cannot be read") from error
        both = [line for line in lines if split.get(line, LISTS[name]) != LISTS[name]]
        if both:
            raise DataInvalid(f"{both[0]} is in both lists, and {len(both) - 1} more")
        split |= dict.fromkeys(lines, LISTS[name])
    if len(present) == 1:
        absent = next(name for name in LISTS if name not in present)
        notes.append(f"{absent} is not there: every image that {present[0]} does not name is in it")
    return split, notes


def _divided(records: list[Record], split: dict[str, str]) -> tuple[list[Record], list[str]]:
    other = next(iter(set(LISTS.values()) - set(split.values())), None)
    kept = {name: [r for r in records if split.get(r.name, other) == name] for name in LISTS.values()}
    unnamed = len(records) - sum(len(part) for part in kept.values())
    notes = [f"{unnamed} images are in neither list and left out"] if unnamed else []
    tested = {record.patient for record in kept["test"]}
    crossing = {record.patient for record in kept["train"]} & tested
    notes += [f"{len(crossing)} patients are in both lists"] if crossing else []
    notes.append(f"val is {VAL_SHARE:.0%} of train_val_list.txt, drawn by patient with seed {SEED}")
    train = divided(kept["train"], shares={"val": VAL_SHARE}, seed=SEED)
    test = divided(kept["test"], shares={}, seed=SEED, rest="test")
    return [*train, *test], notes


def _record(row: Row, files: dict[str, Path], *, folder: Path) -> Record:
    name, patient = row["Image Index"].strip(), row["Patient ID"].strip()
    if not name or not patient:
        raise DataInvalid(f"a row of {TABLE}.csv has no image or no patient")
    found = {plain(label) for label in row["Finding Labels"].split("|")}
    unknown = sorted(found - {*LABELS, NO_FINDING})
    if unknown or (NO_FINDING in found and len(found) > 1):
        raise DataInvalid(f"{name}: {row['Finding Labels']!r} is not a list of the 14 labels, or No Finding")
    columns = {label: str(int(label in found)) for label in (*LABELS, NO_FINDING)}
    columns["abnormal"] = str(int(NO_FINDING not in found))
    columns |= {"region": "chest", "view": row.get("View Position", "").strip().lower()}
    follow_up = row.get("Follow-up #", "").strip()
    return Record(
        file=files.get(name, folder / "images" / name),
        name=name,
        columns=columns,
        group=patient,
        patient=patient,
        study=f"{patient}/{follow_up}" if follow_up else None,
    )


LAYOUT = Layout(
    name="nih",
    looked_for="NIH ChestX-ray14: Data_Entry_2017.csv",
    matches=lambda folder: table_of(folder) is not None,
    read=read,
    publication=PUBLICATION,
)
