"""A recipe from its data to its Bundle: one network, or a router and its specialists.

Training runs under any Keras backend; the Bundle's graph is written by TensorFlow. Under another backend a run ends
with its weights, from which the same command with `--resume` under TensorFlow writes the Bundle.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras

from networks.bundle import Bundle
from trainer.recipes.recipe import Recipe
from trainer.training.hierarchy import train_hierarchy
from trainer.training.progress import Display
from trainer.training.train import train

BUNDLE = "bundle"


def run_recipe(
    recipe: Recipe,
    *,
    data: Path,
    folder: Path,
    weights: Path | str | None,
    resume: bool,
    max_minutes: float | None,
    display: Display,
) -> Bundle | None:
    """Train in `folder` and write the Bundle to `folder`/bundle; None where this Keras backend cannot write one.

    Arguments and errors are those of `trainer.training.train.train`.
    """
    how: dict[str, Any] = {
        "data": data, "folder": folder, "weights": weights, "resume": resume, "max_minutes": max_minutes,
        "display": display,
    }  # fmt: skip
    if recipe.hierarchy is None:
        classifier, state, validation = train(recipe, **how)
        if _can_export(display):
            from trainer.shipping.packaging import ship  # noqa: PLC0415 - loads TensorFlow

            return ship(recipe, classifier, state, validation, data=data, folder=folder / BUNDLE)
        return None
    trained = train_hierarchy(recipe, recipe.hierarchy, **how)
    if _can_export(display):
        from trainer.shipping.routing import ship_hierarchy  # noqa: PLC0415 - loads TensorFlow

        return ship_hierarchy(recipe, recipe.hierarchy, trained, data=data, folder=folder / BUNDLE)
    return None


def _can_export(display: Display) -> bool:
    backend = keras.backend.backend()
    if backend == "tensorflow":
        display.line("calibrating, exporting, measuring")
        return True
    display.line(
        f"trained with {backend}; the same command with --resume and KERAS_BACKEND=tensorflow writes the Bundle"
    )
    return False
