"""A hierarchy on any engine: the router sees the whole batch, then each specialist the radiographs sent to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from core.errors import BundleInvalid
from networks.bundle import Bundle
from networks.engines.engine import Engine, EngineOutput, check_batch
from networks.manifest import Part


class HierarchicalEngine:
    """The router and all specialists of a Bundle, each an engine of its own made by `load`.

    All are loaded at once: a damaged specialist is refused with its Bundle, not found out by the first job it gets.
    """

    def __init__(self, bundle: Bundle, load: Callable[[Part], Engine]) -> None:
        manifest = bundle.manifest
        if manifest.routing is None:
            raise BundleInvalid("the Bundle is no hierarchy")
        self._size = bundle.preprocessing.size
        self._router = load(manifest.part)
        self._specialists = [load(manifest.specialist(region)) for region in manifest.part.labels]
        self.name, self.version, self.pass_size = self._router.name, self._router.version, self._router.pass_size
        routed = np.isin(manifest.labels, manifest.part.labels)
        self._routed_columns, self._judged_columns = np.flatnonzero(routed), np.flatnonzero(~routed)

    def run(self, batch: NDArray[np.uint8]) -> EngineOutput:
        """As Engine.run; one pass of the router, and one of each specialist that is asked for."""
        check_batch(batch, size=self._size)
        routed = self._router.run(batch)
        grid = routed.class_activations.shape[2:]
        labels = len(self._routed_columns) + len(self._judged_columns)
        probabilities = np.empty((len(batch), labels), dtype=np.float32)
        activations = np.empty((len(batch), labels, *grid), dtype=np.float32)
        probabilities[:, self._routed_columns] = routed.probabilities
        activations[:, self._routed_columns] = routed.class_activations
        chosen = routed.probabilities.argmax(axis=1)
        for index in np.unique(chosen):
            rows = np.flatnonzero(chosen == index)
            judged = self._specialists[index].run(batch[rows])
            place = np.ix_(rows, self._judged_columns)
            probabilities[place] = judged.probabilities
            activations[place] = judged.class_activations
        return EngineOutput(probabilities, activations, routed.features)

    def warm_up(self, batch_sizes: Iterable[int]) -> None:
        sizes = list(batch_sizes)
        for engine in (self._router, *self._specialists):
            engine.warm_up(sizes)
