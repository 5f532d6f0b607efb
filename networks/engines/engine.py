"""What every inference engine is: a batch of preprocessed radiographs in, probabilities and class activations out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from core.vocabulary import EngineName

# What a serving graph gives, in the order of EngineOutput; graphs of the first release have no features.
OUTPUTS = ["probabilities", "class_activations", "features"]
FIRST_OUTPUTS = OUTPUTS[:2]


@dataclass(frozen=True, slots=True)
class EngineOutput:
    """The result of one pass over n radiographs, for all L labels of the Bundle in its order.

    `probabilities` (n, L) float32, calibrated. `class_activations` (n, L, gh, gw) float32, ≥ 0: Grad-CAM before any
    scaling; all zeros where a label's map is nowhere positive. `features` (n, C) float32: what the heads stand on, of a
    hierarchy the router's; None of a graph that does not give them (those of the first release).
    """

    probabilities: NDArray[np.float32]
    class_activations: NDArray[np.float32]
    features: NDArray[np.float32] | None = None


class Engine(Protocol):
    """Runs one Bundle. An engine is made in the process that uses it and does not survive a fork.

    `pass_size`: how many radiographs are best run in one pass; `run` takes any number.
    """

    name: EngineName
    version: str
    pass_size: int

    def run(self, batch: NDArray[np.uint8]) -> EngineOutput:
        """`batch` (n, size, size, 1) uint8, n ≥ 1. Raises EngineFailed, or ValueError for another shape or type."""
        ...

    def warm_up(self, batch_sizes: Iterable[int]) -> None:
        """Run each batch size once, so that the first real batch costs what the others do."""
        ...


def check_batch(batch: NDArray[np.uint8], *, size: int) -> None:
    """Raises ValueError unless `batch` is (n ≥ 1, size, size, 1) uint8."""
    if batch.dtype != np.uint8 or batch.ndim != 4 or batch.shape[0] < 1 or batch.shape[1:] != (size, size, 1):
        raise ValueError(f"expected (n, {size}, {size}, 1) uint8, got {batch.shape} {batch.dtype}")
