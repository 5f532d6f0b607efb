"""A recipe from its data to its Bundle: one network, or a router and its specialists."""

from __future__ import annotations

from pathlib import Path

from networks.bundle import Bundle
from trainer.progress import Display
from trainer.recipe import Recipe
from trainer.shipping import ship
from trainer.train import train

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
) -> Bundle:
    """Train in `folder` and write the Bundle to `folder`/bundle. Arguments and errors are those of `trainer.train`."""
    classifier, state, validation = train(
        recipe, data=data, folder=folder, weights=weights, resume=resume, max_minutes=max_minutes, display=display
    )
    display.line("calibrating, exporting, measuring")
    return ship(recipe, classifier, state, validation, data=data, folder=folder / BUNDLE)
