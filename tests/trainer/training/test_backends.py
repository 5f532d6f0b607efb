"""Another Keras backend trains the same recipe; its weights make the same Bundle under TensorFlow."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from core.settings import inherited_environment
from tests.trainer.tiny_sets import fracatlas
from trainer.commands.train import RECIPES
from trainer.recipes.recipe import load_recipe

pytestmark = [
    pytest.mark.keras,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]

CHANGES = (
    "backbone=tiny", "neck=null", "weights=random", "preprocessing.size=64", "refit={}", "phases.0.epochs=2",
    "phases.0.batch_size=8", "phases.0.copies=1", "phases.1.epochs=2", "phases.1.batch_size=8",
)  # fmt: skip
# What another process does: train, and say what the weights give for the validation images.
PROGRAM = """
import json, sys
from pathlib import Path
import keras, numpy as np
from trainer.training.progress import Lines
from trainer.recipes.recipe import Recipe
from trainer.shipping.run import run_recipe
from trainer.training.train import predict, train

recipe, data, folder = Recipe.model_validate_json(Path(sys.argv[1]).read_text()), Path(sys.argv[2]), Path(sys.argv[3])
lines = []
how = dict(data=data, folder=folder, weights="random", max_minutes=None, display=Lines(lines.append))
bundle = run_recipe(recipe, resume=False, **how)
classifier, state, validation = train(recipe, resume=True, **how)
outputs = predict(classifier, validation.images.pixels)
np.savez(folder / "outputs.npz", pixels=validation.images.pixels, **outputs)
said = {"backend": state.backend, "epochs": len(state.history), "bundle": bundle is not None, "last": lines}
said["keras"] = keras.backend.backend()
print(json.dumps(said))
"""


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_the_same_bundle(backend, tmp_path):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    data = fracatlas(tmp_path / "data")
    recipe = load_recipe(RECIPES / "lucency.yaml", overrides=CHANGES)
    (tmp_path / "recipe.json").write_text(recipe.model_dump_json())
    run = tmp_path / "run"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "recipe.json"), str(data), str(run)],
        env=inherited_environment() | {"KERAS_BACKEND": backend, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert (said["keras"], said["backend"], said["epochs"]) == (backend, backend, 4)
    assert said["bundle"] is False
    assert any("KERAS_BACKEND=tensorflow" in line for line in said["last"])

    from core.vocabulary import EngineName
    from networks.engines import make_engine
    from trainer.shipping.run import run_recipe
    from trainer.training.progress import Lines
    from trainer.training.train import predict, train

    how = {"data": data, "folder": run, "weights": "random", "max_minutes": None, "display": Lines(lambda line: None)}
    bundle = run_recipe(recipe, resume=True, **how)
    assert bundle is not None
    assert (bundle.manifest.training["backend"], bundle.manifest.training["epochs"]) == (backend, 4)
    with np.load(run / "outputs.npz") as there:
        classifier, _, _ = train(recipe, resume=True, **how)
        here = predict(classifier, there["pixels"])
        for name, value in here.items():
            np.testing.assert_allclose(value, there[name], atol=1e-4)
        served = make_engine(EngineName.ONNXRUNTIME, bundle).run(there["pixels"])
    assert served.probabilities.shape == (10, 6)
