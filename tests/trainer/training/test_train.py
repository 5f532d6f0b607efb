"""Training stops and goes on as if it had never stopped; what it ships is a Bundle that can be published."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from core.errors import BundleInvalid, Conflict, TrainingFailed
from networks.bundle import Bundle

pytestmark = [
    pytest.mark.keras,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]


class _Killed(Exception):
    """Stands for a kill: nothing after it runs."""


def _train(recipe, *, data, folder, resume=False, max_minutes=None, die_at=None):
    from trainer.training.progress import Lines
    from trainer.training.train import train

    def report(line: str) -> None:
        if die_at is not None and line.startswith(die_at):
            raise _Killed

    return train(
        recipe,
        data=data,
        folder=folder,
        weights=None,
        resume=resume,
        max_minutes=max_minutes,
        display=Lines(report),
    )


def _killed_twice(recipe, *, data, folder, moments):
    """The end of a run that was killed at each of `moments` and resumed."""
    for number, moment in enumerate(moments):
        with pytest.raises(_Killed):
            _train(recipe, data=data, folder=folder, resume=number > 0, die_at=moment)
    return _train(recipe, data=data, folder=folder, resume=True)


@pytest.mark.parametrize("agreement", [0.0, 0.5])
def test_resume_ends_where_an_uninterrupted_run_does(recipe, data_set, tmp_path, agreement):
    phases = tuple(phase.model_copy(update={"agreement": agreement}) for phase in recipe.phases)
    recipe = recipe.model_copy(update={"phases": phases})
    whole, state, _ = _train(recipe, data=data_set, folder=tmp_path / "whole")
    assert state.phase == 2
    resumed, again, _ = _killed_twice(
        recipe, data=data_set, folder=tmp_path / "killed", moments=("heads 2/2", "all 1/3")
    )
    assert again.best_score == state.best_score
    for found, expected in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)
    # The learning curve too, but for its seconds.
    curves = [
        [{k: v for k, v in e.items() if k != "seconds"} for e in s.history if e["phase"] == "all"]
        for s in (again, state)
    ]
    for found, expected in zip(*curves, strict=True):
        assert found == pytest.approx(expected, abs=1e-4)


def test_plateaus_survive_a_kill(recipe, data_set, tmp_path):
    """No score is better by 1 than another: the rate halves from the third epoch on, the phase ends at the fourth."""
    from trainer.recipes.recipe import Recipe

    phase = {
        "name": "part", "trainable": {"last": 0.5}, "batch_normalisation": True, "epochs": 9, "batch_size": 8,
        "learning_rate": 0.004, "optimizer": "adam", "schedule": "constant",
        "early_stopping": {"patience": 3, "least": 1.0}, "reduce_on_plateau": {"patience": 1, "least": 1.0},
        "class_weights": {"fracture": "balanced", "region": "balanced"}, "loss": {"fracture": {"kind": "focal"}},
        "augmentation": {"crop_pad": 0.1, "horizontal_flip": True},
    }  # fmt: skip
    stopping = Recipe.model_validate(recipe.model_dump(mode="json") | {"phases": [phase]})
    whole, state, _ = _train(stopping, data=data_set, folder=tmp_path / "whole")
    assert (state.phase, len(state.history), state.bests) == (1, 4, {"0": state.best})
    assert [entry["learning_rate"] for entry in state.history] == pytest.approx([0.004, 0.004, 0.002, 0.001])
    resumed, again, _ = _killed_twice(
        stopping, data=data_set, folder=tmp_path / "killed", moments=("part 2/9", "part 4/9")
    )
    rates = [[(e["epoch"], e["learning_rate"]) for e in one.history] for one in (again, state)]
    assert rates[0] == rates[1]
    assert (again.best_score, again.best_epoch) == (state.best_score, state.best_epoch)
    for found, expected in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_data_that_says_nothing_of_a_label(recipe, data_set, tmp_path):
    from core.errors import DataInvalid

    head = recipe.heads[0].model_copy(update={"columns": ("abnormal",)})
    other = recipe.model_copy(update={"heads": (head, recipe.heads[1])})
    with pytest.raises(DataInvalid, match="abnormal is known; the data's columns are fractured, path"):
        _train(other, data=data_set, folder=tmp_path / "run")


def test_time_and_other_recipes(recipe, data_set, tmp_path):
    only_all = recipe.model_copy(update={"phases": recipe.phases[1:]})
    with pytest.raises(TrainingFailed, match="before the first epoch"):
        _train(only_all, data=data_set, folder=tmp_path / "run", max_minutes=0)
    with pytest.raises(TrainingFailed, match="holds a run already"):
        _train(only_all, data=data_set, folder=tmp_path / "run")
    with pytest.raises(TrainingFailed, match="another recipe"):
        _train(recipe, data=data_set, folder=tmp_path / "run", resume=True)
    with pytest.raises(TrainingFailed, match="no training run"):
        _train(recipe, data=data_set, folder=tmp_path / "absent", resume=True)
    later = only_all.model_copy(update={"version": "2", "limits": ("Others.",)})
    _, state, _ = _train(later, data=data_set, folder=tmp_path / "run", resume=True)
    assert (state.phase, state.recipe["version"]) == (1, "2")


def test_shipped_and_published(recipe, data_set, tmp_path, database, store):
    from networks.sanity import SanityModel
    from trainer.shipping.packaging import ship
    from trainer.shipping.publishing import listing, publish

    classifier, state, validation = _train(recipe, data=data_set, folder=tmp_path / "run")
    bundle = ship(recipe, classifier, state, validation, data=data_set, folder=tmp_path / "bundle")
    assert set(bundle.manifest.metrics) == {"val", "test", "sanity", "stability", "variations"}
    assert set(bundle.manifest.metrics["stability"]) == {"val", "test"}
    # Eight validation images cannot promise a coverage: everything is referred, and the rule says of how many.
    conformal = bundle.manifest.conformal["fracture"]
    assert (conformal.lower, conformal.upper) == (0.0, 1.0)
    assert "4 positive, 4 negative" in conformal.rule
    assert bundle.manifest.metrics["test"]["findings"]["fracture"]["three_way"]["coverage"] == 1.0
    assert bundle.manifest.sanity is not None
    assert SanityModel.load(bundle) is not None
    assert bundle.manifest.training["images"] == {"train": 16, "val": 8, "test": 8}
    card = bundle.file("MODEL_CARD.md").read_text()
    for said in ("not for clinical use", "Made up, licence CC0", "Nobody", "Generated images.", "## Limits", "`test`"):
        assert said in card

    row = publish(bundle.path, database=database, store=store, activate=True)
    assert row == publish(bundle.path, database=database, store=store)
    assert (row["digest"], row["state"]) == (bundle.digest, "active")
    stored = {object_.key.rsplit("/", 1)[1] for object_ in store.list(f"bundles/{bundle.digest}/")}
    assert stored == {*bundle.manifest.files, "bundle.json"}

    other = Bundle.load(shutil.copytree(bundle.path, tmp_path / "other"))
    (other.path / "bundle.json").write_text((other.path / "bundle.json").read_text() + "\n")
    with pytest.raises(Conflict, match="Raise `version` in the recipe"):
        publish(other.path, database=database, store=store)
    digest = Bundle.load(other.path).digest
    assert list(store.list(f"bundles/{digest}/")) == []
    (other.path / "model.onnx").write_bytes(b"damaged")
    with pytest.raises(BundleInvalid, match="altered"):
        publish(other.path, database=database, store=store)
    assert [entry["digest"] for entry in listing(database)] == [bundle.digest]


def test_the_models_commands(tmp_path, settings_env, store):
    import json
    import subprocess
    import sysconfig

    from tests.bundles import tiny_bundle

    def lucency(*arguments: str) -> subprocess.CompletedProcess[str]:
        program = f"{sysconfig.get_path('scripts')}/lucency"
        return subprocess.run(
            [program, "models", *arguments], env=settings_env, capture_output=True, text=True, check=False
        )

    bundle = tiny_bundle(tmp_path / "bundle")
    done = lucency("publish", str(bundle.path), "--activate", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["digest"] == bundle.digest
    listed = json.loads(lucency("list", "--json").stdout)
    assert [(row["name"], row["state"]) for row in listed] == [("tiny", "active")]

    tiny_bundle(tmp_path / "other", threshold=0.25)
    refused = lucency("publish", str(tmp_path / "other"))
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert "Raise `version` in the recipe" in refused.stderr
    (tmp_path / "other" / "model.onnx").write_bytes(b"damaged")
    damaged = lucency("publish", str(tmp_path / "other"))
    assert (damaged.returncode, damaged.stderr.count("\n")) == (1, 1)
    assert "altered" in damaged.stderr
