"""The end of an epoch: score it on the validation split, keep what is best, write the state, decide what comes next."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from core.errors import TrainingFailed
from networks.classifier import RadiographClassifier
from trainer.datasets import UNKNOWN
from trainer.evaluation.ranking import auc
from trainer.input_pipeline.arrays import Images
from trainer.recipes.phases import Phase
from trainer.recipes.recipe import Recipe
from trainer.training.batches import Batches
from trainer.training.checkpoint import RunState, save_best, save_checkpoint, write_state
from trainer.training.events import EventFile
from trainer.training.objective import Targets
from trainer.training.progress import Display, Step
from trainer.training.schedule import averaged_weights, is_over, learning_rate

PREDICT_BATCH = 32


@dataclass(frozen=True, slots=True)
class Split:
    """A split's images, by head their truth, and the boxes (k, 4) drawn in each, in pixels of the input."""

    images: Images
    targets: Targets
    boxes: list[NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Run:
    """One run's fixed parts. After `deadline`, a time.monotonic(), no further batch starts."""

    recipe: Recipe
    folder: Path
    train: Split
    validation: Split
    deadline: float | None
    display: Display
    events: EventFile

    def computes_once(self, phase: Phase) -> bool:
        """Whether the phase trains on pooled features that stand still, and so starts over rather than is resumed."""
        return phase.heads_only and self.recipe.neck is None

    def out_of_time(self) -> bool:
        """Whether the deadline has passed."""
        return self.deadline is not None and time.monotonic() >= self.deadline


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


def scores_of(state: RunState, phase: Phase) -> list[float]:
    """The scores of the phase's finished epochs, in order."""
    return [entry["score"] for entry in state.history if entry["phase"] == phase.name]


class EpochEnd(keras.callbacks.Callback):  # type: ignore[misc] # Keras ships no types
    """Scores each epoch, keeps the best weights and a checkpoint, sets the next epoch's rate, and stops in time."""

    def __init__(
        self,
        run: Run,
        phase: Phase,
        classifier: RadiographClassifier,
        state: RunState,
        *,
        batches: Batches,
        validation: NDArray[Any],
    ) -> None:
        super().__init__()
        self._run, self._phase, self._classifier, self._state = run, phase, classifier, state
        self._batches, self._validation = batches, validation
        self._began = time.monotonic()
        self._cut = False

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        self._began = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if not self._run.computes_once(self._phase) and self._run.out_of_time():
            self._cut, self.model.stop_training = True, True
        scores = scores_of(self._state, self._phase)
        self._run.display.step(
            Step(
                phase=self._phase.name,
                epoch=len(scores) + 1,
                epochs=self._phase.epochs,
                done=batch + 1,
                steps=len(self._batches),
                loss=float((logs or {}).get("loss", np.nan)),
                images_per_second=self._rate(batch + 1),
                input_per_second=self._batches.images_per_second,
                score=scores[-1] if scores else None,
            )
        )

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self._cut:  # half an epoch is not one: it is run again on resume
            return
        run, state, phase = self._run, self._state, self._phase
        if not all(np.isfinite(value) for value in (logs or {}).values()):
            raise TrainingFailed(f"{phase.name} {epoch + 1}: the loss is not finite; lower the learning rate")
        rate = self._rate(len(self._batches))
        used = {"learning_rate": float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))}
        with averaged_weights(self.model):
            parts = score(run.recipe, run.validation.targets, predict(self.model, self._validation))
            seconds = time.monotonic() - self._began
            self._keep_best(epoch, parts["score"])
        entry = {"phase": phase.name, "epoch": epoch + 1, "seconds": round(seconds, 1), **parts, **used}
        state.history.append({**entry, **{k: round(float(v), 5) for k, v in (logs or {}).items()}})
        state.epoch, state.seconds = epoch + 1, state.seconds + seconds
        self._prepare_next()
        if not run.computes_once(phase):
            name = f"checkpoint-{state.phase}-{state.epoch}.npz"
            save_checkpoint(run.folder, name, self.model)
            state.checkpoint = name
            write_state(run.folder, state)
        self._write_events(logs or {}, parts, used)
        shown = " ".join(f"{name} {value:.4f}" for name, value in parts.items() if name != "score")
        run.display.line(
            f"{phase.name} {epoch + 1}/{phase.epochs}: val {shown} ({seconds:.0f} s, {rate:.0f} images/s, "
            f"input {self._batches.images_per_second:.0f} images/s)"
        )

    def _keep_best(self, epoch: int, value: float) -> None:
        """The weights of the best epoch of the phase, and of the run."""
        state = self._state
        if value <= max(scores_of(state, self._phase), default=float("-inf")):
            return
        # Not over the file that the state on disk names: a kill before the next state would leave the two at odds.
        name = f"best-{state.phase}-{epoch + 1}.npz"
        save_best(self._run.folder, name, self._classifier)
        state.bests[str(state.phase)] = name
        if state.best_score is None or value > state.best_score:
            state.best_score, state.best_phase, state.best_epoch = value, self._phase.name, epoch + 1
            state.best = name

    def _prepare_next(self) -> None:
        """The next epoch's learning rate, or the phase's end, by the scores so far."""
        scores = scores_of(self._state, self._phase)
        if self._phase.schedule == "constant":
            self.model.optimizer.learning_rate = learning_rate(self._phase, scores)
        if is_over(self._phase, scores):
            self._run.display.line(f"{self._phase.name} ends early: no better score")
            self.model.stop_training = True

    def _write_events(self, logs: dict[str, Any], parts: dict[str, float], used: dict[str, float]) -> None:
        scalars = {f"train/{name}": float(value) for name, value in logs.items()}
        scalars |= {f"val/{name}": value for name, value in parts.items()}
        self._run.events.write(len(self._state.history), scalars | {f"train/{k}": v for k, v in used.items()})

    def _rate(self, batches: int) -> float:
        """Images a second of this epoch so far."""
        images = min(batches * self._phase.batch_size, len(self._run.train.images.records))
        return images / max(time.monotonic() - self._began, 1e-9)
