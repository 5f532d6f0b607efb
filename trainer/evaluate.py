"""A Bundle against labelled images: one code path for the trainer's own figures and for anybody's folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import DataInvalid
from networks.bundle import Bundle, Head
from networks.engines import Engine
from trainer.arrays import Unreadable, load_image
from trainer.datasets import UNKNOWN, Record, truth
from trainer.metrics import by_group, finding_metrics, region_metrics

BATCH = 8
# The columns of `split.csv` for a Bundle that does not say which columns its heads were trained on.
DEFAULT_COLUMNS = {"fracture": ("fractured",), "region": ("region",)}


def head_columns(bundle: Bundle, head: Head) -> tuple[str, ...]:
    """The CSV columns of a head's truth: as the Bundle's training says, else those of FracAtlas, else its labels."""
    recorded = bundle.manifest.training.get("columns", {})
    if isinstance(recorded, dict) and head.name in recorded:
        return tuple(recorded[head.name])
    return DEFAULT_COLUMNS.get(head.name, head.labels if head.kind == "sigmoid" else (head.name,))


def required_columns(bundle: Bundle) -> set[str]:
    """All columns that a CSV must have to judge this Bundle."""
    return {column for head in bundle.manifest.heads for column in head_columns(bundle, head)}


def evaluate(
    bundle: Bundle, engine: Engine, records: Sequence[Record], *, progress: Callable[[int, int], None] | None = None
) -> dict[str, Any]:
    """Figures of every head on `records`; files that cannot be read are named and left out.

    Raises DataInvalid where no file can be read.
    """
    readable, unreadable, probability = predict_records(bundle, engine, records, progress=progress)
    if not readable:
        raise DataInvalid("none of the images can be read")
    report: dict[str, Any] = {
        "bundle": {"name": bundle.manifest.name, "version": bundle.manifest.version, "digest": bundle.digest},
        "engine": engine.version,
        "n": len(readable),
        "unreadable": {"count": len(unreadable), "files": [{"path": u.name, "code": u.code} for u in unreadable]},
        "findings": {},
        "regions": {},
    }
    groups = [record.group for record in readable]
    regions = _truth_of(bundle, bundle.region_head, readable) if bundle.region_head else None
    start = 0
    for head in bundle.manifest.heads:
        part = probability[:, start : start + len(head.labels)]
        start += len(head.labels)
        known = _truth_of(bundle, head, readable)
        if head.kind == "softmax":
            report["regions"][head.name] = _region(known, part, head=head, groups=groups)
            continue
        for index, label in enumerate(head.labels):
            answer, threshold = (known[:, index], part[:, index]), bundle.threshold(label)
            finding = _finding(*answer, threshold=threshold, groups=groups)
            if regions is not None and bundle.region_head is not None:
                finding["by_region"] = by_group(
                    *answer, threshold=threshold, membership=regions, names=bundle.region_head.labels
                )
            report["findings"][label] = finding
    return report


def predict_records(
    bundle: Bundle, engine: Engine, records: Sequence[Record], *, progress: Callable[[int, int], None] | None = None
) -> tuple[list[Record], list[Unreadable], NDArray[np.float64]]:
    """Records that could be read, those that could not, and (n, labels) calibrated probabilities of the former."""
    readable: list[Record] = []
    unreadable: list[Unreadable] = []
    outputs: list[NDArray[np.float32]] = []
    done = 0
    for chunk, images in _decoded(bundle, records):
        good = [image for image in images if not isinstance(image, Unreadable)]
        unreadable += [image for image in images if isinstance(image, Unreadable)]
        readable += [r for r, image in zip(chunk, images, strict=True) if not isinstance(image, Unreadable)]
        if good:
            outputs.append(engine.run(np.stack(good)).probabilities)
        done += len(chunk)
        if progress is not None:
            progress(done, len(records))
    empty = np.empty((0, len(bundle.labels)))
    return readable, unreadable, np.concatenate(outputs).astype(np.float64) if outputs else empty


def _decoded(
    bundle: Bundle, records: Sequence[Record]
) -> Iterator[tuple[Sequence[Record], list[NDArray[np.uint8] | Unreadable]]]:
    """Batches of records with their images; the next batch is decoded while the caller works on this one."""
    chunks = [records[start : start + BATCH] for start in range(0, len(records), BATCH)]

    def load(chunk: Sequence[Record]) -> list[NDArray[np.uint8] | Unreadable]:
        return [load_image(record, bundle.preprocessing) for record in chunk]

    with ThreadPoolExecutor(max_workers=1) as pool:
        waiting = [pool.submit(load, chunk) for chunk in chunks[:1]]
        for position, chunk in enumerate(chunks):
            images = waiting.pop().result()
            waiting += [pool.submit(load, following) for following in chunks[position + 1 : position + 2]]
            yield chunk, images


def _truth_of(bundle: Bundle, head: Head, records: Sequence[Record]) -> NDArray[np.int64]:
    return truth(records, kind=head.kind, labels=head.labels, columns=head_columns(bundle, head))


def _finding(
    known: NDArray[np.int64], probability: NDArray[np.float64], *, threshold: float, groups: list[str | None]
) -> dict[str, Any]:
    rows = np.flatnonzero(known != UNKNOWN)
    chosen = [groups[row] for row in rows]
    report = finding_metrics(known[rows], probability[rows], threshold=threshold, groups=chosen)
    return _with_unknown(report, len(known) - len(rows), what="no truth")


def _region(
    known: NDArray[np.int64], probability: NDArray[np.float64], *, head: Head, groups: list[str | None]
) -> dict[str, Any]:
    rows = np.flatnonzero(known != UNKNOWN)
    chosen = [groups[row] for row in rows]
    report = region_metrics(known[rows], probability[rows], labels=head.labels, groups=chosen)
    return _with_unknown(report, len(known) - len(rows), what=f"none of {', '.join(head.labels)}")


def _with_unknown(report: dict[str, Any], unknown: int, *, what: str) -> dict[str, Any]:
    """The report with the number of images that could not be judged, and a note of it."""
    note = f"{unknown} images whose row states {what} are not counted"
    return {**report, "unknown": unknown, "notes": [*report["notes"], *([note] if unknown else [])]}
