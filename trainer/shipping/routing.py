"""From the trained networks of a hierarchy to one Bundle: each calibrated on its own region, and the router's limit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from networks.bundle import Bundle
from networks.export import write_hierarchical_bundle
from trainer.datasets import UNKNOWN
from trainer.recipes.recipe import Hierarchy, Recipe
from trainer.shipping.packaging import calibrate, manifest_fields, measured, provenance, threshold
from trainer.training.calibration import calibrated, logits_of
from trainer.training.hierarchy import ROUTER, Trained, restricted
from trainer.training.train import predict

# Of each Finding, the (probability, truth) of each specialist's validation images.
Answers = dict[str, list[tuple[NDArray[np.float64], NDArray[np.int64]]]]


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
    regional = restricted(recipe.model_dump(mode="json"), hierarchy.column, tuple(specialists))
    return measured(regional, bundle, fields, data=data)


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
