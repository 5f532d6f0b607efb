"""Batches for Keras: augmented images, or features computed before. Order and changes follow from seed and epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any, Protocol

import keras
import numpy as np
from numpy.typing import NDArray

from trainer.input_pipeline.augment import augment, warp_matrix
from trainer.input_pipeline.boxes import coverage, warped
from trainer.recipes.recipe import Augmentation, HeadRecipe
from trainer.training.objective import Targets, Weights, agreement_name, evidence_name, targets_and_weights


class Inputs(Protocol):
    """Where a batch's inputs come from."""

    def take(self, rows: NDArray[np.int64], *, epoch: int, seed: int) -> NDArray[Any]:
        """The network's input for these rows in this epoch."""
        ...


class ImageInputs:
    """Augmented images: row r of epoch e is the same image whenever it is asked for."""

    def __init__(self, pixels: NDArray[np.uint8], *, augmentation: Augmentation, pad: int) -> None:
        self._pixels, self._augmentation, self._pad = pixels, augmentation, pad

    def take(self, rows: NDArray[np.int64], *, epoch: int, seed: int) -> NDArray[np.uint8]:
        images = [
            augment(
                self._pixels[row],
                self._augmentation,
                random=np.random.default_rng((seed, epoch, int(row))),
                pad=self._pad,
            )
            for row in rows
        ]
        return np.stack(images)


class Placements:
    """Where the evidence of a head's first label is to lie: boxes in input pixels, moved as their images are."""

    def __init__(
        self,
        boxes: Sequence[NDArray[np.float64]],
        *,
        head: HeadRecipe,
        augmentation: Augmentation,
        size: int,
        grid: tuple[int, int],
    ) -> None:
        self.name = evidence_name(head.name)
        self._boxes, self._labels, self._augmentation = boxes, len(head.labels), augmentation
        self._size, self._grid = size, grid

    def take(self, rows: NDArray[np.int64], *, epoch: int, seed: int) -> NDArray[np.float32]:
        """(n, gh, gw, labels) of these rows in this epoch: `coverage` of the first label, 0 where there is no box."""
        result = np.zeros((len(rows), *self._grid, self._labels), dtype=np.float32)
        for position, row in enumerate(rows):
            if len(self._boxes[row]):
                random = np.random.default_rng((seed, epoch, int(row)))
                matrix = warp_matrix(self._augmentation, size=self._size, random=random)
                moved = warped(self._boxes[row], matrix)
                result[position, :, :, 0] = coverage(moved, size=self._size, grid=self._grid)
        return result


class FeatureInputs:
    """Pooled features (copies, n, channels): each epoch takes every row from a copy drawn at random."""

    def __init__(self, features: NDArray[np.float32]) -> None:
        self._features = features

    def take(self, rows: NDArray[np.int64], *, epoch: int, seed: int) -> NDArray[np.float32]:
        copies = np.random.default_rng((seed, epoch, 1)).integers(0, len(self._features), self._features.shape[1])
        chosen: NDArray[np.int64] = np.asarray(copies)[rows]
        taken: NDArray[np.float32] = self._features[chosen, rows]
        return taken


class Batches(keras.utils.PyDataset):  # type: ignore[misc] # Keras ships no types
    """(inputs, {head: truth}, {head: weight, 0 where the truth is unknown}) in an order drawn anew each epoch.

    `weights` are those of `trainer.training.objective.class_weights`. With two `seeds` the second half of a batch are
    the images of the first, changed in another way.
    """

    def __init__(
        self,
        inputs: Inputs,
        targets: Targets,
        *,
        heads: tuple[HeadRecipe, ...],
        weights: Weights,
        batch_size: int,
        seeds: tuple[int, ...],
        epoch: int,
        placements: Sequence[Placements] = (),
    ) -> None:
        super().__init__(workers=1, use_multiprocessing=False, max_queue_size=4)
        self._inputs, self._targets, self._heads, self._weights = inputs, targets, heads, weights
        self._placements = tuple(placements)
        self._seeds, self._epoch = seeds, epoch
        self._rows = batch_size // len(seeds)
        self._count = len(next(iter(targets.values())))
        self._made, self._seconds = 0, 0.0
        self._shuffle()

    def __len__(self) -> int:
        return math.ceil(self._count / self._rows)

    def __getitem__(self, index: int) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        began = time.perf_counter()
        rows = self._order[index * self._rows : (index + 1) * self._rows]
        every = np.tile(rows, len(self._seeds))
        truth = {name: value[every] for name, value in self._targets.items()}
        targets, weights = targets_and_weights(truth, self._heads, self._weights)
        for placement in self._placements:
            targets[placement.name] = self._taken(placement, rows)
            weights[placement.name] = np.ones(len(every), dtype=np.float32)
        if len(self._seeds) > 1:
            for head in self._heads:
                # Nothing of it is used: what two answers are to agree with is each other.
                targets[agreement_name(head.name)] = np.zeros_like(targets[head.name])
                weights[agreement_name(head.name)] = np.ones(len(every), dtype=np.float32)
        made = self._taken(self._inputs, rows), targets, weights
        self._made, self._seconds = self._made + len(every), self._seconds + time.perf_counter() - began
        return made

    def _taken(self, source: Inputs | Placements, rows: NDArray[np.int64]) -> NDArray[Any]:
        return np.concatenate([source.take(rows, epoch=self._epoch, seed=seed) for seed in self._seeds])

    @property
    def images_per_second(self) -> float:
        """How many images a second the making of batches alone would give."""
        return self._made / max(self._seconds, 1e-9)

    def on_epoch_end(self) -> None:
        self._epoch += 1
        self._shuffle()

    def _shuffle(self) -> None:
        self._order = np.random.default_rng((self._seeds[0], self._epoch, 0)).permutation(self._count)
