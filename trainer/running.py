"""A recipe from its data to its Bundle: one network, or a router and its specialists."""

from __future__ import annotations

from pathlib import Path

from networks.bundle import Bundle
from trainer.hierarchy import ship_hierarchy, train_hierarchy
from trainer.progress import Display
from trainer.recipe import Recipe
from trainer.shipping import ship
from trainer.train import train

BUNDLE = "bundle"
SHIPPING = "calibrating, exporting, measuring"


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
    if recipe.hierarchy is not None:
        trained = train_hierarchy(
            recipe,
            recipe.hierarchy,
            data=data,
            folder=folder,
            weights=weights,
            resume=resume,
            max_minutes=max_minutes,
            display=display,
        )
        display.line(SHIPPING)
        return ship_hierarchy(recipe, recipe.hierarchy, trained, data=data, folder=folder / BUNDLE)
    classifier, state, validation = train(
        recipe, data=data, folder=folder, weights=weights, resume=resume, max_minutes=max_minutes, display=display
    )
    display.line(SHIPPING)
    return ship(recipe, classifier, state, validation, data=data, folder=folder / BUNDLE)
