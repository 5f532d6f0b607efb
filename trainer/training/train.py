"""Training: the recipe's phases one after another; a checkpoint each epoch, and the best epoch by validation kept."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from core.errors import DataInvalid, TrainingFailed
from networks.classifier import FEATURES, RANDOM_SEED, HeadSpec, NeckSpec, RadiographClassifier
from networks.pretrained import download_weights, load_weights
from trainer.datasets import UNKNOWN, Record, of_split, truth
from trainer.input_pipeline.arrays import load_images, window_of
from trainer.input_pipeline.boxes import Box, boxes_of, on_input
from trainer.input_pipeline.sources import folders_of, read_records, repeated
from trainer.input_pipeline.throughput import measure_pipeline
from trainer.recipes.phases import Phase
from trainer.recipes.recipe import HeadRecipe, Recipe, training_part
from trainer.training.batches import Batches, FeatureInputs, ImageInputs, Inputs, Placements
from trainer.training.checkpoint import STATE, RunState, load_best, load_checkpoint, read_state, write_state
from trainer.training.epochs import PREDICT_BATCH, EpochEnd, Run, Split, predict, score, scores_of
from trainer.training.events import EventFile
from trainer.training.objective import agreement_name, class_weights, evidence_name, loss_weights, losses
from trainer.training.progress import Display
from trainer.training.schedule import is_over, make_optimizer, set_trainable

__all__ = ["PREDICT_BATCH", "Run", "Split", "build_classifier", "load_split", "predict", "score", "train"]

# Words that stand for weights without a file.
IMAGENET, RANDOM = "imagenet", "random"
# What the measurement of the input pipeline before a phase may take, for each way of making a batch.
MEASURED_SECONDS = 0.3


def train(
    recipe: Recipe,
    *,
    data: Path,
    folder: Path,
    weights: Path | str | None,
    resume: bool,
    max_minutes: float | None,
    display: Display,
) -> tuple[RadiographClassifier, RunState, Split]:
    """Train in `folder`; the classifier with the best weights, the run's state, and the validation split.

    `data` is the recipe's data set, or the folder that holds those of several sources. `weights` of the backbone are a
    file, "imagenet" or "random" (also None).

    Stops after `max_minutes` at the next batch; a later call with `resume` goes on at the last finished epoch. Raises
    DataInvalid for unreadable data or weights, TrainingFailed for a run that is not there, is there already, diverges,
    or had no time for an epoch.
    """
    deadline = None if max_minutes is None else time.monotonic() + 60 * max_minutes
    state = _start(recipe, folder=folder, resume=resume)
    records, notes = read_records(recipe, data)
    for note in notes:
        display.line(note)
    cache = folder.parent / "arrays"
    chosen = {"train": repeated(of_split(records, "train"), recipe.data, data), "val": of_split(records, "val")}
    splits = [_load(recipe, part, split=name, data=data, cache=cache) for name, part in chosen.items()]
    _require_truth(recipe, splits[0])
    state.train_images = len(splits[0].images.records)
    if not resume:
        write_state(folder, state)
    run = Run(recipe, folder, splits[0], splits[1], deadline, display, EventFile(folder))
    keras.utils.set_random_seed(recipe.seed)
    classifier = build_classifier(recipe)
    if state.best_score is None:
        state.weights = _initialise(classifier, weights)
        display.line(f"backbone: {state.weights}")
    while state.phase < len(recipe.phases):
        if not _run_phase(run, classifier, state):
            display.line("stopped before the recipe's end; --resume goes on")
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
        return RunState(recipe=recipe.model_dump(mode="json"), backend=keras.backend.backend())
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
            peaks=head.peaks,
        )
        for head in recipe.heads
    ]
    neck = None if recipe.neck is None else NeckSpec(layers=recipe.neck.layers, channels=recipe.neck.channels)
    return RadiographClassifier(backbone=recipe.backbone, size=recipe.preprocessing.size, heads=heads, neck=neck)


def load_split(recipe: Recipe, *, data: Path, split: str, cache: Path) -> Split:
    """One split of the recipe's data. Raises DataInvalid where it has no readable image."""
    records, _ = read_records(recipe, data)
    return _load(recipe, of_split(records, split), split=split, data=data, cache=cache)


