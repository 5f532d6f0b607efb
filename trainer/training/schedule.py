"""How a phase learns: which layers, with which optimizer, at which rate, and when it has learnt enough.

What depends on the past follows from the phase's scores so far, which the run's history holds: a resumed phase decides
as one that never stopped.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras

from core.errors import TrainingFailed
from networks.classifier import FEATURES, RadiographClassifier
from trainer.recipes.phases import FromLayer, LastShare, Phase


def set_trainable(classifier: RadiographClassifier, phase: Phase) -> None:
    """Set which layers learn in this phase. Raises TrainingFailed for a layer that the backbone does not have.

    The backbone's BatchNormalization learns only where the phase says so: batches are small, and its statistics are
    ImageNet's.
    """
    heads = classifier.head_names()
    backbone = backbone_layers(classifier)
    learning = {layer.name for layer in backbone[_start(backbone, phase) :]}
    for layer in classifier.layers:
        frozen = isinstance(layer, keras.layers.BatchNormalization) and not phase.batch_normalisation
        layer.trainable = layer.name in heads or (layer.name in learning and not frozen)


def backbone_layers(classifier: RadiographClassifier) -> list[keras.layers.Layer]:
    """The layers between the scaled pixels and the features, in the order of the graph; without those of a neck."""
    names = [layer.name for layer in classifier.layers]
    heads = classifier.head_names()
    inner = classifier.layers[: names.index(FEATURES)]
    outside = {"image", "grey_to_rgb", "pixel_scaling"}
    return [layer for layer in inner if layer.name not in heads | outside]


def _start(backbone: Sequence[keras.layers.Layer], phase: Phase) -> int:
    """The index of the first layer that learns."""
    match phase.trainable:
        case "heads":
            return len(backbone)
        case FromLayer(start=name):
            names = [layer.name for layer in backbone]
            if name not in names:
                raise TrainingFailed(f"{phase.name}: the backbone has no layer {name}")
            return names.index(name)
        case LastShare(last=share):
            return len(backbone) - max(1, round(share * len(backbone)))
        case _:
            return 0


def make_optimizer(phase: Phase, *, steps: int, scores: Sequence[float]) -> keras.optimizers.Optimizer:
    """The phase's optimizer for epochs of `steps` batches, at the rate that its `scores` so far leave."""
    rate: Any = learning_rate(phase, scores) if phase.schedule == "constant" else _cosine(phase, steps=steps)
    averaging = {"use_ema": phase.averaging > 0, "ema_momentum": phase.averaging}
    if phase.optimizer == "adam":
        return keras.optimizers.Adam(learning_rate=rate, **averaging)
    return keras.optimizers.AdamW(learning_rate=rate, weight_decay=phase.weight_decay, **averaging)


@contextmanager
def averaged_weights(model: keras.Model) -> Iterator[None]:
    """Inside, the weights are their moving average, where the optimizer keeps one."""
    if not model.optimizer.use_ema:
        yield
        return
    swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
    swap.set_model(model)
    # It exchanges the two at an epoch's end and back at the next one's start, but not at the end of the last.
    swap.set_params({"epochs": math.inf})
    swap.on_epoch_end(0)
    try:
        yield
    finally:
        swap.on_epoch_begin(1)


def _cosine(phase: Phase, *, steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    total = steps * phase.epochs
    warmup = int(total * phase.warmup)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=phase.learning_rate / 100 if warmup else phase.learning_rate,
        decay_steps=max(1, total - warmup),
        alpha=0.01,
        warmup_target=phase.learning_rate if warmup else None,
        warmup_steps=warmup,
    )


def learning_rate(phase: Phase, scores: Sequence[float]) -> float:
    """The constant schedule's rate after epochs with these scores (higher is better), reduced at each plateau."""
    rate, plateau = phase.learning_rate, phase.reduce_on_plateau
    if plateau is None:
        return rate
    best, waited = float("-inf"), 0
    for score in scores:
        if score > best + plateau.least:
            best, waited = score, 0
            continue
        waited += 1
        if waited >= plateau.patience:
            rate, waited = max(rate * plateau.factor, plateau.lowest), 0
    return rate


def is_over(phase: Phase, scores: Sequence[float]) -> bool:
    """Whether early stopping ends the phase after epochs with these scores (higher is better)."""
    if phase.early_stopping is None:
        return False
    best, waited = float("-inf"), 0
    for score in scores:
        if score > best + phase.early_stopping.least:
            best, waited = score, 0
        else:
            waited += 1
    return waited >= phase.early_stopping.patience
