"""A hierarchy: a router that tells the regions apart, and a specialist for each, trained one after another by the same
code as any recipe, and written as one Bundle.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import DataInvalid
from networks.bundle import Bundle
from networks.classifier import RadiographClassifier
from networks.export import write_hierarchical_bundle
from trainer.calibration import calibrated, logits_of
from trainer.checkpoint import STATE, RunState
from trainer.datasets import UNKNOWN, of_split
from trainer.progress import Display
from trainer.recipe import Hierarchy, Recipe
from trainer.shipping import calibrate, manifest_fields, measured, provenance, threshold
from trainer.sources import read_records
from trainer.train import Split, predict, train

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

    Of the time that is left each network gets an equal share. Arguments and errors are those of `trainer.train.train`.
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
    return _restricted(document, hierarchy.column, regions)


def specialist_recipe(recipe: Recipe, hierarchy: Hierarchy, region: str) -> Recipe:
    """The recipe of the network that judges the images of `region`."""
    return _restricted(recipe.model_dump(mode="json") | {"hierarchy": None}, hierarchy.column, (region,))


def _restricted(document: dict[str, Any], column: str, regions: tuple[str, ...]) -> Recipe:
    sources = [source | {"where": source["where"] | {column: regions}} for source in document["data"]["sources"]]
    return Recipe.model_validate(document | {"data": {"sources": sources}})


def ship_hierarchy(
    recipe: Recipe, hierarchy: Hierarchy, trained: dict[str, Trained], *, data: Path, folder: Path
) -> Bundle:
    """Write the Bundle of the router and its specialists into `folder` (emptied first), with figures as any other."""
    router, specialists = trained[ROUTER], {name: part for name, part in trained.items() if name != ROUTER}
    routed, _ = calibrate(router.recipe, router.classifier, router.validation)
    own, pooled = _specialists(specialists)
    refer_below = _refer_below(router, routed[0]["temperature"], wanted=hierarchy.accuracy)
    first = next(iter(specialists.values()))
    fields = manifest_fields(recipe, first.classifier, first.state, first.validation)
    # A temperature holds for a specialist, not for the head: there is one in each.
    fields["heads"] = [*({**head, "temperature": 1.0} for head in fields["heads"]), *routed]
    fields["thresholds"] = {
        label: threshold(recipe, label, *(np.concatenate(part) for part in zip(*answers, strict=True)))
        for label, answers in pooled.items()
    }
    fields["routing"] = {"head": hierarchy.head, "refer_below": refer_below, "specialists": own}
    fields["training"] = _training(recipe, hierarchy, router, specialists)
    # The figures are those of the exported graphs on the serving engine, so they are written before these are known.
    bundle = write_hierarchical_bundle(
        folder,
        router=router.classifier,
        specialists={name: part.classifier for name, part in specialists.items()},
        fields=fields,
        model_card="",
    )
    regional = _restricted(recipe.model_dump(mode="json"), hierarchy.column, tuple(specialists))
    return measured(regional, bundle, fields, data=data)


Answers = dict[str, list[tuple[NDArray[np.float64], NDArray[np.int64]]]]


def _specialists(specialists: dict[str, Trained]) -> tuple[dict[str, Any], Answers]:
    """The routing's entry of each specialist; and each Finding's (probability, truth) on their validation images."""
    own: dict[str, Any] = {}
    answers: Answers = {}
    for name, part in specialists.items():
        heads, thresholds = calibrate(part.recipe, part.classifier, part.validation)
        own[name] = {"temperatures": {head["name"]: head["temperature"] for head in heads}, "thresholds": thresholds}
        outputs = predict(part.classifier, part.validation.images.pixels)
        for head in heads:
            logits = logits_of(outputs[head["name"]].astype(np.float64), kind="sigmoid")
            probability = calibrated(logits, kind="sigmoid", temperature=head["temperature"])
            known = part.validation.targets[head["name"]]
            for index, label in enumerate(head["labels"]):
                answers.setdefault(label, []).append((probability[:, index], known[:, index]))
    return own, answers


def _refer_below(router: Trained, temperature: float, *, wanted: float) -> float:
    """The router's probability below which is referred, chosen on its validation split."""
    head = router.recipe.heads[0]
    outputs = predict(router.classifier, router.validation.images.pixels)[head.name]
    logits = logits_of(outputs.astype(np.float64), kind="softmax")
    probability = calibrated(logits, kind="softmax", temperature=temperature)
    known = router.validation.targets[head.name]
    rows = known != UNKNOWN
    return refer_below(probability[rows].max(axis=1), probability[rows].argmax(axis=1) == known[rows], wanted=wanted)


def refer_below(confidence: NDArray[np.float64], right: NDArray[np.bool_], *, wanted: float) -> float:
    """The lowest limit in [0, 1] such that of what reaches it at least the share `wanted` is right; 0 where all of it
    is good enough, 1 where none is.
    """
    order = np.argsort(-confidence, kind="stable")
    ranked = confidence[order]
    share = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    # Equal confidences are reached together: a limit can only stand below the last of them.
    ends = np.append(ranked[1:] < ranked[:-1], True) if len(ranked) else np.zeros(0, dtype=np.bool_)
    good = np.flatnonzero(ends & (share >= wanted))
    if not len(good):
        return 1.0 if len(ranked) else 0.0
    last = int(good[-1])
    # Half way to the next confidence, so that engines which differ in the last digit agree.
    return 0.0 if last == len(ranked) - 1 else round(float(ranked[last] + ranked[last + 1]) / 2, 6)


def _training(recipe: Recipe, hierarchy: Hierarchy, router: Trained, specialists: dict[str, Trained]) -> dict[str, Any]:
    """The provenance of the whole, and of each network."""
    parts = {name: provenance(part.recipe, part.state, part.validation) for name, part in specialists.items()}
    own = provenance(router.recipe, router.state, router.validation)
    columns = {head.name: list(head.columns) for head in recipe.heads}
    return own | {
        "recipe": recipe.model_dump(mode="json"),
        "columns": columns | {hierarchy.head: [hierarchy.column]},
        "seconds": own["seconds"] + sum(part["seconds"] for part in parts.values()),
        "epochs": own["epochs"] + sum(part["epochs"] for part in parts.values()),
        "specialists": {
            name: {key: value for key, value in part.items() if key not in {"recipe", "columns"}}
            for name, part in parts.items()
        },
    }