def _load(recipe: Recipe, records: Sequence[Record], *, split: str, data: Path, cache: Path) -> Split:
    images = load_images(records, recipe.preprocessing, cache=cache)
    if not images.records:
        raise DataInvalid(f"no image of the split {split!r} can be read")
    targets = {
        head.name: truth(images.records, kind=head.kind, labels=head.labels, columns=head.columns)
        for head in recipe.heads
    }
    return Split(images=images, targets=targets, boxes=_boxes(recipe, images.records, data=data))


def _boxes(recipe: Recipe, records: Sequence[Record], *, data: Path) -> list[NDArray[np.float64]]:
    """What was drawn into each image, in pixels of the input; nothing unless a head's evidence is to be placed."""
    drawn: list[list[Box]] = [[] for _ in records]
    if any(head.placement for head in recipe.heads):
        for source, folder in zip(recipe.data.sources, folders_of(recipe.data, data), strict=True):
            if source.boxes is not None:
                own = [row for row, record in enumerate(records) if record.file.is_relative_to(folder)]
                found = boxes_of([records[row] for row in own], folder / source.boxes)
                drawn = [found.pop(0) if row in set(own) else kept for row, kept in enumerate(drawn)]
    size = recipe.preprocessing.size
    windows = [
        window_of(record, recipe.preprocessing) if boxes else None for record, boxes in zip(records, drawn, strict=True)
    ]
    return [
        np.empty((0, 4)) if window is None else on_input(boxes, window, size=size)
        for boxes, window in zip(drawn, windows, strict=True)
    ]


def _require_truth(recipe: Recipe, split: Split) -> None:
    """Raises DataInvalid for a label that no image says anything of: another data set, or another column."""
    for head in recipe.heads:
        known = split.targets[head.name] != UNKNOWN
        for index, column in enumerate(head.columns):
            if not (known[:, index] if head.kind == "sigmoid" else known).any():
                raise DataInvalid(_nothing_of(head, column, split))


def _nothing_of(head: HeadRecipe, column: str, split: Split) -> str:
    there = sorted({name for record in split.images.records for name in record.columns})
    labels = f" is one of {', '.join(head.labels)}" if head.kind == "softmax" and column in there else ""
    return f"no training image's {column}{labels or ' is known'}; the data's columns are {', '.join(there)}"


def _initialise(classifier: RadiographClassifier, weights: Path | str | None) -> str:
    """Set the backbone's first weights; which they are, in words."""
    if weights is None or weights == RANDOM:
        return "random weights"
    if weights == IMAGENET:
        return f"{download_weights(classifier)} layers with ImageNet weights of keras.applications"
    file = Path(weights)
    return f"{load_weights(classifier, file)} layers from {file.name}"


def _run_phase(run: Run, classifier: RadiographClassifier, state: RunState) -> bool:
    """Train the state's phase to its end; False where time ran out before."""
    phase = run.recipe.phases[state.phase]
    if state.best_score is not None and (state.checkpoint is None or run.computes_once(phase)):
        load_best(run.folder, state.best, classifier)
    _seed_dropout(classifier, phase=state.phase)
    set_trainable(classifier, phase)
    if run.computes_once(phase):
        # Minutes at most, and its features are not kept: it starts over rather than in the middle.
        state.epoch, state.checkpoint = 0, None
    if not _is_over(state, phase):
        inputs, validation, model = _inputs(run, phase, classifier)
        batches = Batches(
            inputs,
            run.train.targets,
            heads=run.recipe.heads,
            weights=class_weights(run.recipe, phase, run.train.targets),
            batch_size=phase.batch_size,
            seeds=_seeds(run.recipe.seed * 1000 + state.phase, phase),
            epoch=state.epoch,
            placements=_placements(run, phase, classifier),
        )
        _compile(model, run.recipe, phase, steps=len(batches), scores=scores_of(state, phase))
        _make_variables(model, batches)
        if state.checkpoint is not None:
            load_checkpoint(run.folder, state.checkpoint, model)
        end = EpochEnd(run, phase, classifier, state, batches=batches, validation=validation)
        # `Batches` draws the order itself, by seed and epoch: Keras' own shuffling would not survive a resume.
        model.fit(batches, initial_epoch=state.epoch, epochs=phase.epochs, callbacks=[end], shuffle=False, verbose=0)
        if not _is_over(state, phase):
            return False
    state.phase, state.epoch, state.checkpoint = state.phase + 1, 0, None
    write_state(run.folder, state)
    return True


def _seeds(seed: int, phase: Phase) -> tuple[int, ...]:
    """Two for pairs, further apart than the phases of a run, whose seeds follow one another."""
    return (seed, seed + 500) if phase.agreement else (seed,)


