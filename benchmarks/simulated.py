"""The inference worker on a simulated device: `celery -A benchmarks.simulated worker -Q inference …`.

All of the worker is real but the pass: the engine answers what it once answered for a black image, after
`BENCHMARK_IMAGE_MS` for each image, in which the processor is free, as it is beside a GPU.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable

from worker.app import celery  # first: it limits the threads before numpy is loaded

import numpy as np  # isort: skip
from numpy.typing import NDArray  # isort: skip

from core.vocabulary import EngineName  # isort: skip
from networks.bundle import Bundle  # isort: skip
from networks.engines import Engine, EngineOutput, make_engine  # isort: skip
from worker.inference import models  # isort: skip

__all__ = ["celery"]

IMAGE_S = float(os.environ.get("BENCHMARK_IMAGE_MS", "0")) / 1000


class SimulatedEngine:
    """A device that takes `IMAGE_S` for each image, and up to 256 of them in a pass."""

    pass_size = 256

    def __init__(self, engine: Engine, *, size: int) -> None:
        self.name, self.version = engine.name, "simulated"
        self._output = engine.run(np.zeros((1, size, size, 1), dtype=np.uint8))

    def run(self, batch: NDArray[np.uint8]) -> EngineOutput:
        time.sleep(IMAGE_S * len(batch))
        one = self._output
        return EngineOutput(
            probabilities=np.repeat(one.probabilities, len(batch), axis=0),
            class_activations=np.repeat(one.class_activations, len(batch), axis=0),
            features=None if one.features is None else np.repeat(one.features, len(batch), axis=0),
        )

    def warm_up(self, batch_sizes: Iterable[int]) -> None:
        """Nothing of it is warm or cold."""


def make(name: EngineName, bundle: Bundle, *, threads: int = 1) -> Engine:
    return SimulatedEngine(make_engine(name, bundle, threads=threads), size=bundle.preprocessing.size)


models.make_engine = make
