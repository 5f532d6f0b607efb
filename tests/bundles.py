"""A tiny Bundle with random weights: everything a worker needs, in a second of CPU and 100 kB."""

from __future__ import annotations

from pathlib import Path

from networks.bundle import Bundle

REGIONS = ("hand", "leg", "hip", "shoulder", "mixed")


def tiny_bundle(folder: Path, *, size: int = 64, seed: int = 7, name: str = "tiny", threshold: float = 0.5) -> Bundle:
    """Write a random Bundle into `folder` (emptied first). The same weights for the same seed; loads TensorFlow."""
    import keras

    from networks.classifier import HeadSpec, RadiographClassifier
    from networks.export import write_bundle

    keras.utils.set_random_seed(seed)
    heads = (HeadSpec("fracture", "sigmoid", ("fracture",)), HeadSpec("region", "softmax", REGIONS))
    classifier = RadiographClassifier(backbone="tiny", size=size, heads=heads)
    fields = {
        "name": name,
        "version": f"0.0.{seed}",
        "created": "2026-01-01T00:00:00Z",
        "heads": [
            {"name": "fracture", "kind": "sigmoid", "labels": ("fracture",), "temperature": 1.5},
            {"name": "region", "kind": "softmax", "labels": REGIONS},
        ],
        "thresholds": {"fracture": {"value": threshold, "rule": "none: random weights"}},
        "preprocessing": {"size": size, "source_longest_side": 512},
        "training": {"seed": seed, "note": "random weights; for tests only"},
    }
    return write_bundle(folder, classifier, fields=fields, model_card="# Tiny\n\nRandom weights; for tests only.\n")


def make_bundle(folder: Path) -> Path:
    """A tiny random Bundle's folder."""
    return tiny_bundle(folder).path
