"""The state of a training run on disk: enough to go on at the last finished epoch as if it had never stopped."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import keras
import numpy as np

from core.errors import TrainingFailed

STATE = "state.json"


@dataclass(slots=True)
class RunState:
    """`phase` and `epoch` are the next to run. `best_score` is of the weights in the file `best` (higher is better).

    `bests` names, by the number of the phase, the file with the weights of its best epoch. `weights` says which ones
    the backbone began with.
    """

    recipe: dict[str, Any]
    phase: int = 0
    epoch: int = 0
    best_score: float | None = None
    best_phase: str | None = None
    best_epoch: int | None = None
    best: str = "best.npz"
    bests: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    train_images: int = 0
    backend: str = "tensorflow"
    checkpoint: str | None = None
    weights: str | None = None
    history: list[dict[str, Any]] = field(default_factory=list)


def read_state(folder: Path) -> RunState:
    """Raises TrainingFailed where there is no run to go on with."""
    try:
        return RunState(**json.loads((folder / STATE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise TrainingFailed(f"there is no training run in {folder} to resume") from error


def write_state(folder: Path, state: RunState) -> None:
    """Written beside and moved into place: a kill leaves the old state or the new one. What it no longer names goes."""
    _replace(folder / STATE, json.dumps(asdict(state), indent=1).encode())
    for file in [*folder.glob("checkpoint-*.npz"), *folder.glob("best*.npz")]:
        if file.name not in {state.checkpoint, state.best, *state.bests.values()}:
            file.unlink()


def save_checkpoint(folder: Path, name: str, model: keras.Model) -> None:
    """The model's variables (dropout's seeds too) and the optimizer's, as arrays: the same for every Keras backend."""
    arrays = {f"m{i:04d}": keras.ops.convert_to_numpy(v) for i, v in enumerate(_model_variables(model))}
    arrays |= {f"o{i:04d}": keras.ops.convert_to_numpy(v) for i, v in enumerate(model.optimizer.variables)}
    _save_arrays(folder / name, arrays)


def load_checkpoint(folder: Path, name: str, model: keras.Model) -> None:
    """Into a compiled model of the same recipe and phase. Raises TrainingFailed where it does not fit."""
    model.optimizer.build(model.trainable_variables)
    try:
        with np.load(folder / name) as arrays:
            for prefix, variables in (("m", _model_variables(model)), ("o", model.optimizer.variables)):
                for index, variable in enumerate(variables):
                    variable.assign(arrays[f"{prefix}{index:04d}"])
    except (OSError, KeyError, ValueError, BadZipFile) as error:
        raise TrainingFailed(f"the checkpoint {name} is damaged or does not fit the recipe") from error


def save_best(folder: Path, name: str, model: keras.Model) -> None:
    """The weights of the best epoch so far."""
    _save_arrays(folder / name, {f"w{i:04d}": value for i, value in enumerate(model.get_weights())})


def load_best(folder: Path, name: str, model: keras.Model) -> None:
    """Raises TrainingFailed where there are none, or of another network."""
    try:
        with np.load(folder / name) as arrays:
            model.set_weights([arrays[name] for name in sorted(arrays.files)])
    except (OSError, ValueError, BadZipFile) as error:
        raise TrainingFailed(f"{folder} holds no trained weights of this recipe") from error


def _model_variables(model: keras.Model) -> list[Any]:
    """Without the metrics': those start anew each epoch."""
    metrics = {id(variable) for variable in model.metrics_variables}
    return [variable for variable in model.variables if id(variable) not in metrics]


def _save_arrays(file: Path, arrays: dict[str, Any]) -> None:
    partial = file.with_name(f"{file.name}.{os.getpid()}.partial")
    with partial.open("wb") as stream:
        np.savez(stream, **arrays)
    partial.replace(file)


def _replace(file: Path, content: bytes) -> None:
    partial = file.with_name(f"{file.name}.{os.getpid()}.partial")
    partial.write_bytes(content)
    partial.replace(file)
