"""A made-up data set and recipe that train in a second."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import made_once
from tests.data import encoded, generated_radiograph
from trainer.recipes.recipe import Recipe

RECIPE = {
    "name": "tiny",
    "version": "1",
    "backbone": "tiny",
    "preprocessing": {"size": 64},
    "heads": [
        {"name": "fracture", "kind": "sigmoid", "labels": ["fracture"], "columns": ["fractured"], "dropout": 0.3},
        {"name": "region", "kind": "softmax", "labels": ["hand", "leg"], "columns": ["region"]},
    ],
    "data": {"folder": "x", "name": "Made up", "licence": "CC0", "attribution": ["Nobody"]},
    "phases": [
        {"name": "heads", "trainable": "heads", "epochs": 2, "batch_size": 8, "learning_rate": 0.01, "copies": 1},
        {
            "name": "all",
            "trainable": "all",
            "epochs": 3,
            "batch_size": 8,
            "learning_rate": 0.003,
            "warmup": 0.2,
            "augmentation": {"rotation": 10, "contrast": 0.2},
        },
    ],
    "operating": {"fracture": {"sensitivity": 0.85}},
    "limits": ["Generated images."],
}


@pytest.fixture(scope="session")
def data_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 32 images in two subfolders and their split.csv; inverted ones are "fractured"."""
    folder = tmp_path_factory.mktemp("data")
    rows = ["path,fractured,region,split"]
    for index in range(32):
        pixels = generated_radiograph(48, 40, seed=index)
        name = f"{'even' if index % 2 else 'odd'}/{index}.png"
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(encoded(255 - pixels if index % 2 else pixels))
        split = ("train", "train", "val", "test")[index // 2 % 4]
        rows.append(f"{name},{index % 2},{'leg' if index % 3 else 'hand'},{split}")
    (folder / "split.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture
def recipe() -> Recipe:
    return Recipe.model_validate(RECIPE)


@pytest.fixture(scope="session")
def recipe_bundle(shared_folder: Path) -> Callable[[str], Path]:
    """The folder of a shipped recipe's Bundle after a step of training a phase; trained once. Do not change it."""

    def trained(name: str) -> Path:
        from tests.trainer.tiny_sets import CHANGES, train_recipe

        def train(place: Path) -> None:
            run = place.with_suffix(".run")
            # Checkpoints hold the optimizer's state too, hundreds of megabytes: only the Bundle stays.
            shutil.move(train_recipe(name, run, *CHANGES.get(name, ())), place)
            shutil.rmtree(run)

        return made_once(shared_folder / "recipes" / name, train)

    return trained
