"""A hierarchy: a router that tells the regions apart, and a specialist for each, trained one after another by the same
code as any recipe. `trainer.shipping.routing` writes them as one Bundle.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import DataInvalid
from networks.classifier import RadiographClassifier
from trainer.datasets import of_split
from trainer.input_pipeline.sources import read_records
from trainer.recipes.recipe import Hierarchy, Recipe
from trainer.training.checkpoint import STATE, RunState
from trainer.training.progress import Display
from trainer.training.train import Split, train

ROUTER = "router"


@dataclass(frozen=True, slots=True)
class Trained:
    """A network of the hierarchy with its recipe, its run, and the validation split that it was chosen on."""

    recipe: Recipe
    classifier: RadiographClassifier
    state: RunState
    validation: Split


def train_hierarchy(
    recipe: Recipe,
    hierarchy: Hierarchy,
    *,
    data: Path,
    folder: Path,
    weights: Path | str | None,
    resume: bool,
    max_minutes: float | None,
    display: Display,
) -> dict[str, Trained]:
    """The router (under `ROUTER`) and the specialists by region, each in its own folder below `folder`.

    Of the time that is left each network gets an equal share. Arguments and errors are those of `train`.
    """
    regions = regions_of(recipe, hierarchy, data)
    recipes = {ROUTER: router_recipe(recipe, hierarchy, regions)}
    recipes |= {name: specialist_recipe(recipe, hierarchy, name) for name in regions}
    deadline = None if max_minutes is None else time.monotonic() + 60 * max_minutes
    trained: dict[str, Trained] = {}
    for name, part in recipes.items():
        display.line(f"{name}: training")
        place = folder / name
        minutes = None
        if deadline is not None:
            minutes = max(0.0, deadline - time.monotonic()) / 60 / (len(recipes) - len(trained))
        classifier, state, validation = train(
            part,
            data=data,
            folder=place,
            weights=weights,
            resume=resume and (name == ROUTER or (place / STATE).exists()),
            max_minutes=minutes,
            display=display,
        )
        trained[name] = Trained(part, classifier, state, validation)
    return trained


def regions_of(recipe: Recipe, hierarchy: Hierarchy, data: Path) -> tuple[str, ...]:
    """The regions that the recipe names, or all that its training split has. Raises DataInvalid for fewer than two."""
    records = of_split(read_records(recipe, data)[0], "train")
    there = {record.columns.get(hierarchy.column, "").strip().lower() for record in records} - {""}
    missing = sorted(set(hierarchy.regions) - there)
    regions = hierarchy.regions or tuple(sorted(there))
    if missing or len(regions) < 2:
        wanted = f"the regions {', '.join(missing)}" if missing else "two regions"
        raise DataInvalid(f"the training split does not have {wanted}; it has {', '.join(sorted(there)) or 'none'}")
    return regions


def router_recipe(recipe: Recipe, hierarchy: Hierarchy, regions: tuple[str, ...]) -> Recipe:
    """The recipe of the network that tells `regions` apart, on the images of these."""
    phases = hierarchy.phases or tuple(
        phase.model_copy(update={"loss": {}, "class_weights": {}}) for phase in recipe.phases
    )
    head = {"name": hierarchy.head, "kind": "softmax", "labels": regions, "columns": (hierarchy.column,)}
    document = recipe.model_dump(mode="json") | {
        "heads": [head | {"dropout": recipe.heads[0].dropout}],
        "phases": [phase.model_dump(mode="json") for phase in phases],
        "operating": {},
        "hierarchy": None,
    }
    return restricted(document, hierarchy.column, regions)


def specialist_recipe(recipe: Recipe, hierarchy: Hierarchy, region: str) -> Recipe:
    """The recipe of the network that judges the images of `region`."""
    return restricted(recipe.model_dump(mode="json") | {"hierarchy": None}, hierarchy.column, (region,))


def restricted(document: dict[str, Any], column: str, regions: tuple[str, ...]) -> Recipe:
    """The recipe in `document` on the images whose `column` is one of `regions`."""
    sources = [source | {"where": source["where"] | {column: regions}} for source in document["data"]["sources"]]
    return Recipe.model_validate(document | {"data": {"sources": sources}})
