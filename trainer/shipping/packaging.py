"""From trained weights to a Bundle: calibrate, choose thresholds, export, measure, write the card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from core.vocabulary import EngineName
from networks.bundle import MODEL_CARD, Bundle, write_manifest
from networks.classifier import RadiographClassifier
from networks.engines import Engine, make_engine
from networks.export import write_bundle
from trainer import trust
from trainer.audit import audit_split
from trainer.datasets import UNKNOWN, Record, of_split
from trainer.evaluation import judged
from trainer.evaluation import predict as predict_all
from trainer.input_pipeline.sources import folders_of, read_records
from trainer.recipes.recipe import Recipe
from trainer.shipping.drift import fit_drift
from trainer.shipping.model_card import model_card
from trainer.training.calibration import calibrated, fit_temperature, logits_of, threshold_for
from trainer.training.checkpoint import RunState
from trainer.training.refit import centre_findings, refit_heads
from trainer.training.train import Split, load_split, predict

SHOWN_SPLITS = ("val", "test")


def ship(
    recipe: Recipe, classifier: RadiographClassifier, state: RunState, validation: Split, *, data: Path, folder: Path
) -> Bundle:
    """Write the Bundle of these weights into `folder` (emptied first), with figures on `val` and, if any, `test`."""
    cache = folder.parent.parent / "arrays"
    training = load_split(recipe, data=data, split="train", cache=cache) if recipe.refit else validation
    refitted = refit_heads(classifier, recipe.refit, training=training, validation=validation)
    shifts = centre_findings(classifier, validation=validation)
    fields = manifest_fields(recipe, classifier, state, validation)
    fields["training"] |= {"refit": refitted, "logit_shifts": shifts}
    # The figures are those of the exported graph on the serving engine, so it is written before they are known.
    bundle = write_bundle(folder, classifier, fields=fields, model_card="")
    return measured(recipe, bundle, fields, data=data)


def measured(recipe: Recipe, bundle: Bundle, fields: dict[str, Any], *, data: Path) -> Bundle:
    """The Bundle with its figures on the exported graph, and its model card; `fields` are the manifest's so far."""
    folder = bundle.path
    records, _ = read_records(recipe, data)
    fields["training"]["audit"] = audit_split(records, cache=folder.parent.parent / "fingerprints").to_json()
    present = [split for split in SHOWN_SPLITS if any(record.split == split for record in records)]
    engine = make_engine(EngineName.ONNXRUNTIME, bundle, threads=2)
    found = {split: predict_all(bundle, engine, of_split(records, split)) for split in present}
    fields = {**_written(bundle), **fields, "routing": bundle.manifest.routing}
    if "val" in found:
        fields |= trust.fit(recipe.trust, bundle, engine, records, found["val"])
        bundle = write_manifest(folder, fields)
        fields |= {"drift": fit_drift(bundle, engine, of_split(records, "val"))}
    metrics = {split: _figures(judged(bundle, predictions)) for split, predictions in found.items()}
    fields["training"]["images"] |= {split: report["n"] for split, report in metrics.items()}
    metrics |= _trust_figures(recipe, bundle, engine, {s: of_split(records, s) for s in present}, data=data)
    (folder / MODEL_CARD).write_text(model_card(recipe, fields=fields, metrics=metrics), encoding="utf-8")
    return write_manifest(folder, {**fields, "metrics": metrics})


def _trust_figures(
    recipe: Recipe, bundle: Bundle, engine: Engine, records: Mapping[str, Sequence[Record]], *, data: Path
) -> dict[str, dict[str, Any]]:
    """{"localisation", "sanity", "stability", "variations", "hardware": {split: figures}}, without what there are no
    figures of.
    """
    folders = zip(recipe.data.sources, folders_of(recipe.data, data), strict=True)
    boxes = [folder / source.boxes for source, folder in folders if source.boxes is not None]
    strangers = trust.strangers_of(recipe.trust, data)
    of_splits = {
        split: trust.measure(bundle, engine, chosen, boxes=boxes, strangers=strangers)
        for split, chosen in records.items()
    }
    kinds = {kind for figures in of_splits.values() for kind in figures}
    every = {kind: {split: part[kind] for split, part in of_splits.items() if part[kind]} for kind in sorted(kinds)}
    return {kind: figures for kind, figures in every.items() if figures}


