"""A folder → its DataSet, by the layout that it has; and several data sets as one list of records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from core.errors import DataInvalid
from trainer.datasets.files import plain, top_folders
from trainer.datasets.layouts import LAYOUTS
from trainer.datasets.layouts.csv_table import read_table
from trainer.datasets.layouts.layout import Content, Layout, split_name
from trainer.datasets.layouts.split_csv import read_split_csv
from trainer.datasets.records import DataSet, Record
from trainer.datasets.tables import read_rows

# So many names stand in a note; the rest is counted.
NAMED = 3
# A CSV with nothing else gives a split to records that know their labels already.
SPLIT_ONLY = {"path", "split", "group"}


def read(
    folder: Path, *, layout: str | None = None, split_csv: Path | None = None, images: Path | None = None
) -> DataSet:
    """The data set in `folder` (or in the only folder inside it), by `layout` or by the first layout that it matches.

    `split_csv` names a CSV with labels to read instead; one with the columns path, split and group only lays its split
    over the folder's own layout, and leaves out what it does not list. `images` is where relative paths of a CSV start,
    the folder itself unless given. `folder` may be a CSV file.

    Raises DataInvalid for a folder that is not there or empty, of no known layout, or at odds with itself.
    """
    folder = Path(folder)
    if folder.is_file():
        folder, split_csv = folder.parent, folder
    if not folder.is_dir():
        raise DataInvalid(f"{folder} is not there, or no folder")
    if split_csv is None:
        chosen, place = _detected(folder, layout)
        return _finished(chosen.read(images or place), layout=chosen.name, folder=place)
    csv_file = split_csv if split_csv.is_absolute() or split_csv.is_file() else folder / split_csv
    header = set(read_rows(csv_file, required=())[0])
    if {"path", "split"} <= header <= SPLIT_ONLY:
        return _overlaid(read(folder, layout=layout, images=images), csv_file)
    content = (read_split_csv if "path" in header else read_table)(csv_file, images=images or folder)
    return _finished(content, layout="split_csv" if "path" in header else "csv", folder=folder)


def combine(data_sets: Sequence[DataSet]) -> list[Record]:
    """The records of all, one after another, each with its `source`; groups, patients and studies of different sources
    never meet. Names are unique within a source only. A label that a source does not have is unknown in its records.

    Raises DataInvalid for no data set, or two of one name.
    """
    names = [data_set.name for data_set in data_sets]
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if not data_sets or twice:
        raise DataInvalid(f"two data sets are called {twice[0]}" if twice else "no data set to combine")
    if len(data_sets) == 1:
        return list(data_sets[0].records)
    return [_prefixed(record, data_set.name) for data_set in data_sets for record in data_set.records]


def _detected(folder: Path, wanted: str | None) -> tuple[Layout, Path]:
    known = {layout.name: layout for layout in LAYOUTS}
    if wanted is not None and wanted not in known:
        raise DataInvalid(f"the layout {wanted!r} is unknown; there are: {', '.join(known)}")
    candidates = LAYOUTS if wanted is None else (known[wanted],)
    for place in top_folders(folder):
        for layout in candidates:
            if layout.matches(place):
                return layout, place
    looked_for = "; ".join(layout.looked_for for layout in candidates)
    raise DataInvalid(f"{folder} has no known layout. Looked for: {looked_for}")


def _finished(content: Content, *, layout: str, folder: Path) -> DataSet:
    """Checked files, no row twice, and what the data set says of all its records."""
    name = content.name or plain(folder.resolve().name) or layout
    records, repeated = _unique(content.records)
    there = [record for record in records if record.file.is_file()]
    missing = [record for record in records if not record.file.is_file()]
    if not there:
        raise DataInvalid(
            f"{folder}: none of the {len(missing)} listed images is there, such as {missing[0].file}"
            if missing
            else f"{folder} has no images"
        )
    notes = list(content.notes)
    if missing:
        notes.append(f"{len(missing)} of {len(records)} listed images are not there: {_some(missing)}")
    if repeated:
        notes.append(f"{repeated} rows stand in the table more than once, and are counted once")
    licensed = [_of_set(record, name, content.licence) for record in there]
    return DataSet(
        name=name,
        layout=layout,
        folder=folder,
        records=licensed,
        missing=[_of_set(record, name, content.licence) for record in missing],
        licence=content.licence,
        attribution=content.attribution,
        notes=tuple(notes),
    )


def _of_set(record: Record, name: str, licence: str | None) -> Record:
    return replace(record, source=record.source or name, licence=record.licence or licence)


def _unique(records: Iterable[Record]) -> tuple[list[Record], int]:
    """Without repeated rows. Raises DataInvalid where rows of one file differ."""
    seen: dict[str, Record] = {}
    repeated = 0
    for record in records:
        known = seen.setdefault(record.name, record)
        if known is record:
            continue
        if known != record:
            raise DataInvalid(f"{record.name} stands in two rows that say different things")
        repeated += 1
    return list(seen.values()), repeated


def _overlaid(data_set: DataSet, csv_file: Path) -> DataSet:
    rows = read_rows(csv_file, required=("path", "split"))
    said = {row["path"].strip(): row for row in rows}
    known = [record for record in data_set.records if record.name in said]
    if not known:
        raise DataInvalid(f"{csv_file.name} lists none of the images of {data_set.folder}")
    records = [
        replace(
            record,
            split=split_name(said[record.name]["split"]) or None,
            group=said[record.name].get("group", "").strip() or record.group,
        )
        for record in known
    ]
    notes = [f"the split is that of {csv_file.name}"]
    left_out = len(data_set.records) - len(known)
    notes += [f"{left_out} images that {csv_file.name} does not list are left out"] if left_out else []
    absent = len(said) - len(known)
    notes += [f"{absent} images that {csv_file.name} lists are not in the data set"] if absent else []
    return replace(data_set, records=records, notes=(*data_set.notes, *notes))


def _prefixed(record: Record, name: str) -> Record:
    def of(value: str | None) -> str | None:
        return None if value is None else f"{name}:{value}"

    return replace(record, source=name, group=of(record.group), patient=of(record.patient), study=of(record.study))


def _some(records: Sequence[Record]) -> str:
    names = ", ".join(record.name for record in records[:NAMED])
    return names + (f" and {len(records) - NAMED} more" if len(records) > NAMED else "")
