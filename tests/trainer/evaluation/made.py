"""Bundles' manifests and predictions made by hand: what is judged here needs no network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from networks.bundle import Bundle
from networks.manifest import Manifest
from trainer.datasets import Record
from trainer.evaluation.predictions import Predictions

FRACTURE = {"name": "fracture", "kind": "sigmoid", "labels": ["fracture"]}
CLASSES = ("hand.normal", "hand.abnormal", "wrist.normal", "wrist.abnormal")
MURA: dict[str, Any] = {
    "heads": [{"name": "class", "kind": "softmax", "labels": CLASSES}],
    "marginals": [
        {"label": "abnormal", "head": "class", "members": [CLASSES[1], CLASSES[3]], "role": "finding"},
        {"label": "hand", "head": "class", "members": CLASSES[:2], "role": "region"},
        {"label": "wrist", "head": "class", "members": CLASSES[2:], "role": "region"},
    ],
    "thresholds": {"abnormal": {"value": 0.5}},
}


def bundle_of(**fields: Any) -> Bundle:
    """A Bundle without files, of the given heads and thresholds; the rest is the least that is valid."""
    labels = tuple(label for head in fields["heads"] for label in head["labels"])
    least = {
        "name": "made",
        "version": "1",
        "created": "2026-01-01",
        "preprocessing": {"size": 32},
        "explanation": {"layer": "x", "grid": [1, 1], "labels": labels[:1], "default": []},
        "disclaimer": "none",
        "files": {},
    }
    return Bundle(Path("nowhere"), Manifest.model_validate({**least, **fields}), "0" * 64)


def fracture_bundle(**fields: Any) -> Bundle:
    return bundle_of(heads=[FRACTURE], thresholds={"fracture": {"value": 0.5}}, **fields)


def record(number: int, *, group: str | None = None, study: str | None = None, **columns: object) -> Record:
    texts = {name: str(value) for name, value in columns.items()}
    return Record(file=Path(f"{number}.png"), name=f"{number}.png", columns=texts, group=group, study=study)


def predictions(bundle: Bundle, records: list[Record], probability: Any) -> Predictions:
    """`probability` (n, L) in the order of the Bundle's labels."""
    values = np.asarray(probability, dtype=np.float64).reshape(len(records), len(bundle.labels))
    return Predictions(records=records, unreadable=[], labels=bundle.labels, probability=values, engine="by hand")


def mura_rows(probability: Any) -> Any:
    """(n, 4) of the classes → (n, 7) with the marginals behind, as an engine gives them."""
    values = np.asarray(probability, dtype=np.float64)
    marginals = [values[:, 1] + values[:, 3], values[:, 0] + values[:, 1], values[:, 2] + values[:, 3]]
    return np.column_stack([values, *marginals])