def _written(bundle: Bundle) -> dict[str, Any]:
    """What the export added to the manifest."""
    return {"explanation": bundle.manifest.explanation.model_dump(), "disclaimer": bundle.manifest.disclaimer}


def manifest_fields(
    recipe: Recipe, classifier: RadiographClassifier, state: RunState, validation: Split
) -> dict[str, Any]:
    """The manifest but for its files, explanation and figures; temperature and thresholds fitted on `validation`."""
    heads, thresholds = calibrate(recipe, classifier, validation)
    return {
        "name": recipe.name,
        "version": recipe.version,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "heads": heads,
        "marginals": [marginal.model_dump(mode="json") for marginal in recipe.marginals],
        "thresholds": thresholds,
        "study": recipe.study,
        "preprocessing": recipe.preprocessing.model_dump(),
        "training": provenance(recipe, state, validation),
        "attribution": recipe.data.attribution,
    }


def calibrate(
    recipe: Recipe, classifier: RadiographClassifier, validation: Split
) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    """The manifest's heads with their temperatures, and the Findings' thresholds; both fitted on `validation`."""
    outputs = predict(classifier, validation.images.pixels)
    heads, thresholds = [], {}
    for head in recipe.heads:
        known = validation.targets[head.name]
        logits = logits_of(outputs[head.name].astype(np.float64), kind=head.kind)
        temperature = fit_temperature(logits, known, kind=head.kind)
        heads.append({"name": head.name, "kind": head.kind, "labels": head.labels, "temperature": temperature})
        probability = calibrated(logits, kind=head.kind, temperature=temperature)
        if head.kind == "sigmoid":
            for index, label in enumerate(head.labels):
                thresholds[label] = threshold(recipe, label, probability[:, index], known[:, index])
        for marginal in recipe.marginals:
            if marginal.head == head.name and marginal.role == "finding":
                members = [head.labels.index(member) for member in marginal.members]
                truth = np.where(known == UNKNOWN, UNKNOWN, np.isin(known, members)).astype(np.int64)
                summed = probability[:, members].sum(axis=1)
                thresholds[marginal.label] = threshold(recipe, marginal.label, summed, truth)
    return heads, thresholds


def threshold(recipe: Recipe, label: str, probability: NDArray[np.float64], known: NDArray[np.int64]) -> dict[str, Any]:
    """A Finding's threshold on the validation split: calibrated `probability` (n,), truth `known` (n,)."""
    wanted = recipe.operating[label].sensitivity
    value = threshold_for(probability, known, sensitivity=wanted)
    return {"value": value, "rule": f"the highest with sensitivity ≥ {wanted:g} on the val split"}


def provenance(recipe: Recipe, state: RunState, validation: Split) -> dict[str, Any]:
    """What the manifest says of how the weights came about."""
    return {
        "recipe": recipe.model_dump(mode="json"),
        "columns": {head.name: list(head.columns) for head in recipe.heads},
        "images": {"train": state.train_images, "val": len(validation.images.records)},
        "weights": state.weights,
        "best_phase": state.best_phase,
        "best_epoch": state.best_epoch,
        "best_score": state.best_score,
        "seconds": round(state.seconds),
        "epochs": len(state.history),
        "history": state.history,
        "keras": keras.__version__,
        "backend": state.backend,
    }


def _figures(report: dict[str, Any]) -> dict[str, Any]:
    """A report without the digest of a Bundle that is about to change."""
    return {name: value for name, value in report.items() if name != "bundle"}
