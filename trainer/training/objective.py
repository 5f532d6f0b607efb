"""What training minimises: a loss for each head, and how much each image's truth weighs in it.

Keras operations only: any Keras backend runs them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from trainer.datasets import UNKNOWN
from trainer.recipes.phases import Loss, Phase
from trainer.recipes.recipe import HeadRecipe, Recipe

Targets = Mapping[str, NDArray[np.int64]]
Weights = Mapping[str, NDArray[np.float32]]


class PerLabel(keras.losses.Loss):  # type: ignore[misc] # Keras ships no types
    """Binary cross-entropy or Keras' binary focal loss of each label on its own: (n, L) → (n, L), so that each label of
    each image has its own weight (0 where its truth is unknown)."""

    def __init__(self, loss: Loss) -> None:
        super().__init__(name="per_label", reduction="sum_over_batch_size")
        self._loss = loss

    def call(self, y_true: Any, y_pred: Any) -> Any:
        smoothing = self._loss.label_smoothing
        if self._loss.kind == "focal":
            return keras.losses.binary_focal_crossentropy(
                ops.expand_dims(y_true, -1),
                ops.expand_dims(y_pred, -1),
                apply_class_balancing=self._loss.alpha is not None,
                alpha=0.25 if self._loss.alpha is None else self._loss.alpha,
                gamma=self._loss.gamma,
                label_smoothing=smoothing,
            )
        return ops.binary_crossentropy(y_true * (1.0 - smoothing) + 0.5 * smoothing, y_pred)


class PlacedEvidence(keras.losses.Loss):  # type: ignore[misc] # Keras ships no types
    """Cross-entropy of the softmax over the places of a label's evidence (n, gh, gw, L) against where it is to lie: a
    target that sums to 1 over the places, or is 0 where nobody drew a box. (n,), summed over the labels.
    """

    def call(self, y_true: Any, y_pred: Any) -> Any:
        _, rows, columns, labels = y_pred.shape
        evidence = ops.log_softmax(ops.reshape(y_pred, (-1, rows * columns, labels)), axis=1)
        return -ops.sum(ops.reshape(y_true, (-1, rows * columns, labels)) * evidence, axis=(1, 2))


class Disagreement(keras.losses.Loss):  # type: ignore[misc] # Keras ships no types
    """Half of the symmetric Kullback-Leibler divergence of the probabilities (n, L) of the first half of a batch and of
    its second, (n,), each twice; of independent labels their sum (R-Drop: Liang et al. 2021, arXiv 2106.14448).
    """

    def __init__(self, *, independent: bool) -> None:
        super().__init__(name="disagreement", reduction="sum_over_batch_size")
        self._independent = independent

    def call(self, y_true: Any, y_pred: Any) -> Any:  # noqa: ARG002 - Keras gives it
        least = keras.config.epsilon()
        first, second = ops.split(ops.clip(y_pred, least, 1.0 - least), 2, axis=0)
        apart = (first - second) * (ops.log(first) - ops.log(second))
        if self._independent:
            apart = apart + (first - second) * (ops.log(1.0 - second) - ops.log(1.0 - first))
        each = ops.sum(apart, axis=1) / 2
        return ops.concatenate([each, each])


def losses(recipe: Recipe, phase: Phase) -> dict[str, keras.losses.Loss]:
    """{head: loss} of this phase, on the heads' probabilities and the targets of `targets_and_weights`; under its
    `evidence_name` the loss of the evidence of each head that is to lie in boxes, and under its `agreement_name` that
    of how far the answers to two copies of an image are apart.
    """
    own = {head.name: _loss(head, phase.loss.get(head.name, head.loss)) for head in recipe.heads}
    own |= {evidence_name(head.name): PlacedEvidence() for head in recipe.heads if head.placement}
    if phase.agreement:
        own |= {agreement_name(head.name): Disagreement(independent=head.kind == "sigmoid") for head in recipe.heads}
    return own


def loss_weights(recipe: Recipe, phase: Phase) -> dict[str, float]:
    """How much each of the `losses` counts."""
    own = {head.name: head.loss_weight for head in recipe.heads}
    own |= {evidence_name(head.name): head.placement for head in recipe.heads if head.placement}
    if phase.agreement:
        own |= {agreement_name(head.name): phase.agreement * head.loss_weight for head in recipe.heads}
    return own


def evidence_name(head: str) -> str:
    """The name of a peaking head's evidence among a model's outputs."""
    return f"{head}_evidence"


def agreement_name(head: str) -> str:
    """The name under which a head's probabilities stand once more among a model's outputs, for `Disagreement`."""
    return f"{head}_agreement"


def _loss(head: HeadRecipe, loss: Loss) -> keras.losses.Loss:
    if head.kind == "sigmoid":
        return PerLabel(loss)
    if loss.kind == "focal":
        alpha = 1.0 if loss.alpha is None else loss.alpha
        return keras.losses.CategoricalFocalCrossentropy(
            alpha=alpha, gamma=loss.gamma, label_smoothing=loss.label_smoothing
        )
    return keras.losses.CategoricalCrossentropy(label_smoothing=loss.label_smoothing)


def class_weights(recipe: Recipe, phase: Phase, targets: Targets) -> dict[str, NDArray[np.float32]]:
    """{head: (L, 2) weights of 0 and 1 for each label of a sigmoid head, (L,) weights of a softmax head's labels}.

    "balanced" weighs a class by n / (classes · its count), so that the mean weight of an image is 1; a class without
    an image weighs 1.
    """
    weights = {}
    for head in recipe.heads:
        asked = phase.class_weights.get(head.name)
        known = targets[head.name]
        if head.kind == "softmax":
            counts = np.bincount(known[known != UNKNOWN], minlength=len(head.labels))
            table = _balance(counts) if asked == "balanced" else _given(asked, head)
        else:
            counts = np.stack([(known == value).sum(axis=0) for value in (0, 1)], axis=-1)
            ones = _given(asked, head)
            table = (
                np.stack([_balance(row) for row in counts])
                if asked == "balanced"
                else np.stack([np.ones_like(ones), ones], -1)
            )
        weights[head.name] = table.astype(np.float32)
    return weights


def _given(asked: Any, head: HeadRecipe) -> NDArray[np.float64]:
    table = asked if isinstance(asked, dict) else {}
    return np.array([table.get(label, 1.0) for label in head.labels], dtype=np.float64)


def _balance(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    present = counts > 0
    weights = counts.sum() / (max(1, int(present.sum())) * np.maximum(counts, 1))
    return np.where(present, weights, 1.0)


def targets_and_weights(
    truth: Targets, heads: tuple[HeadRecipe, ...], weights: Weights
) -> tuple[dict[str, NDArray[np.float32]], dict[str, NDArray[np.float32]]]:
    """What the losses take: (n, L) 0/1 of each head (one 1 a row for softmax), and the weights, (n, L) of a sigmoid
    head, (n,) of a softmax head: those of `class_weights`, and 0 where the truth is unknown.
    """
    targets, sample_weights = {}, {}
    for head in heads:
        value, table = truth[head.name], weights[head.name]
        known = value != UNKNOWN
        filled = np.where(known, value, 0)
        if head.kind == "sigmoid":
            targets[head.name] = filled.astype(np.float32)
            chosen = np.where(filled == 1, table[:, 1], table[:, 0])
        else:
            targets[head.name] = np.eye(len(head.labels), dtype=np.float32)[filled]
            chosen = table[filled]
        sample_weights[head.name] = np.where(known, chosen, 0).astype(np.float32)
    return targets, sample_weights
