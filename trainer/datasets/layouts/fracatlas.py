"""FracAtlas as it was published: `dataset.csv`, and `images/Fractured`, `images/Non_fractured` (or other folders).

Abedeen et al., FracAtlas, Scientific Data 10, 521 (2023), doi:10.1038/s41597-023-02432-4. There are no patient ids:
neighbouring ids are views of one patient, and stay together.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from core.errors import DataInvalid
from trainer.datasets.files import list_images
from trainer.datasets.grouping import divided
from trainer.datasets.layouts.layout import Content, Layout, Publication
from trainer.datasets.records import Record
from trainer.datasets.tables import Row, read_rows

PUBLICATION = Publication(
    name="fracatlas",
    licence="CC BY 4.0",
    attribution=(
        "FracAtlas: Abedeen, I., Rahman, M. A., Prottyasha, F. Z., Ahmed, T., Chowdhury, T. M., Shatabda, S., "
        "Scientific Data 10, 521 (2023), doi:10.1038/s41597-023-02432-4",
    ),
)
TABLE = "dataset.csv"
IMAGES = "images"
REGIONS = ("hand", "leg", "hip", "shoulder")
VIEWS = frozenset({"frontal", "lateral", "oblique"})
COLUMNS = frozenset({"image_id", "fractured", *REGIONS, "mixed", "hardware", "multiscan"})
# Ids count up within a hospital's export: so many neighbours are kept together.
BLOCK = 8
SHARES = {"val": 0.12, "test": 0.15}
SEED = 20
NUMBER = re.compile(r"(\d+)")


def view_of(columns: Mapping[str, str]) -> str:
    """The views that the flags name, `frontal` or `frontal+lateral`; empty where none is set."""
    return "+".join(name for name in ("frontal", "lateral", "oblique") if columns.get(name, "").strip() == "1")


def region_of(columns: Mapping[str, str]) -> str:
    """The one region whose flag is set; `mixed` where several are, or where the row says so; empty where none is."""
    named = [name for name in REGIONS if columns.get(name, "").strip() == "1"]
    if len(named) > 1 or columns.get("mixed", "").strip() == "1":
        return "mixed"
    return named[0] if named else ""


def block_of(name: str) -> str:
    """The group of a file: the block of 8 consecutive ids that it is in; its name where that has no number."""
    found = NUMBER.search(Path(name).stem)
    return f"block{int(found.group(1)) // BLOCK:04d}" if found else name


def recognised(content: Content) -> Content:
    """The content of a CSV with the name and licence of FracAtlas where it has its columns."""
    if not set(content.records[0].columns) >= COLUMNS:
        return content
    return replace(content, publication=PUBLICATION)


def matches(folder: Path) -> bool:
    """Whether there is a dataset.csv with FracAtlas' columns beside the folder images."""
    if not (folder / TABLE).is_file() or not (folder / IMAGES).is_dir():
        return False
    try:
        return set(read_rows(folder / TABLE)[0]) >= COLUMNS
    except DataInvalid:
        return False


def read(folder: Path) -> Content:
    """The rows of dataset.csv with their files, and a group-disjoint split of our own. Raises DataInvalid."""
    rows = read_rows(folder / TABLE, required=("image_id", "fractured"))
    listing = list_images(folder / IMAGES)
    files: dict[str, list[Path]] = {}
    for file in listing.images:
        files.setdefault(file.name, []).append(file)
    records = [_record(row, files, folder=folder) for row in rows]
    listed = {record.file for record in records}
    extra = [file for file in listing.images if file not in listed]
    notes = [
        "the data set has no split of its own: train, val and test are blocks of 8 neighbouring ids drawn with seed "
        f"{SEED}; near-duplicates are not joined (lucency data audit finds them)"
    ]
    if extra:
        notes.append(f"{len(extra)} images that {TABLE} does not list are left out")
    outvoted = sum(record.columns["fractured"] != row["fractured"] for record, row in zip(records, rows, strict=True))
    if outvoted:
        notes.append(f"{outvoted} flags `fractured` are wrong by the folder and by fracture_count, and were turned")
    odd = sum(_folder_says(record.file) not in {"", record.columns["fractured"]} for record in records)
    if odd:
        notes.append(f"{odd} images lie in a folder that contradicts their flag `fractured`: the flag counts")
    divided_records = divided(records, shares=SHARES, seed=SEED, stratum=lambda r: r.columns.get("fractured", ""))
    return Content(divided_records, publication=PUBLICATION, notes=tuple(notes))


def _record(row: Row, files: Mapping[str, list[Path]], *, folder: Path) -> Record:
    name = row["image_id"].strip()
    if not name:
        raise DataInvalid(f"a row of {TABLE} has an empty image_id")
    found = files.get(name, [])
    if len(found) > 1:
        raise DataInvalid(f"{name} is there {len(found)} times below {folder}")
    assumed = folder / IMAGES / ("Fractured" if row["fractured"].strip() == "1" else "Non_fractured") / name
    file = found[0] if found else assumed
    columns = {**row, "fractured": _fractured(row, file), "region": region_of(row), "view": view_of(row)}
    return Record(file=file, name=file.relative_to(folder).as_posix(), columns=columns, group=block_of(name))


def _fractured(row: Row, file: Path) -> str:
    """The flag, but where folder and fracture_count agree against it, as they do for IMG0003298 (so does its mask)."""
    flag, count = row["fractured"].strip(), row.get("fracture_count", "").strip()
    counted = "" if not count.isdigit() else str(int(int(count) > 0))
    return counted if counted and counted == _folder_says(file) else flag


def _folder_says(file: Path) -> str:
    """1 or 0 by the published folder; empty for another."""
    return {"fractured": "1", "non_fractured": "0"}.get(file.parent.name.lower(), "")


LAYOUT = Layout(
    name="fracatlas",
    looked_for="FracAtlas: dataset.csv with its columns (image_id, fractured, hand, …) beside the folder images",
    matches=matches,
    read=read,
    publication=PUBLICATION,
)
