"""`lucency evaluate` behind its flags: read, run, judge, write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.vocabulary import EngineName
from networks.bundle import Bundle
from networks.engines import make_engine
from trainer.datasets import DataSet, Record, of_split, read
from trainer.evaluation.output import training_history, write_outputs
from trainer.evaluation.page import Context
from trainer.evaluation.predictions import predict
from trainer.evaluation.report import judged

# From so many images on a line tells how far it is, at each tenth.
LONG = 500


@dataclass(frozen=True, slots=True)
class Request:
    """What to measure on (`data` with its layout, or a CSV; one `split` of it), and where to write what."""

    data: Path
    split_csv: Path | None = None
    layout: str | None = None
    split: str | None = None
    out: Path | None = None
    run: Path | None = None
    cache: Path | None = None


def measure(
    folder: Path, request: Request, *, engine: EngineName, threads: int, say: Callable[[str], None]
) -> tuple[dict[str, Any], Path | None]:
    """The report on the Bundle in `folder`, and the page where one was asked for. Files that a table lists and that are
    not there count as unreadable. Raises BundleInvalid, DataInvalid, EngineFailed.
    """
    bundle = Bundle.load(folder)
    history = training_history(bundle, request.run)
    data = read(request.data, layout=request.layout, split_csv=request.split_csv, images=request.data)
    records = [*data.records, *data.missing]
    if request.split is not None:
        records = of_split(records, request.split)
    runner = make_engine(engine, bundle, threads=threads)
    found = predict(bundle, runner, records, cache=request.cache, progress=_told(say, len(records)))
    report = judged(bundle, found)
    if request.out is None:
        return report, None
    context = Context(data=_described(data, request), notes=_notes(data, found.records), history=history)
    return report, write_outputs(request.out, bundle, runner, found, report, context=context)


def _described(data: DataSet, request: Request) -> str:
    split = f", split {request.split}" if request.split is not None else ""
    licence = f", licence {data.licence}" if data.licence else ""
    return f"{data.name}{split} (layout {data.layout}{licence})"


def _notes(data: DataSet, records: Sequence[Record]) -> tuple[str, ...]:
    """What the data set says of itself, and that a Bundle may have been trained on some of it."""
    seen = Counter(record.split for record in records)
    trained = [f"{seen[split]} of the split {split}" for split in ("train", "val") if seen[split]]
    warning = f"{' and '.join(trained)}: a Bundle that was trained on this data has seen them"
    return (*data.notes, *([warning] if trained else []))


def _told(say: Callable[[str], None], count: int) -> Callable[[int, int], None] | None:
    """A line at each tenth of a long run."""
    if count < LONG:
        return None
    told = 0

    def progress(done: int, total: int) -> None:
        nonlocal told
        if (tenth := done * 10 // total) > told:
            told = tenth
            say(f"{done} of {total} images")

    return progress
