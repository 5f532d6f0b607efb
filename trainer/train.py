"""Training: the recipe's phases one after another; a checkpoint each epoch, and the best epoch by validation kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from core.errors import DataInvalid, TrainingFailed
from networks.backbones import load_weights
from networks.classifier import RANDOM_SEED, HeadSpec, RadiographClassifier
from trainer.arrays import Images, load_images
from trainer.batches import Batches, FeatureInputs, ImageInputs, Inputs, Targets
from trainer.checkpoint import (
    STATE,
    RunState,
    load_best,
    load_checkpoint,
    read_state,
    save_best,
    save_checkpoint,
    write_state,
)
from trainer.datasets import UNKNOWN, of_split, read_csv, truth
from trainer.evaluation.ranking import auc
from trainer.recipe import Phase, Recipe, training_part

Report = Callable[[str], None]
PREDICT_BATCH = 32


@dataclass(frozen=True, slots=True)
class Split:
    """A split's images and, by head, their truth."""

    images: Images
    targets: Targets


@dataclass(frozen=True, slots=True)
class Run:
    """One run's fixed parts. After `deadline`, a time.monotonic(), no further batch starts; `report` takes lines."""

    recipe: Recipe
    folder: Path
    train: Split
    validation: Split
    deadline: float | None
    report: Report

    def out_of_time(self) -> bool:
        return self.deadline is not None and time.monotonic() >= self.deadline


def train(
    recipe: Recipe,
    *,
    data: Path,
    folder: Path,
    weights: Path | None,
    resume: bool,
    max_minutes: float | None,
    report: Report,
) -> tuple[RadiographClassifier, RunState, Split]:
    """Train in `folder`; the classifier with the best weights, the run's state, and the validation split.

    Stops after `max_minutes` at the next batch; a later call with `resume` goes on at the last finished epoch. Raises
    DataInvalid for unreadable data or weights, TrainingFailed for a run that is not there, is there already, diverges,
    or had no time for an epoch.
    """
    deadline = None if max_minutes is None else time.monotonic() + 60 * max_minutes
    state = _start(recipe, folder=folder, resume=resume)
    splits = [load_split(recipe, data=data, split=name, cache=folder.parent / "arrays") for name in ("train", "val")]
    state.train_images = len(splits[0].images.records)
    if not resume:
        write_state(folder, state)
    run = Run(recipe, folder, splits[0], splits[1], deadline, report)
    keras.utils.set_random_seed(recipe.seed)
    classifier = build_classifier(recipe)
    if state.best_score is None and weights is not None:
        report(f"backbone: {load_weights(classifier, weights)} layers from {weights.name}")
    while state.phase < len(recipe.phases):
        if not _run_phase(run, classifier, state):
            report("stopped before the recipe's end; --resume goes on")
            break
    if state.best_score is None:
        raise TrainingFailed("time ran out before the first epoch was finished; --resume goes on")
    load_best(folder, state.best, classifier)
    return classifier, state, run.validation


def _start(recipe: Recipe, *, folder: Path, resume: bool) -> RunState:
    """The state to train from. A resumed run may have another version, threshold rule or text, not another training."""
    if not resume:
        if (folder / STATE).exists():
            raise TrainingFailed(f"{folder} holds a run already: use --resume, or another --out")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TrainingFailed(f"the folder {folder} cannot be made") from error
        return RunState(recipe=recipe.model_dump(mode="json"))
    state = read_state(folder)
    if training_part(state.recipe) != training_part(recipe.model_dump(mode="json")):
        raise TrainingFailed("the run to resume was started with another recipe")
    return replace(state, recipe=recipe.model_dump(mode="json"))


def build_classifier(recipe: Recipe) -> RadiographClassifier:
    """The recipe's network with random weights."""
    heads = [
        HeadSpec(
            name=head.name,
            kind=head.kind,
            labels=head.labels,
            batch_normalisation=head.batch_normalisation,
            hidden=head.hidden,
            dropout=head.dropout,
        )
        for head in recipe.heads
    ]
    return RadiographClassifier(backbone=recipe.backbone, size=recipe.preprocessing.size, heads=heads)


