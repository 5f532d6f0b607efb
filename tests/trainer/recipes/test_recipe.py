"""Recipes: what is refused, what `--set` changes, and the shipped one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from core.errors import RecipeInvalid
from networks.bundle import Bundle
from tests.trainer.conftest import RECIPE
from trainer.recipes.recipe import load_recipe, training_part

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "trainer" / "recipes" / "lucency.yaml"
BUNDLE_BYTES = 32_000_000
PHASE = "name: x, trainable: all, epochs: 1, batch_size: 1, learning_rate: 1"


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
        "study=median",
        "preprocessing.size=1",
        "version: [",
        "phases.1.trainable={last: 0}",
        "phases.1.trainable={until: conv}",
        "phases.1.name=heads",
        "phases.1.reduce_on_plateau={patience: 2}",  # of a cosine schedule
        f"phases.0={{{PHASE}, schedule: constant, warmup: 0.1}}",
        f"phases.0={{{PHASE}, optimizer: adam, weight_decay: 1}}",
        "phases.0.batch_normalisation=true",
        "phases.0.class_weights={fracture: heavy}",
        "heads.0.loss={kind: hinge}",
        "heads.0.loss={kind: focal, alpha: 2}",
        "data=[]",
        "data={name: x}",
        "marginals=[{label: m, head: region, members: [hand, leg], role: region}]",  # all of them
        "marginals=[{label: m, head: fracture, members: [fracture], role: region}]",
        "marginals=[{label: m, head: region, members: [hand], role: finding}]",  # not in `operating`
        "hierarchy={}",  # with a softmax head beside
        "options={epochs: {}}",
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
        ("study=max", True),
        ("seed=1", False),
        ("phases.1.epochs=9", False),
    ):
        after = training_part(load_recipe(file, overrides=(override,)).model_dump(mode="json"))
        assert (after == before) is same, override


def test_the_shipped_recipe_and_bundle_agree():
    recipe = load_recipe(SHIPPED)
    assert recipe.data.licence == "CC BY 4.0 + ODC-By 1.0"
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
    assert test["findings"]["fracture"]["auc"] >= 0.93
    assert test["findings"]["fracture"]["ece"] <= 0.04
    assert test["findings"]["fracture"]["three_way"]["coverage"] >= 0.9
    assert test["regions"]["region"]["accuracy"] >= 0.97
    assert manifest.metrics["localisation"]["test"]["all"]["pointing_tolerant"] >= 0.7
    card = bundle.file("MODEL_CARD.md").read_text()
    assert "not for clinical use" in card
    assert "CC BY 4.0" in card
    assert json.loads((folder / "bundle.json").read_text())["format"] == 1


def test_every_shipped_recipe_is_valid_and_says_where_it_comes_from():
    files = sorted(SHIPPED.parent.glob("*.yaml"))
    assert len(files) >= 9
    for file in files:
        recipe = load_recipe(file)
        assert recipe.name == file.stem
        assert recipe.limits
        if file.stem != "bonecnn":  # whatever folder is given
            assert recipe.data.attribution
        # MURA and ChestX-ray14 say "abnormal": never "fractured".
        if "MURA" in recipe.data.name or "NIH" in recipe.data.name:
            columns = {column for head in recipe.heads for column in head.columns}
            assert "fractured" not in columns
            assert "fracture" not in {label for head in recipe.heads for label in head.labels}
        assert file.read_text().startswith("# ")


def test_bonify_is_what_was_published():
    recipe = load_recipe(SHIPPED.parent / "bonify.yaml")
    (head,) = recipe.heads
    assert (recipe.backbone, recipe.preprocessing.size, len(head.labels)) == ("densenet169", 320, 14)
    assert (head.batch_normalisation, head.hidden, head.dropout) == (True, (512,), 0.4)
    assert (head.loss.kind, head.loss.gamma, head.loss.alpha) == ("focal", 2.0, 0.25)
    assert [(p.trainable, p.learning_rate, p.epochs) for p in recipe.phases] == [
        ("heads", 1e-4, 10),
        ("all", 5e-6, 20),
        ("all", 1e-6, 15),
    ]
    for phase in recipe.phases:
        assert phase.early_stopping is not None
        assert phase.reduce_on_plateau is not None
        assert (phase.early_stopping.patience, phase.reduce_on_plateau.patience) == (5, 3)
        assert phase.reduce_on_plateau.factor == 0.5
    assert [bool(phase.class_weights) for phase in recipe.phases] == [False, False, True]
    regions = [marginal for marginal in recipe.marginals if marginal.role == "region"]
    assert {member for marginal in regions for member in marginal.members} == set(head.labels)


def test_options_of_a_recipe():
    bonecnn = SHIPPED.parent / "bonecnn.yaml"
    plain = load_recipe(bonecnn)
    assert (plain.backbone, plain.phases[0].trainable, plain.phases[0].batch_normalisation) == (
        "custom_cnn",
        "all",
        True,
    )
    given = {"epochs": 100, "batch-size": 64, "learning-rate": 0.01, "model": "resnet50", "image-size": 96}
    recipe = load_recipe(bonecnn, options=given, overrides=("phases.0.epochs=7",))
    phase = recipe.phases[0]
    assert (phase.epochs, phase.batch_size, phase.learning_rate) == (7, 64, 0.01)
    assert (recipe.backbone, recipe.weights, phase.trainable) == ("resnet50", "imagenet", "heads")
    assert recipe.preprocessing.size == 96
    for model, backbone in (("custom", "custom_cnn"), ("vgg16", "vgg16"), ("densenet121", "densenet121")):
        assert load_recipe(bonecnn, options={"model": model}).backbone == backbone
    with pytest.raises(RecipeInvalid, match="none of custom, vgg16, resnet50, densenet121"):
        load_recipe(bonecnn, options={"model": "alexnet"})
    with pytest.raises(RecipeInvalid, match="--epochs is no option of lucency"):
        load_recipe(SHIPPED, options={"epochs": 3})


def test_a_document_of_the_first_release(file):
    """What was written before today's keys were there is read with their defaults: a run can be gone on with."""
    new = load_recipe(file).model_dump(mode="json")
    old = json.loads(json.dumps(new))
    old["data"] = {"folder": "x", "split": None, "name": "Made up", "licence": "CC0", "attribution": ["Nobody"]}
    for key in ("marginals", "hierarchy", "options"):
        del old[key]
    for phase in old["phases"]:
        for key in ("optimizer", "schedule", "loss", "class_weights", "early_stopping", "reduce_on_plateau"):
            del phase[key]
    assert training_part(old) == training_part(new)
    with pytest.raises(RecipeInvalid, match="another release"):
        training_part({"name": "x"})
