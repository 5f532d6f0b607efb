"""Every shipped recipe trains a step on the layout that it is written for, evaluates, exports, runs on the engine."""

from __future__ import annotations

import numpy as np
import pytest

from networks.bundle import Bundle
from tests.trainer.tiny_sets import CHANGES, SETS, train_recipe

pytestmark = [
    pytest.mark.keras,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]


def test_every_recipe_is_here():
    from trainer.commands.train import RECIPES

    assert {file.stem for file in RECIPES.glob("*.yaml")} == set(SETS)


@pytest.mark.parametrize("name", sorted(SETS))
def test_a_step_of_each(name, recipe_bundle):
    _check(name, Bundle.load(recipe_bundle(name)))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", sorted(CHANGES))
def test_a_step_of_the_whole_network(name, tmp_path):
    _check(name, Bundle.load(train_recipe(name, tmp_path)))


def _check(name, bundle):
    from core.vocabulary import EngineName
    from networks.engines import make_engine
    from trainer.commands.train import RECIPES
    from trainer.recipes.recipe import load_recipe

    recipe = load_recipe(RECIPES / f"{name}.yaml")
    manifest = bundle.manifest
    assert manifest.name == name
    assert set(manifest.metrics) >= {"val", "test"}
    assert set(manifest.thresholds) == set(recipe.operating)
    assert manifest.training["epochs"] >= len(recipe.phases)
    assert recipe.data.attribution == manifest.attribution
    trained_labels = {label for head in recipe.heads for label in head.labels}
    assert trained_labels <= set(bundle.labels)
    assert {marginal.label for marginal in recipe.marginals} <= set(bundle.labels)
    assert (manifest.routing is not None) is (recipe.hierarchy is not None)
    assert bundle.file("MODEL_CARD.md").read_text().startswith(f"# {name}")

    output = make_engine(EngineName.ONNXRUNTIME, bundle).run(np.zeros((2, 64, 64, 1), np.uint8))
    assert output.probabilities.shape == (2, len(bundle.labels))
    assert output.class_activations.shape[:2] == (2, len(bundle.labels))
    assert np.isfinite(output.probabilities).all()
    for split in ("val", "test"):
        assert set(manifest.metrics[split]["findings"]) == set(recipe.operating)
