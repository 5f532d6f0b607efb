"""Any CSV with a column of paths under a usual name, and label columns; in a folder, or a file beside its images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core.errors import DataInvalid
from trainer.datasets.files import entries, list_images, plain
from trainer.datasets.layouts import fracatlas
from trainer.datasets.layouts.class_words import labelled
from trainer.datasets.layouts.layout import Content, Layout, split_name
from trainer.datasets.records import Record
from trainer.datasets.tables import Row, read_rows

# Usual names of what a record has, the most telling first; compared as plain names.
PATH = (
    "path", "file", "filename", "file_name", "filepath", "file_path", "image_path", "image_file", "image", "img",
    "image_id", "image_name", "image_index", "dicom", "dicom_path", "id",
)  # fmt: skip
USUAL = {
    "split": ("split", "set", "subset", "partition", "dataset_split"),
    "group": ("group", "group_id"),
    "patient": ("patient", "patient_id", "patientid", "subject", "subject_id"),
    "study": ("study", "study_id", "studyid", "accession"),
    "licence": ("licence", "license"),
}
# Columns that mean what a canonical one does, under other names.
SYNONYMS = {
    "fractured": ("fractured", "fracture", "is_fractured", "has_fracture"),
    "abnormal": ("abnormal", "is_abnormal", "abnormality"),
    "region": ("region", "body_part", "bodypart", "anatomy"),
    "view": ("view", "view_position", "projection"),
    "class": ("class", "label", "class_name"),
    "hardware": ("hardware", "implant"),
}


@dataclass(frozen=True, slots=True)
class Index:
    """The images below a folder, by path, file name and name without suffix."""

    folder: Path
    by_name: dict[str, list[Path]]

    @classmethod
    def of(cls, folder: Path) -> Index:
        by_name: dict[str, list[Path]] = {}
        for file in list_images(folder).images:
            for name in {file.name, file.stem}:
                by_name.setdefault(name, []).append(file)
        return cls(folder, by_name)

    def file(self, name: str) -> Path:
        """The file that `name` means: a path from the folder, else a file name found once below it, else the path.

        Raises DataInvalid where several files have the name.
        """
        name = name.replace("\\", "/")
        direct = self.folder / name
        if direct.is_file():
            return direct
        found = self.by_name.get(Path(name).name, [])
        if len(found) > 1:
            raise DataInvalid(f"{name} may be any of {len(found)} files below {self.folder}")
        return found[0] if found else direct


def read_table(csv_file: Path, *, images: Path) -> Content:
    """One record a row. Raises DataInvalid for no column of paths, an empty path, or a path of several meanings."""
    rows = read_rows(csv_file)
    names = {plain(key): key for key in reversed(rows[0])}
    path = _first(names, PATH)
    if path is None:
        raise DataInvalid(f"{csv_file.name} has no column of paths; looked for: {', '.join(PATH)}")
    own = {field: key for field, usual in USUAL.items() if (key := _first(names, usual)) is not None}
    same = {field: key for field, usual in SYNONYMS.items() if (key := _first(names, usual)) is not None}
    index = Index.of(images)
    notes = () if "split" in own else (f"{csv_file.name} has no column `split`: every image is in none",)
    records = [_record(row, index, path=path, own=own, same=same) for row in rows]
    known = {"fractured", "abnormal"} & set(same)
    return fracatlas.recognised(Content(records if known else labelled(records), notes=notes))


def table_in(folder: Path) -> Path | None:
    """The only CSV file in `folder`, where that has a column of paths."""
    tables = [entry for entry in entries(folder) if entry.suffix.lower() == ".csv" and entry.is_file()]
    if len(tables) != 1:
        return None
    try:
        rows = read_rows(tables[0])
    except DataInvalid:
        return None
    return tables[0] if _first({plain(key): key for key in rows[0]}, PATH) is not None else None


def read(folder: Path) -> Content:
    """The folder's only CSV, and its images. Raises DataInvalid where there is none, or more than one."""
    table = table_in(folder)
    if table is None:
        raise DataInvalid(f"{folder} has not exactly one CSV file with a column of paths; name it by --split-csv")
    return read_table(table, images=folder)


def _first(names: dict[str, str], usual: tuple[str, ...]) -> str | None:
    return next((names[name] for name in usual if name in names), None)


def _record(row: Row, index: Index, *, path: str, own: dict[str, str], same: dict[str, str]) -> Record:
    name = row[path].strip()
    if not name:
        raise DataInvalid("a row of the CSV has an empty path")
    fields = {field: row[key].strip() or None for field, key in own.items()}
    split = fields.get("split")
    return Record(
        file=index.file(name),
        name=name,
        columns={**row, **{field: row[key].strip().lower() for field, key in same.items()}},
        split=split_name(split) if split else None,
        group=fields.get("group") or fields.get("patient"),
        patient=fields.get("patient"),
        study=fields.get("study"),
        licence=fields.get("licence"),
    )


LAYOUT = Layout(
    name="csv",
    looked_for="one CSV file with a column of paths (path, file, image, …)",
    matches=lambda folder: table_in(folder) is not None,
    read=read,
)
