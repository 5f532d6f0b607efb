"""Tiny Bundles with random weights, one a kind of task: everything a worker needs, in a second of CPU and 100 kB."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from networks.bundle import Bundle
from tests.data import generated_radiograph

REGIONS = ("hand", "leg", "hip", "shoulder", "mixed")
MURA_REGIONS = ("elbow", "finger", "forearm", "hand", "humerus", "shoulder", "wrist")
NIH_FINDINGS = (
    "atelectasis", "cardiomegaly", "effusion", "infiltration", "mass", "nodule", "pneumonia", "pneumothorax",
    "consolidation", "edema", "emphysema", "fibrosis", "pleural_thickening", "hernia",
)  # fmt: skip
CARD = "# Tiny\n\nRandom weights; for tests only.\n"
RULE = "none: random weights"


def tiny_bundle(folder: Path, *, size: int = 64, seed: int = 7, name: str = "tiny", threshold: float = 0.5) -> Bundle:
    """Write a random Bundle of a finding and a region into `folder` (emptied first). The same weights for the same
    seed; loads TensorFlow.
    """
    from networks.export import write_bundle

    heads = [sigmoid("fracture", temperature=1.5), {"name": "region", "kind": "softmax", "labels": REGIONS}]
    fields = fields_of(name, heads, size=size, seed=seed) | {
        "thresholds": {"fracture": {"value": threshold, "rule": RULE}}
    }
    return write_bundle(folder, classifier_of(heads, size=size, seed=seed), fields=fields, model_card=CARD)


def binary_bundle(folder: Path, *, size: int = 64, seed: int = 8) -> Bundle:
    """One finding, `abnormal`, and no region; with a three-way decision that refers nearly everything."""
    from networks.export import write_bundle

    heads = [sigmoid("abnormal")]
    fields = fields_of("tiny-binary", heads, size=size, seed=seed) | {
        "thresholds": {"abnormal": {"value": 0.5, "rule": RULE}},
        "conformal": {"abnormal": {"coverage": 0.9, "lower": 0.001, "upper": 0.999, "rule": RULE}},
    }
    return write_bundle(folder, classifier_of(heads, size=size, seed=seed), fields=fields, model_card=CARD)


def class_bundle(folder: Path, *, size: int = 64, seed: int = 9) -> Bundle:
    """Seven regions × normal/abnormal as one softmax behind hidden layers, with both marginals."""
    from networks.export import write_bundle

    classes = [f"{region}.{state}" for region in MURA_REGIONS for state in ("normal", "abnormal")]
    heads = [{"name": "class", "kind": "softmax", "labels": classes, "temperature": 1.3}]
    marginals = [
        {"label": "abnormal", "head": "class", "members": classes[1::2], "role": "finding"},
        *(
            {"label": region, "head": "class", "members": classes[2 * index : 2 * index + 2], "role": "region"}
            for index, region in enumerate(MURA_REGIONS)
        ),
    ]
    fields = fields_of("tiny-classes", heads, size=size, seed=seed) | {
        "marginals": marginals,
        "thresholds": {"abnormal": {"value": 0.5, "rule": RULE}},
        "conformal": {"abnormal": {"coverage": 0.9, "lower": 0.0, "upper": 0.0, "rule": RULE}},
    }
    deep = {"batch_normalisation": True, "hidden": (24,), "dropout": 0.4}
    classifier = classifier_of(heads, size=size, seed=seed, **deep)
    return write_bundle(folder, classifier, fields=fields, model_card=CARD)


def multilabel_bundle(folder: Path, *, size: int = 64, seed: int = 10) -> Bundle:
    """Fourteen findings of one head, and no region."""
    from networks.export import write_bundle

    heads = [{"name": "findings", "kind": "sigmoid", "labels": NIH_FINDINGS}]
    fields = fields_of("tiny-multilabel", heads, size=size, seed=seed) | {
        "thresholds": {label: {"value": 0.5, "rule": RULE} for label in NIH_FINDINGS}
    }
    return write_bundle(folder, classifier_of(heads, size=size, seed=seed), fields=fields, model_card=CARD)


def hierarchical_bundle(folder: Path, *, size: int = 64, seed: int = 11, refer_below: float = 0.0) -> Bundle:
    """A router over three regions, and a specialist with its own calibration for each."""
    from networks.export import write_hierarchical_bundle

    regions = ("elbow", "hand", "shoulder")
    judged, routed = sigmoid("fracture"), {"name": "region", "kind": "softmax", "labels": regions, "temperature": 0.8}
    own = {
        region: {
            "temperatures": {"fracture": 1.0 + index},
            "thresholds": {"fracture": {"value": 0.3 + index / 10, "rule": RULE}},
            "conformal": {"fracture": {"coverage": 0.9, "lower": 0.1 + index / 10, "upper": 0.2 + index / 10}},
        }
        for index, region in enumerate(regions)
    }
    fields = fields_of("tiny-hierarchy", [judged, routed], size=size, seed=seed) | {
        "thresholds": {"fracture": {"value": 0.5, "rule": RULE}},
        "routing": {"head": "region", "refer_below": refer_below, "specialists": own},
    }
    return write_hierarchical_bundle(
        folder,
        router=classifier_of([routed], size=size, seed=seed),
        specialists={
            region: classifier_of([judged], size=size, seed=seed + index + 1) for index, region in enumerate(regions)
        },
        fields=fields,
        model_card=CARD,
    )


# One writer a kind of task.
KINDS: dict[str, Callable[[Path], Bundle]] = {
    "regional": tiny_bundle,
    "binary": binary_bundle,
    "classes": class_bundle,
    "multilabel": multilabel_bundle,
    "hierarchical": hierarchical_bundle,
}


def sigmoid(label: str, *, temperature: float = 1.0) -> dict[str, Any]:
    """A manifest's head of one finding, called as its label."""
    return {"name": label, "kind": "sigmoid", "labels": (label,), "temperature": temperature}


