"""The shipped reference against real radiographs: what is like its split is steady, what is altered is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from core.drift import DriftState, Quantity, read, reference_of
from core.vocabulary import EngineName
from networks.bundle import Bundle
from networks.engines import make_engine
from networks.input_statistics import input_statistics
from networks.manifest import Drift
from tests.data import shared
from trainer.datasets import of_split
from trainer.datasets import read as read_set
from trainer.input_pipeline.sources import read_records
from trainer.recipes.recipe import Recipe
from trainer.shipping.drift import fit_drift, histogram

ROOT = Path(__file__).parents[3]
Pixels = NDArray[np.uint8]


def gamma(pixels: Pixels) -> Pixels:
    """Brighter, as another detector's curve makes it."""
    return np.asarray(255 * (pixels / 255.0) ** 0.6, dtype=np.uint8)


def inverted(pixels: Pixels) -> Pixels:
    return np.asarray(255 - pixels, dtype=np.uint8)


def saturated(pixels: Pixels) -> Pixels:
    """Half again as bright, cut at white."""
    return np.asarray(np.minimum(pixels * 1.5, 255), dtype=np.uint8)


ALTERATIONS: dict[str, Callable[[Pixels], Pixels]] = {"gamma": gamma, "inverted": inverted, "saturated": saturated}


@pytest.fixture(scope="module")
def unseen() -> list[tuple[Path, str]]:
    """80 images of the test split with their regions, evenly spread."""
    records = of_split(read_set(shared("fracatlas512")).records, "test")
    chosen = [records[index] for index in np.linspace(0, len(records) - 1, 80).astype(int)]
    return [(record.file, record.columns["region"]) for record in chosen]


@pytest.fixture(scope="module")
def shipped() -> Bundle:
    folder = ROOT / "bundles" / "default"
    if not (folder / "bundle.json").exists():
        pytest.skip("bundles/default is not there")
    return Bundle.load(folder, verify=False)


def counts(quantity: Quantity, values: list[float]) -> list[int]:
    bins = np.searchsorted(quantity.edges, values, side="right")
    return np.bincount(bins, minlength=len(quantity.counts)).tolist()


def states(bundle: Bundle, files: list[Path], alter: Callable[[Pixels], Pixels] | None) -> dict[str, DriftState]:
    """Of the input's quantities, as a worker would have kept them."""
    kept: list[dict[str, float]] = []
    for file in files:
        pixels = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
        assert pixels is not None
        found = np.asarray(pixels, dtype=np.uint8)
        tensor, window = bundle.preprocessing.apply(found if alter is None else alter(found))
        kept.append(input_statistics(tensor, window, rows=found.shape[0], columns=found.shape[1]))
    reference = reference_of(bundle.manifest.model_dump(mode="json"))
    assert reference is not None
    watched = [quantity for quantity in reference.quantities if quantity.name.startswith("input.")]
    assert len(watched) == 8
    return {
        quantity.name: read(
            quantity,
            counts(quantity, [one[quantity.name.removeprefix("input.")] for one in kept]),
            alarm=reference.alarm,
        ).state
        for quantity in watched
    }


def test_unseen_images_of_the_same_kind_are_steady(shipped: Bundle, unseen: list[tuple[Path, str]]) -> None:
    found = states(shipped, [file for file, _ in unseen], None)
    assert set(found.values()) == {DriftState.STEADY}


@pytest.mark.parametrize("name", list(ALTERATIONS))
def test_altered_images_are_not(shipped: Bundle, unseen: list[tuple[Path, str]], name: str) -> None:
    found = states(shipped, [file for file, _ in unseen], ALTERATIONS[name])
    assert found["input.aspect"] is DriftState.STEADY
    assert found["input.white" if name == "saturated" else "input.mean"] is DriftState.SHIFTED


def test_another_mix_of_regions(shipped: Bundle, unseen: list[tuple[Path, str]]) -> None:
    reference = reference_of(shipped.manifest.model_dump(mode="json"))
    assert reference is not None
    (region,) = (quantity for quantity in reference.quantities if quantity.name == "region")
    said = [word for _, word in unseen]
    usual = [*(said.count(word) for word in region.words), 0]
    hands = [int(0.3 * n) for n in usual]
    hands[region.words.index("hand")] += sum(usual) - sum(hands)
    assert read(region, usual, alarm=reference.alarm).state is DriftState.STEADY
    assert read(region, hands, alarm=reference.alarm).state is DriftState.SHIFTED


def test_a_histogram_has_the_deciles_as_edges() -> None:
    found = histogram(np.arange(1000) / 1000)
    assert found.edges == tuple(round(0.0999 + 0.0999 * index, 4) for index in range(9))
    assert sum(found.counts) == 1000
    assert max(found.counts) - min(found.counts) <= 2
    # All alike: anything beyond is seen all the same.
    flat = histogram(np.zeros(60))
    assert (flat.edges, flat.counts) == ((0.0001,), (60, 0))
    assert histogram(np.array([0.0] * 50 + [1.0] * 50)).edges[0] > 0


def test_the_shipped_reference_is_that_of_the_validation_split(shipped: Bundle) -> None:
    """Its figures are those of the card: as many images, and the regions that the confusion matrix has."""
    drift = shipped.manifest.drift
    assert isinstance(drift, Drift)
    metrics = shipped.manifest.metrics["val"]
    assert drift.n == metrics["n"] == sum(drift.numbers["score.fracture"].counts)
    said = np.array(metrics["regions"]["region"]["confusion_matrix"]).sum(axis=0)
    assert list(drift.shares["region"].values()) == said.tolist()
    clean = shipped.manifest.metrics["sanity"]["val"]["clean"]
    assert drift.shares["sanity"]["flagged"] == round(clean["flagged"] * drift.n)


def reference_of_split(shipped: Bundle, at_most: int) -> Drift | None:
    recipe = Recipe.model_validate(shipped.manifest.training["recipe"])
    records, _ = read_records(recipe, shared("fracatlas512").parent)
    engine = make_engine(EngineName.ONNXRUNTIME, shipped, threads=2)
    return fit_drift(shipped, engine, of_split(records, "val")[:at_most])


def test_a_reference_is_made_of_at_least_fifty_images(shipped: Bundle) -> None:
    assert reference_of_split(shipped, 49) is None
    found = reference_of_split(shipped, 50)
    assert found is not None
    assert shipped.manifest.drift is not None
    assert (found.n, set(found.numbers)) == (50, set(shipped.manifest.drift.numbers))
    assert {name: sum(counts.values()) for name, counts in found.shares.items()} == {"region": 50, "sanity": 50}


@pytest.mark.slow
def test_the_shipped_reference_is_made_again(shipped: Bundle) -> None:
    """From the data and the recipe in the manifest: the counts move by rounding alone."""
    found, drift = reference_of_split(shipped, 10_000), shipped.manifest.drift
    assert found is not None
    assert drift is not None
    assert found.shares == drift.shares
    for name, histogram_ in drift.numbers.items():
        assert found.numbers[name].edges == pytest.approx(histogram_.edges, abs=1e-3)
        assert found.numbers[name].counts == pytest.approx(histogram_.counts, abs=2)
