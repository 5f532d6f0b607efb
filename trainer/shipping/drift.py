"""The drift reference: how a split looks to the Bundle itself, by which live images are judged later (`core.drift`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import DataInvalid
from core.vocabulary import EngineName
from networks.bundle import MODEL_CARD, Bundle, write_manifest
from networks.engines import Engine, make_engine
from networks.input_statistics import DIGITS, input_statistics
from networks.manifest import Drift, Histogram
from networks.sanity import SanityModel
from trainer.datasets import Record, of_split
from trainer.input_pipeline.sources import read_records
from trainer.recipes.recipe import Recipe
from trainer.trust.observation import Observation, observe, spread

SPLIT = "val"
# As many bins as a split of some hundred images fills; more images than this tell no more.
BINS, LOOKED_AT = 10, 1000
FEWEST = 50
# Published data sets are mostly reduced copies: their size says nothing of a detector's.
UNLIKE = frozenset({"longest_side"})


def fit_drift(bundle: Bundle, engine: Engine, records: Sequence[Record]) -> Drift | None:
    """The reference of these records of the validation split; None of fewer than fifty that can be read."""
    seen = observe(bundle, engine, spread(records, LOOKED_AT)) if len(records) >= FEWEST else None
    if seen is None or len(seen) < FEWEST:
        return None
    numbers = {
        f"score.{label}": seen.probabilities[:, bundle.labels.index(label)].astype(np.float64)
        for label in bundle.finding_labels
    }
    numbers |= {f"input.{name}": values for name, values in _statistics(seen).items()}
    histograms = {name: histogram(values) for name, values in numbers.items()}
    return Drift(split=SPLIT, n=len(seen), numbers=histograms, shares=_shares(bundle, seen))


def histogram(values: NDArray[np.float64]) -> Histogram:
    """Of (n,) values between their own deciles; where these are all alike, below and above the largest."""
    deciles = np.quantile(values, np.arange(1, BINS) / BINS).round(DIGITS)
    edges = sorted({float(edge) for edge in deciles if edge > values.min()})
    edges = edges or [round(float(values.max()) + 10**-DIGITS, DIGITS)]
    bins = np.searchsorted(edges, values, side="right")
    return Histogram(edges=tuple(edges), counts=tuple(np.bincount(bins, minlength=len(edges) + 1).tolist()))


def with_reference(bundle: Bundle, *, data: Path | None, setting: Path, version: str, threads: int = 2) -> Bundle:
    """The Bundle in its folder with a reference and a new `version`; weights and figures stay as they are.

    Its recipe says which images are its validation split: in `data` as a training has it, or below `setting`.
    Raises DataInvalid where they are too few, and as `read_records` does.
    """
    if version == bundle.manifest.version:
        raise DataInvalid("a version never changes: name another one")
    recipe = Recipe.model_validate(bundle.manifest.training["recipe"])
    sources = recipe.data.sources
    records, _ = read_records(recipe, data or (setting / sources[0].folder if len(sources) == 1 else setting))
    engine = make_engine(EngineName.ONNXRUNTIME, bundle, threads=threads)
    found = fit_drift(bundle, engine, of_split(records, SPLIT))
    if found is None:
        raise DataInvalid(f"the {SPLIT} split has fewer than {FEWEST} images that can be read")
    name = bundle.manifest.name
    card = bundle.path / MODEL_CARD
    before, after = f"# {name} {bundle.manifest.version}\n", f"# {name} {version}\n"
    card.write_text(card.read_text(encoding="utf-8").replace(before, after, 1), encoding="utf-8")
    fields: dict[str, Any] = bundle.manifest.model_dump(mode="json")
    fields["training"]["recipe"]["version"] = version
    return write_manifest(bundle.path, fields | {"version": version, "drift": found.model_dump(mode="json")})


def _statistics(seen: Observation) -> dict[str, NDArray[np.float64]]:
    of_images = [
        input_statistics(tensor, window, rows=int(rows), columns=int(columns))
        for tensor, window, (rows, columns) in zip(seen.tensors, seen.windows, seen.sizes, strict=True)
    ]
    return {name: np.array([found[name] for found in of_images]) for name in of_images[0] if name not in UNLIKE}


def _shares(bundle: Bundle, seen: Observation) -> dict[str, dict[str, int]]:
    """How often each region was said, and how often the input's sanity was accepted, as the worker records them."""
    shares: dict[str, dict[str, int]] = {}
    if labels := bundle.manifest.region_labels:
        columns = [bundle.labels.index(label) for label in labels]
        said = Counter(labels[index] for index in seen.probabilities[:, columns].argmax(axis=1))
        shares["region"] = {label: said[label] for label in labels}
    model = SanityModel.load(bundle)
    if model is not None:
        images = zip(seen.features, seen.tensors, seen.windows, seen.sizes, strict=True)
        accepted = sum(
            model.judge(features, tensor, window=window, rows=int(rows), columns=int(columns)).accepted
            for features, tensor, window, (rows, columns) in images
        )
        shares["sanity"] = {"accepted": accepted, "flagged": len(seen) - accepted}
    return shares
