"""What a Bundle says about labelled images, computed once; every figure, table and picture is made from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.errors import DataInvalid
from networks.bundle import Bundle
from networks.engines import Engine, EngineOutput
from trainer.datasets import Record
from trainer.input_pipeline.arrays import Unreadable, load_image, load_images

BATCH = 8
Progress = Callable[[int, int], None]
Loaded = tuple[Sequence[Record], list[NDArray[np.uint8] | Unreadable]]


@dataclass(frozen=True, slots=True)
class Predictions:
    """The answers for the n records that could be read, in order, and the files that could not.

    `probability` (n, L) float64, calibrated, of all `labels` of the Bundle. `features` (n, C) float32 and `activations`
    (n, L, gh, gw) float32 where they were asked for and the engine gives them.
    """

    records: list[Record]
    unreadable: list[Unreadable]
    labels: tuple[str, ...]
    probability: NDArray[np.float64]
    engine: str
    features: NDArray[np.float32] | None = None
    activations: NDArray[np.float32] | None = None

    def of(self, label: str) -> NDArray[np.float64]:
        """(n,) the probability of one label."""
        return self.probability[:, self.labels.index(label)]

    def of_all(self, labels: Sequence[str]) -> NDArray[np.float64]:
        """(n, len(labels)) the probabilities of some labels."""
        return self.probability[:, [self.labels.index(label) for label in labels]]

    @property
    def groups(self) -> list[str | None]:
        """What a bootstrap draws whole, of each record."""
        return [group_of(record) for record in self.records]


def group_of(record: Record) -> str | None:
    """What a bootstrap draws whole: the record's group, else its patient, else its study; None for itself alone."""
    return record.group or record.patient or record.study


def predict(
    bundle: Bundle,
    engine: Engine,
    records: Sequence[Record],
    *,
    cache: Path | None = None,
    features: bool = False,
    activations: bool = False,
    progress: Progress | None = None,
) -> Predictions:
    """Run the Bundle over `records`: decoded batch by batch, or once into the folder `cache` and from there.

    `progress` is called with (done, all). Raises DataInvalid where a feature is asked that the engine does not give.
    """
    readable: list[Record] = []
    unreadable: list[Unreadable] = []
    probability = [np.empty((0, len(bundle.labels)), np.float32)]
    pooled: list[NDArray[np.float32]] = []
    maps: list[NDArray[np.float32]] = []
    done = 0
    for chunk, images in _decoded(bundle, records) if cache is None else _cached(bundle, records, cache=cache):
        good = [image for image in images if not isinstance(image, Unreadable)]
        unreadable += [image for image in images if isinstance(image, Unreadable)]
        readable += [r for r, image in zip(chunk, images, strict=True) if not isinstance(image, Unreadable)]
        if good:
            output = engine.run(np.stack(good))
            probability.append(output.probabilities)
            # The maps of a whole data set are far larger than its figures: kept only for who wants them.
            maps += [output.class_activations] if activations else []
            pooled += [_features(output)] if features else []
        done += len(chunk)
        if progress is not None:
            progress(done, len(records))
    return Predictions(
        records=readable,
        unreadable=unreadable,
        labels=bundle.labels,
        probability=np.concatenate(probability).astype(np.float64),
        engine=engine.version,
        features=np.concatenate(pooled) if pooled else None,
        activations=np.concatenate(maps) if maps else None,
    )


def predict_records(
    bundle: Bundle, engine: Engine, records: Sequence[Record], *, progress: Progress | None = None
) -> tuple[list[Record], list[Unreadable], NDArray[np.float64]]:
    """Records that could be read, those that could not, and (n, labels) calibrated probabilities of the former."""
    found = predict(bundle, engine, records, progress=progress)
    return found.records, found.unreadable, found.probability


def _features(output: EngineOutput) -> NDArray[np.float32]:
    if output.features is None:
        raise DataInvalid("this Bundle's graph does not give its features: export it again")
    return output.features


def _decoded(bundle: Bundle, records: Sequence[Record]) -> Iterator[Loaded]:
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


def _cached(bundle: Bundle, records: Sequence[Record], *, cache: Path) -> Iterator[Loaded]:
    images = load_images(records, bundle.preprocessing, cache=cache)
    for start in range(0, len(images.records), BATCH):
        chunk = images.records[start : start + BATCH]
        yield chunk, list(images.pixels[start : start + len(chunk)])
    for unreadable in images.unreadable:
        yield [record for record in records if record.name == unreadable.name][:1], [unreadable]
