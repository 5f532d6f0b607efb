"""What a Bundle's engine gives for labelled images, kept whole: the ground on which trust is fitted and measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.errors import DataInvalid, LucencyError
from imaging.decode import decode
from imaging.radiograph import Radiograph
from networks.bundle import Bundle
from networks.engines import Engine, EngineOutput
from networks.preprocessing import Window
from trainer.datasets import Record

BATCH = 8
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Observation:
    """n readable images after one pass, in the order of `records`; L labels and C channels are the Bundle's.

    `tensors` (n, size, size, 1) uint8, `windows` the part of each that the radiograph covers, `sizes` (n, 2) its rows
    and columns in full; `probabilities` (n, L), `class_activations` (n, L, gh, gw), `features` (n, C): float32.
    """

    records: list[Record]
    tensors: NDArray[np.uint8]
    windows: list[Window]
    sizes: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    class_activations: NDArray[np.float32]
    features: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.records)

    def take(self, rows: NDArray[np.int64]) -> Observation:
        """The images of these rows."""
        return replace(
            self,
            records=[self.records[row] for row in rows],
            windows=[self.windows[row] for row in rows],
            tensors=self.tensors[rows],
            sizes=self.sizes[rows],
            probabilities=self.probabilities[rows],
            class_activations=self.class_activations[rows],
            features=self.features[rows],
        )


def observe(
    bundle: Bundle, engine: Engine, records: Sequence[Record], *, progress: Progress | None = None
) -> Observation:
    """Decode, preprocess and run `records` as the worker does; files that cannot be read are left out.

    Raises DataInvalid where none can be read.
    """
    kept, tensors, windows, sizes, outputs, done = [], [], [], [], [], 0
    for chunk, radiographs in _decoded(bundle, records):
        good = [(record, found) for record, found in zip(chunk, radiographs, strict=True) if found is not None]
        prepared = [bundle.preprocessing.apply(radiograph.pixels) for _, radiograph in good]
        if good:
            batch = np.stack([tensor for tensor, _ in prepared])
            outputs.append(engine.run(batch))
            tensors.append(batch)
        kept += [record for record, _ in good]
        windows += [window for _, window in prepared]
        sizes += [(radiograph.rows, radiograph.columns) for _, radiograph in good]
        done += len(chunk)
        if progress is not None:
            progress(done, len(records))
    if not outputs:
        raise DataInvalid("none of the images can be read")
    return Observation(
        records=kept,
        tensors=np.concatenate(tensors),
        windows=windows,
        sizes=np.array(sizes, dtype=np.int64),
        probabilities=np.concatenate([output.probabilities for output in outputs]),
        class_activations=np.concatenate([output.class_activations for output in outputs]),
        features=np.concatenate([_features(output) for output in outputs]),
    )


def decision_thresholds(bundle: Bundle, observation: Observation, label: str) -> NDArray[np.float64]:
    """(n,) from which probability on the Finding `label` is positive: of a hierarchy each one's specialist's."""
    columns = [bundle.labels.index(region) for region in bundle.manifest.region_labels]
    routes = [
        bundle.route(dict(zip(bundle.manifest.region_labels, map(float, row[columns]), strict=True)))
        for row in observation.probabilities
    ]
    return np.array([bundle.threshold(label, route=route) for route in routes], dtype=np.float64)


def spread(records: Sequence[Record], at_most: int) -> list[Record]:
    """No more than `at_most` of the records, spread evenly over them."""
    if len(records) <= at_most:
        return list(records)
    return [records[index] for index in np.linspace(0, len(records) - 1, at_most).astype(int)]


def pooled_features(engine: Engine, tensors: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(n, C) of (n, size, size, 1) inputs. Raises DataInvalid where the Bundle's graph does not give its features."""
    return np.concatenate(
        [_features(engine.run(tensors[start : start + BATCH])) for start in range(0, len(tensors), BATCH)]
    )


def probabilities_of(engine: Engine, tensors: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(n, L) of (n, size, size, 1) inputs."""
    return np.concatenate(
        [engine.run(tensors[start : start + BATCH]).probabilities for start in range(0, len(tensors), BATCH)]
    )


def _features(output: EngineOutput) -> NDArray[np.float32]:
    if output.features is None:
        raise DataInvalid("this Bundle's graph does not give its features: export it again")
    return output.features


def _decoded(bundle: Bundle, records: Sequence[Record]) -> Iterator[tuple[Sequence[Record], list[Radiograph | None]]]:
    """Batches of records with their radiographs; the next batch is decoded while the caller works on this one."""
    chunks = [records[start : start + BATCH] for start in range(0, len(records), BATCH)]
    longest_side = bundle.preprocessing.source_longest_side

    def load(chunk: Sequence[Record]) -> list[Radiograph | None]:
        return [_radiograph(record, longest_side=longest_side) for record in chunk]

    with ThreadPoolExecutor(max_workers=1) as pool:
        waiting = [pool.submit(load, chunk) for chunk in chunks[:1]]
        for position, chunk in enumerate(chunks):
            radiographs = waiting.pop().result()
            waiting += [pool.submit(load, following) for following in chunks[position + 1 : position + 2]]
            yield chunk, radiographs


def _radiograph(record: Record, *, longest_side: int) -> Radiograph | None:
    try:
        return decode(record.file.read_bytes(), longest_side=longest_side)
    except (OSError, LucencyError):
        return None
