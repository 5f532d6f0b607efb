"""How fast images come: decoded, out of the cache, and augmented. Beside the training step's rate it says who waits."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from networks.preprocessing import Preprocessing
from trainer.datasets import Record
from trainer.input_pipeline.arrays import Images, load_image


class Takes(Protocol):
    """What makes a batch's inputs of row numbers (`trainer.training.batches.ImageInputs`)."""

    def take(self, rows: NDArray[np.int64], *, epoch: int, seed: int) -> NDArray[Any]:
        """The network's input for these rows in this epoch."""
        ...


@dataclass(frozen=True, slots=True)
class PipelineSpeed:
    """Images a second of each way an image may come to a batch; `decoded` on all cores, the others in one thread."""

    decoded: float
    cached: float
    augmented: float

    def __str__(self) -> str:
        return (
            f"decoding {self.decoded:.0f} images/s, from the cache {self.cached:.0f} images/s, "
            f"from the cache and augmented {self.augmented:.0f} images/s"
        )


def measure_pipeline(
    images: Images, inputs: Takes, preprocessing: Preprocessing, *, batch_size: int = 32, seconds: float = 1.0
) -> PipelineSpeed:
    """Each rate over about `seconds`, on batches of rows drawn at random, as training reads them.

    `images` must hold at least one; files are read from the disk or what the system keeps of it.
    """
    random = np.random.default_rng(0)
    count = len(images.records)

    def rows() -> NDArray[np.int64]:
        return random.integers(0, count, batch_size)

    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:

        def decode() -> None:
            chosen: Sequence[Record] = [images.records[row] for row in rows()]
            list(pool.map(lambda record: load_image(record, preprocessing), chosen))

        decoded = _rate(decode, batch_size, seconds=seconds)
    return PipelineSpeed(
        decoded=decoded,
        cached=_rate(lambda: np.ascontiguousarray(images.pixels[rows()]), batch_size, seconds=seconds),
        augmented=_rate(lambda: inputs.take(rows(), epoch=0, seed=0), batch_size, seconds=seconds),
    )


def _rate(batch: Callable[[], object], size: int, *, seconds: float) -> float:
    """Images a second of `batch`, which makes `size` of them, called until the time is over; the first is not counted:
    it starts threads and fetches pages."""
    batch()
    began, done = time.perf_counter(), 0
    while (passed := time.perf_counter() - began) < seconds or not done:
        batch()
        done += size
    return done / passed if passed else float("inf")