def _is_over(state: RunState, phase: Phase) -> bool:
    return state.epoch >= phase.epochs or is_over(phase, scores_of(state, phase))


def _inputs(run: Run, phase: Phase, classifier: RadiographClassifier) -> tuple[Inputs, NDArray[Any], keras.Model]:
    """What the phase trains on, what it is validated on, and the model that takes both."""
    if run.computes_once(phase):
        features, validation = _features(run, phase, classifier)
        return features, validation, _training_model(run.recipe, phase, classifier.head_model(), {})
    pixels, pad = run.train.images.pixels, run.recipe.preprocessing.pad
    images = ImageInputs(pixels, augmentation=phase.augmentation, pad=pad)
    speed = measure_pipeline(
        run.train.images, images, run.recipe.preprocessing, batch_size=phase.batch_size, seconds=MEASURED_SECONDS
    )
    run.display.line(f"{phase.name}: input by {speed}")
    placed = {evidence_name(head.name): classifier.evidence(head.name) for head in run.recipe.heads if head.placement}
    return images, run.validation.images.pixels, _training_model(run.recipe, phase, classifier, placed)


def _training_model(recipe: Recipe, phase: Phase, model: keras.Model, placed: dict[str, Any]) -> keras.Model:
    """The same layers with an output for each of the phase's losses."""
    again = {agreement_name(head.name): model.output[head.name] for head in recipe.heads} if phase.agreement else {}
    return keras.Model(model.inputs[0], {**model.output, **placed, **again}) if placed or again else model


def _placements(run: Run, phase: Phase, classifier: RadiographClassifier) -> list[Placements]:
    """Where the evidence of each head that has boxes is to lie."""
    rows, columns = classifier.get_layer(FEATURES).output.shape[1:3]
    return [
        Placements(
            run.train.boxes,
            head=head,
            augmentation=phase.augmentation,
            size=run.recipe.preprocessing.size,
            grid=(rows, columns),
        )
        for head in run.recipe.heads
        if head.placement
    ]


def _seed_dropout(classifier: RadiographClassifier, *, phase: int) -> None:
    """Dropout draws the same in a phase whether or not phases ran before it in this process, and each layer its own."""
    dropouts = [layer for layer in classifier.layers if isinstance(layer, keras.layers.Dropout)]
    for index, layer in enumerate(dropouts):
        layer.seed_generator.state.assign([RANDOM_SEED + phase, index])


def _features(run: Run, phase: Phase, classifier: RadiographClassifier) -> tuple[FeatureInputs, NDArray[np.float32]]:
    """Pooled features of the training images, plain and augmented, (1 + copies, n, channels), and of validation's."""
    extractor = classifier.feature_extractor()
    pixels, pad = run.train.images.pixels, run.recipe.preprocessing.pad
    images = ImageInputs(pixels, augmentation=phase.augmentation, pad=pad)
    copies = [predict_features(extractor, pixels)]
    rows = np.arange(len(pixels))
    for copy in range(phase.copies):
        run.display.line(f"{phase.name}: features of copy {copy + 1}/{phase.copies}")
        copies.append(predict_features(extractor, images.take(rows, epoch=copy, seed=run.recipe.seed)))
    return FeatureInputs(np.stack(copies)), predict_features(extractor, run.validation.images.pixels)


def predict_features(extractor: keras.Model, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(n, size, size, 1) uint8 → (n, channels)."""
    features: NDArray[np.float32] = extractor.predict(pixels, batch_size=PREDICT_BATCH, verbose=0)
    return features


def _make_variables(model: keras.Model, batches: Batches) -> None:
    """Those of the loss and the optimizer, which the first step would make: TensorFlow traces such a step twice over,
    and one trace of a large network takes longer than an epoch of a small data set.
    """
    inputs, targets, weights = keras.tree.map_structure(lambda array: array[:2], batches[0])
    outputs = model(inputs, training=False)
    model.compute_loss(x=inputs, y=targets, y_pred=outputs, sample_weight=weights, training=False)
    model.optimizer.build(model.trainable_variables)


def _compile(model: keras.Model, recipe: Recipe, phase: Phase, *, steps: int, scores: Sequence[float]) -> None:
    model.compile(
        optimizer=make_optimizer(phase, steps=steps, scores=scores),
        loss=losses(recipe, phase),
        loss_weights=loss_weights(recipe, phase),
    )