def load_split(recipe: Recipe, *, data: Path, split: str, cache: Path) -> Split:
    """One split of the recipe's data set. Raises DataInvalid where it has no readable image."""
    columns = {column for head in recipe.heads for column in head.columns}
    records = of_split(read_csv(data / recipe.data.split, images=data, required=columns), split)
    images = load_images(records, recipe.preprocessing, cache=cache)
    if not images.records:
        raise DataInvalid(f"no image of the split {split!r} can be read")
    targets = {
        head.name: truth(images.records, kind=head.kind, labels=head.labels, columns=head.columns)
        for head in recipe.heads
    }
    return Split(images=images, targets=targets)


def predict(model: keras.Model, inputs: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
    """{head: (n, labels)} uncalibrated probabilities."""
    outputs: dict[str, NDArray[np.float32]] = model.predict(inputs, batch_size=PREDICT_BATCH, verbose=0)
    return outputs


def score(recipe: Recipe, targets: Targets, outputs: dict[str, NDArray[np.float32]]) -> dict[str, float]:
    """What epochs are compared by, `score` (mean AUC of the Findings, else accuracy), and what it is made of."""
    parts: dict[str, float] = {}
    aucs, accuracies = [], []
    for head in recipe.heads:
        known, predicted = targets[head.name], outputs[head.name]
        if head.kind == "softmax":
            rows = known != UNKNOWN
            if rows.any():
                accuracies.append(float((predicted[rows].argmax(axis=1) == known[rows]).mean()))
                parts[f"{head.name}_accuracy"] = round(accuracies[-1], 4)
            continue
        for index, label in enumerate(head.labels):
            rows = known[:, index] != UNKNOWN
            value = auc(known[rows, index], predicted[rows, index].astype(np.float64))
            if value is not None:
                aucs.append(value)
                parts[f"{label}_auc"] = round(value, 4)
    parts["score"] = float(np.mean(aucs or accuracies or [0.0]))
    return parts


def _run_phase(run: Run, classifier: RadiographClassifier, state: RunState) -> bool:
    """Train the state's phase to its end; False where time ran out before."""
    phase = run.recipe.phases[state.phase]
    heads_only = phase.trainable == "heads"
    if state.best_score is not None and (state.checkpoint is None or heads_only):
        load_best(run.folder, state.best, classifier)
    _seed_dropout(classifier, phase=state.phase)
    inputs: Inputs
    validation: NDArray[Any]
    _set_trainable(classifier, heads_only=heads_only)
    if heads_only:
        # Minutes at most, and its features are not kept: it starts over rather than in the middle.
        state.epoch, state.checkpoint = 0, None
        inputs, validation = _features(run, phase, classifier)
        model = classifier.head_model()
    else:
        pixels, pad = run.train.images.pixels, run.recipe.preprocessing.pad
        inputs = ImageInputs(pixels, augmentation=phase.augmentation, pad=pad)
        validation, model = run.validation.images.pixels, classifier
    seed = run.recipe.seed * 1000 + state.phase
    batches = Batches(
        inputs,
        run.train.targets,
        heads=run.recipe.heads,
        batch_size=phase.batch_size,
        seed=seed,
        epoch=state.epoch,
    )
    _compile(model, run.recipe, phase, steps=len(batches))
    if state.checkpoint is not None:
        load_checkpoint(run.folder, state.checkpoint, model)
    callback = _EpochEnd(run, phase, classifier, state, validation=validation)
    # `Batches` draws the order itself, from the seed and the epoch: Keras' own shuffling would not survive a resume.
    model.fit(batches, initial_epoch=state.epoch, epochs=phase.epochs, callbacks=[callback], shuffle=False, verbose=0)
    if state.epoch < phase.epochs:
        return False
    state.phase, state.epoch, state.checkpoint = state.phase + 1, 0, None
    write_state(run.folder, state)
    return True


class _EpochEnd(keras.callbacks.Callback):  # type: ignore[misc] # Keras ships no types
    """Scores each epoch on the validation split, keeps the best weights and a checkpoint, and stops in time."""

    def __init__(
        self, run: Run, phase: Phase, classifier: RadiographClassifier, state: RunState, *, validation: NDArray[Any]
    ) -> None:
        super().__init__()
        self._run, self._phase, self._classifier, self._state = run, phase, classifier, state
        self._validation = validation
        self._began = time.monotonic()
        self._cut = False

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        if self._phase.trainable == "all" and self._run.out_of_time():
            self._cut, self.model.stop_training = True, True

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self._cut:  # half an epoch is not one: it is run again on resume
            return
        run, state = self._run, self._state
        if not all(np.isfinite(value) for value in (logs or {}).values()):
            raise TrainingFailed(f"{self._phase.name} {epoch + 1}: the loss is not finite; lower the learning rate")
        parts = score(run.recipe, run.validation.targets, predict(self.model, self._validation))
        seconds = time.monotonic() - self._began
        self._began = time.monotonic()
        if state.best_score is None or parts["score"] > state.best_score:
            state.best_score, state.best_phase, state.best_epoch = parts["score"], self._phase.name, epoch + 1
            # Not over the file that the state on disk names: a kill before the next state would leave the two at odds.
            state.best = f"best-{state.phase}-{epoch + 1}.npz"
            save_best(run.folder, state.best, self._classifier)
        entry = {"phase": self._phase.name, "epoch": epoch + 1, "seconds": round(seconds, 1), **parts}
        state.history.append({**entry, **{k: round(float(v), 5) for k, v in (logs or {}).items()}})
        state.epoch, state.seconds = epoch + 1, state.seconds + seconds
        if self._phase.trainable == "all":
            name = f"checkpoint-{state.phase}-{state.epoch}.npz"
            save_checkpoint(run.folder, name, self.model)
            state.checkpoint = name
            write_state(run.folder, state)
        shown = " ".join(f"{name} {value:.4f}" for name, value in parts.items() if name != "score")
        run.report(f"{self._phase.name} {epoch + 1}/{self._phase.epochs}: val {shown} ({seconds:.0f} s)")


def _seed_dropout(classifier: RadiographClassifier, *, phase: int) -> None:
    """Dropout draws the same in a phase whether or not phases ran before it in this process."""
    for layer in classifier.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.seed_generator.state.assign([RANDOM_SEED + phase, 0])


def _set_trainable(classifier: RadiographClassifier, *, heads_only: bool) -> None:
    """BatchNormalization of the backbone stays frozen always: batches are small, and its statistics are ImageNet's."""
    heads = classifier.head_names()
    for layer in classifier.layers:
        frozen = heads_only or isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = layer.name in heads or not frozen


def _features(run: Run, phase: Phase, classifier: RadiographClassifier) -> tuple[FeatureInputs, NDArray[np.float32]]:
    """Pooled features of the training images, plain and augmented, (1 + copies, n, channels), and of validation's."""
    extractor = classifier.feature_extractor()
    pixels, pad = run.train.images.pixels, run.recipe.preprocessing.pad
    images = ImageInputs(pixels, augmentation=phase.augmentation, pad=pad)
    copies = [predict_features(extractor, pixels)]
    rows = np.arange(len(pixels))
    for copy in range(phase.copies):
        run.report(f"{phase.name}: features of copy {copy + 1}/{phase.copies}")
        copies.append(predict_features(extractor, images.take(rows, epoch=copy, seed=run.recipe.seed)))
    return FeatureInputs(np.stack(copies)), predict_features(extractor, run.validation.images.pixels)


def predict_features(extractor: keras.Model, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(n, size, size, 1) uint8 → (n, channels)."""
    features: NDArray[np.float32] = extractor.predict(pixels, batch_size=PREDICT_BATCH, verbose=0)
    return features


def _compile(model: keras.Model, recipe: Recipe, phase: Phase, *, steps: int) -> None:
    total = steps * phase.epochs
    warmup = int(total * phase.warmup)
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=phase.learning_rate / 100 if warmup else phase.learning_rate,
        decay_steps=max(1, total - warmup),
        alpha=0.01,
        warmup_target=phase.learning_rate if warmup else None,
        warmup_steps=warmup,
    )
    losses = {
        head.name: keras.losses.BinaryCrossentropy()
        if head.kind == "sigmoid"
        else keras.losses.SparseCategoricalCrossentropy()
        for head in recipe.heads
    }
    model.compile(
        optimizer=keras.optimizers.AdamW(learning_rate=schedule, weight_decay=phase.weight_decay),
        loss=losses,
        loss_weights={head.name: head.loss_weight for head in recipe.heads},
    )