def classifier_of(heads: list[dict[str, Any]], *, size: int, seed: int, **options: Any) -> Any:
    """A random classifier with a manifest's heads; `options` go into each HeadSpec."""
    import keras

    from networks.classifier import HeadSpec, RadiographClassifier

    keras.utils.set_random_seed(seed)
    specs = [HeadSpec(head["name"], head["kind"], tuple(head["labels"]), **options) for head in heads]
    classifier = RadiographClassifier(backbone="tiny", size=size, heads=specs)
    for spec in specs:  # far apart, so that different images get different answers
        logits = classifier.head_chain(spec.name)[-2]
        found = keras.Model(classifier.inputs[0], logits.output).predict(unlike_images(size), verbose=0)
        factor = 3 / found.std(axis=0)
        kernel, bias = logits.get_weights()
        logits.set_weights([kernel * factor, (bias - found.mean(axis=0)) * factor])
    return classifier


def unlike_images(size: int) -> NDArray[np.uint8]:
    """(9, size, size, 1) uint8: radiographs, the same inverted, and noise."""
    bones = np.stack([generated_radiograph(size, size, seed=seed) for seed in range(3)])
    noise = np.random.default_rng(0).integers(0, 256, bones.shape, dtype=np.uint8)
    return np.concatenate([bones, 255 - bones, noise])[..., None]


def fields_of(name: str, heads: list[dict[str, Any]], *, size: int, seed: int) -> dict[str, Any]:
    """What every tiny manifest says."""
    return {
        "name": name,
        "version": f"0.0.{seed}",
        "created": "2026-01-01T00:00:00Z",
        "heads": heads,
        "preprocessing": {"size": size, "source_longest_side": 512},
        "training": {"seed": seed, "note": "random weights; for tests only"},
    }


def make_bundle(folder: Path) -> Path:
    """A tiny random Bundle's folder."""
    return tiny_bundle(folder).path
