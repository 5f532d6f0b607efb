"""A folder → its DataSet, by the layout that it has; and several data sets as one list of records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from core.errors import DataInvalid
from trainer.datasets.files import entries, folders, plain
from trainer.datasets.layouts import LAYOUTS, csv_table
from trainer.datasets.layouts.csv_table import read_table
from trainer.datasets.layouts.layout import Content, Layout, Publication, split_name
from trainer.datasets.layouts.split_csv import LAYOUT as SPLIT_LAYOUT
from trainer.datasets.layouts.split_csv import SPLIT_CSV, read_split_csv
from trainer.datasets.records import DataSet, Record
from trainer.datasets.tables import is_split_only, read_rows

# So many names stand in a note; the rest is counted.
NAMED = 3
# So deep below the folder given may the data set begin.
TOP_FOLDERS = 2


def read(
    folder: Path, *, layout: str | None = None, split_csv: Path | None = None, images: Path | None = None
) -> DataSet:
    """The data set in `folder` (or in a folder inside it), by `layout` or by the first layout that it matches.

    `split_csv` names a CSV with labels to read instead. One with the columns path, split and group alone lays its split
    over the folder's own layout, and leaves out what it does not list; so does such a split.csv in the folder.
    A relative `split_csv` is looked for in the folder first. `images` is where relative paths of a CSV start, unless
    given the folder. `folder` may be a CSV file.

    Raises DataInvalid for a folder that is not there or empty, of no known layout, or at odds with itself.
    """
    folder = Path(folder)
    if folder.is_file():
        folder, split_csv = folder.parent, folder
    if not folder.is_dir():
        raise DataInvalid(f"{folder} is not there, or no folder")
    if images is not None and not images.is_dir():
        raise DataInvalid(f"{images} is not there, or no folder")
    if images is not None and images.samefile(folder):
        images = None
    if split_csv is not None:
        csv_file = folder / split_csv if (folder / split_csv).is_file() else split_csv
        if not is_split_only(csv_file):
            return _of_csv(csv_file, folder=images or folder)
    chosen, place = _detected(folder, layout)
    if images is not None:
        return _of_csv(_table_of(chosen, place), folder=images)
    data_set = _finished(chosen.read(place), layout=chosen.name, folder=place)
    laid_over = place / SPLIT_CSV if split_csv is None else csv_file
    if split_csv is None and not (laid_over.is_file() and is_split_only(laid_over)):
        return data_set
    return _overlaid(data_set, laid_over)


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


def _of_csv(csv_file: Path, *, folder: Path) -> DataSet:
    """The images of `folder` as the CSV has them; under the name and licence that the folder itself is known by."""
    publication, place = _known_by(folder, besides=csv_file)
    ours = csv_file.name == SPLIT_CSV
    content = (read_split_csv if ours else read_table)(csv_file, images=place)
    content = replace(content, publication=content.publication or publication)
    return _finished(content, layout=(SPLIT_LAYOUT if ours else csv_table.LAYOUT).name, folder=place)


def _known_by(folder: Path, *, besides: Path) -> tuple[Publication | None, Path]:
    """What the images in `folder` are known by without the CSV `besides`, and where their relative paths start."""
    own = folder / SPLIT_CSV
    if own.is_file() and not own.samefile(besides) and SPLIT_LAYOUT.matches(folder):
        return read_split_csv(own, images=folder).publication, folder
    trees = [layout for layout in LAYOUTS if layout not in (SPLIT_LAYOUT, csv_table.LAYOUT)]
    found = _matching(folder, trees, depth=TOP_FOLDERS)
    return (found[0][0].publication, found[0][1]) if len(found) == 1 else (None, folder)


def _table_of(layout: Layout, folder: Path) -> Path:
    table = {SPLIT_LAYOUT.name: folder / SPLIT_CSV, csv_table.LAYOUT.name: csv_table.table_in(folder)}.get(layout.name)
    if table is None:
        raise DataInvalid(f"a folder of images is for CSV files; {folder} has the layout {layout.name}")
    return table


def _detected(folder: Path, wanted: str | None) -> tuple[Layout, Path]:
    known = {layout.name: layout for layout in LAYOUTS}
    if wanted is not None and wanted not in known:
        raise DataInvalid(f"the layout {wanted!r} is unknown; there are: {', '.join(known)}")
    candidates = LAYOUTS if wanted is None else (known[wanted],)
    if not entries(folder):
        raise DataInvalid(f"{folder} is empty")
    # A lone CSV file says nothing of the folders beside it: it is tried last, and in the folder itself only.
    telling = [layout for layout in candidates if layout is not csv_table.LAYOUT]
    found = _matching(folder, telling, depth=TOP_FOLDERS)
    if not found and len(telling) < len(candidates) and csv_table.LAYOUT.matches(folder):
        return csv_table.LAYOUT, folder
    if len(found) > 1:
        places = ", ".join(place.name for _, place in found)
        raise DataInvalid(f"{folder} holds several data sets; name one: {places}")
    if not found:
        looked_for = "; ".join(layout.looked_for for layout in candidates)
        raise DataInvalid(f"{folder} has no known layout. Looked for: {looked_for}")
    return found[0]


def _matching(folder: Path, candidates: Sequence[Layout], *, depth: int) -> list[tuple[Layout, Path]]:
    """The folder itself, else the folders inside that match: archives unpack to one folder, or to one in one."""
    layout = next((layout for layout in candidates if layout.matches(folder)), None)
    if layout is not None:
        return [(layout, folder)]
    if not depth:
        return []
    return [found for inside in folders(folder) for found in _matching(inside, candidates, depth=depth - 1)]


def _finished(content: Content, *, layout: str, folder: Path) -> DataSet:
    """Checked files, no row twice, and what the data set says of all its records."""
    known = content.publication
    name = known.name if known else plain(folder.resolve().name) or layout
    licence = known.licence if known else None
    records, repeated = _unique(content.records)
    there: list[Record] = []
    missing: list[Record] = []
    for record in records:
        (there if record.file.is_file() else missing).append(record)
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
    licensed = [_of_set(record, name, licence) for record in there]
    return DataSet(
        name=name,
        layout=layout,
        folder=folder,
        records=licensed,
        missing=[_of_set(record, name, licence) for record in missing],
        licence=licence,
        attribution=known.attribution if known else (),
        notes=tuple(notes),
    )


def _of_set(record: Record, name: str, licence: str | None) -> Record:
    return replace(record, source=record.source or name, licence=record.licence or licence)


def _unique(records: Iterable[Record]) -> tuple[list[Record], int]:
    """Without repeated rows. Raises DataInvalid where rows of one file differ."""
    seen: dict[Path, Record] = {}
    repeated = 0
    for record in records:
        known = seen.setdefault(record.file, record)
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
