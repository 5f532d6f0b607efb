"""`lucency data audit`, `lucency data eda`. Heavy imports stay inside: `lucency --help` is quick."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.errors import DataInvalid
from core.settings import load_settings

if TYPE_CHECKING:
    from trainer.audit.audit import Audit
    from trainer.audit.cache import Progress
    from trainer.datasets import DataSet

# Something was found that must not stay: the audit ran, the data is at fault.
FOUND = 3

data = typer.Typer(help="Look at data sets before training on them.", no_args_is_help=True)

Cache = Annotated[
    Path | None, typer.Option(help="Keep fingerprints here for the next time; default: below the home folder.")
]
Split = Annotated[Path | None, typer.Option(help="A CSV with labels or with another split; for one folder.")]
Layout = Annotated[str | None, typer.Option(help="How the folders are laid out; recognised by itself.")]


@data.command()
def audit(
    folders: Annotated[
        list[Path], typer.Argument(help="Data sets' folders. Those named first keep their split first.")
    ],
    out: Annotated[Path | None, typer.Option(help="Write audit.json, twins.png and split-<data set>.csv here.")] = None,
    split: Split = None,
    layout: Layout = None,
    shares: Annotated[str, typer.Option(help="What the proposed split aims at: train, val and test.")] = "70/15/15",
    cache: Cache = None,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON on stdout.")] = False,
) -> None:
    """Duplicates, leaks, contradictions, unreadable files, shortcuts; and a clean split. Exit status 3 for a leak."""
    from rich.console import Console

    from trainer.audit.audit import audit as run_audit
    from trainer.audit.document import document
    from trainer.audit.terminal import show

    sets = _read(folders, split=split, layout=layout)
    records = [record for data_set in sets for record in data_set.records]
    wanted = _shares(shares)
    with _progress() as progress:
        found = run_audit(records, cache=cache or default_cache(), shares=wanted, progress=progress)
    report = {"notes": {data_set.name: list(data_set.notes) for data_set in sets}} | document(found)
    if as_json:
        typer.echo(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        show(report, Console())
    if out is not None:
        for file in _written(found, [data_set.name for data_set in sets], report, out):
            typer.echo(str(file), err=as_json)
    if found.leaking:
        raise typer.Exit(FOUND)


@data.command()
def eda(
    folder: Annotated[Path, typer.Argument(help="The data set's folder.")],
    out: Annotated[Path, typer.Option(help="Write the charts and index.html here.")],
    split: Split = None,
    layout: Layout = None,
    cache: Cache = None,
) -> None:
    """Counts, sizes, grey levels, examples and the average image of each class, as PNG and one page."""
    from trainer.audit.eda import write_pages

    (data_set,) = _read([folder], split=split, layout=layout)
    with _progress() as progress:
        page = write_pages(data_set, out, cache=cache or default_cache(), progress=progress)
    typer.echo(str(page))


def default_cache() -> Path:
    """Where fingerprints are kept unless another folder is named."""
    return load_settings().home / "fingerprints"


def _read(folders: list[Path], *, split: Path | None, layout: str | None) -> list[DataSet]:
    from trainer.datasets import combine, read

    if split is not None and len(folders) > 1:
        raise DataInvalid("--split lays a split over one folder; name the data sets one by one")
    sets = [read(folder, layout=layout, split_csv=split) for folder in folders]
    combine(sets)  # refuses two of one name
    return sets


def _shares(text: str) -> dict[str, float]:
    try:
        parts = [float(part) for part in text.split("/")]
    except ValueError:
        parts = []
    if len(parts) != 3 or min(parts) < 0 or sum(parts) <= 0:
        raise DataInvalid(f"{text!r} is no split; write it as 70/15/15")
    return {name: part / sum(parts) for name, part in zip(("train", "val", "test"), parts, strict=True)}


def _written(found: Audit, names: list[str], report: dict[str, object], out: Path) -> Iterator[Path]:
    from trainer.audit.proposal import write_split
    from trainer.audit.sheet import write_sheet

    out.mkdir(parents=True, exist_ok=True)
    file = out / "audit.json"
    file.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    yield file
    if write_sheet(found, out / "twins.png"):
        yield out / "twins.png"
    for name in names:
        write_split(found.proposal, found.records, name, out / f"split-{name}.csv")
        yield out / f"split-{name}.csv"


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar on the terminal's error stream for each stage."""
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    tasks: dict[str, TaskID] = {}
    with Bars(console=Console(stderr=True), transient=True) as bars:

        def report(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield report
