"""Recipes: what is refused, what `--set` changes, and the shipped one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from core.errors import RecipeInvalid
from networks.bundle import Bundle
from tests.trainer.conftest import RECIPE
from trainer.recipe import load_recipe, training_part

ROOT = Path(__file__).parent.parent.parent
SHIPPED = ROOT / "trainer" / "recipes" / "lucency.yaml"
BUNDLE_BYTES = 32_000_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    written = tmp_path / "tiny.yaml"
    written.write_text(yaml.safe_dump(RECIPE))
    return written


def test_overrides(file):
    changes = ("phases.1.epochs=7", "phases.1.augmentation.zoom=0.5", "heads.0.hidden=[8, 4]", 'version="9"', "seed=3")
    recipe = load_recipe(file, overrides=changes)
    assert (recipe.phases[1].epochs, recipe.phases[1].augmentation.zoom) == (7, 0.5)
    assert (recipe.heads[0].hidden, recipe.version, recipe.seed) == ((8, 4), "9", 3)
    assert recipe.phases[0] == load_recipe(file).phases[0]


@pytest.mark.parametrize(
    "override",
    [
        "epochs",
        "=3",
        "bogus=1",
        "phases.9.epochs=1",
        "phases.x.epochs=1",
        "phases.1.epochs=0",
        "phases.1.epochs=many",
        "phases.1.trainable=some",
        "phases.0.augmentation.spin=1",
        "phases=[]",
        "version=1",
        "name=Has Spaces",
        "heads.0.labels=[]",
        "heads.0.columns=[a, b]",
        "heads.1.labels=[hand, fracture]",
        "heads.1.name=fracture",
        "operating={}",
        "preprocessing.size=1",
        "version: [",
    ],
)
def test_refused(file, override):
    with pytest.raises(RecipeInvalid):
        load_recipe(file, overrides=(override,))


@pytest.mark.parametrize("content", [b"", b"- a", b"a: [", b"\xff\xfe", b"text"])
def test_no_recipe(tmp_path, content):
    (tmp_path / "r.yaml").write_bytes(content)
    with pytest.raises(RecipeInvalid):
        load_recipe(tmp_path / "r.yaml")
    with pytest.raises(RecipeInvalid):
        load_recipe(tmp_path / "absent.yaml")


def test_what_a_resumed_run_may_change(file):
    before = training_part(load_recipe(file).model_dump(mode="json"))
    for override, same in (
        ('version="2"', True),
        ("limits=[x]", True),
        ("seed=1", False),
        ("phases.1.epochs=9", False),
    ):
        after = training_part(load_recipe(file, overrides=(override,)).model_dump(mode="json"))
        assert (after == before) is same, override


def test_the_shipped_recipe_and_bundle_agree():
    recipe = load_recipe(SHIPPED)
    assert recipe.data.licence == "CC BY 4.0"
    assert any("FracAtlas" in line for line in recipe.data.attribution)
    folder = ROOT / "bundles" / "default"
    if not (folder / "bundle.json").exists():
        pytest.skip("bundles/default is not there")
    bundle = Bundle.load(folder)
    manifest = bundle.manifest
    assert (manifest.name, manifest.version, manifest.preprocessing) == (
        recipe.name,
        recipe.version,
        recipe.preprocessing,
    )
    assert [(h.name, h.kind, h.labels) for h in manifest.heads] == [(h.name, h.kind, h.labels) for h in recipe.heads]
    assert training_part(manifest.training["recipe"]) == training_part(recipe.model_dump(mode="json"))
    assert manifest.attribution == recipe.data.attribution
    assert sum(file.stat().st_size for file in folder.iterdir()) <= BUNDLE_BYTES
    test = manifest.metrics["test"]
    assert test["findings"]["fracture"]["auc"] >= 0.86
    assert test["regions"]["region"]["accuracy"] >= 0.97
    card = bundle.file("MODEL_CARD.md").read_text()
    assert "not for clinical use" in card
    assert "CC BY 4.0" in card
    assert json.loads((folder / "bundle.json").read_text())["format"] == 1
