"""A head that peaks learns where its label is, from boxes; and its run goes on after a kill as any other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import RecipeInvalid
from tests.data import encoded
from trainer.recipes.recipe import Recipe, load_recipe

pytestmark = [
    pytest.mark.keras,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]
RECIPE: dict[str, Any] = {
    "name": "placed",
    "version": "1",
    "backbone": "tiny",
    "preprocessing": {"size": 64},
    "neck": {"layers": ["tiny0_relu", "tiny1_relu"], "channels": 8},
    "heads": [
        {
            "name": "fracture",
            "kind": "sigmoid",
            "labels": ["fracture"],
            "columns": ["fractured"],
            "peaks": True,
            "placement": 0.5,
        }
    ],
    "data": {"folder": "x", "name": "Made up", "licence": "CC0", "boxes": "boxes", "repeat": 2},
    "phases": [
        {"name": "neck", "trainable": "heads", "epochs": 1, "batch_size": 8, "learning_rate": 0.01},
        {
            "name": "all",
            "trainable": "all",
            "epochs": 6,
            "batch_size": 8,
            "learning_rate": 0.02,
            "averaging": 0.5,
            "augmentation": {"horizontal_flip": True, "shift": 0.05},
        },
    ],
    "operating": {"fracture": {"sensitivity": 0.85}},
}


class _Killed(Exception):
    """Stands for a kill: nothing after it runs."""


@pytest.fixture(scope="module")
def spots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 grey images with a texture each; half of them have a bright spot somewhere, in a box."""
    folder = tmp_path_factory.mktemp("spots")
    (folder / "boxes").mkdir()
    random = np.random.default_rng(5)
    rows = ["path,fractured,split"]
    for index in range(40):
        pixels = random.integers(60, 110, (64, 64), dtype=np.uint8)
        if index % 2:
            x, y = random.integers(6, 50, 2)
            pixels[y : y + 8, x : x + 8] = 250
            (folder / "boxes" / f"{index}.txt").write_text(f"0 {(x + 4) / 64} {(y + 4) / 64} 0.125 0.125\n")
        (folder / f"{index}.png").write_bytes(encoded(pixels))
        rows.append(f"{index}.png,{index % 2},{'val' if index % 5 == 0 else 'train'}")
    (folder / "split.csv").write_text("\n".join(rows) + "\n")
    return folder


def _train(folder: Path, *, data: Path, resume: bool = False, die_at: str | None = None) -> Any:
    from trainer.training.progress import Lines
    from trainer.training.train import train

    def report(line: str) -> None:
        if die_at is not None and line.startswith(die_at):
            raise _Killed

    recipe = Recipe.model_validate(RECIPE)
    return train(recipe, data=data, folder=folder, weights=None, resume=resume, max_minutes=None, display=Lines(report))


def test_the_evidence_lies_in_the_boxes_and_two_kills_change_nothing(spots: Path, tmp_path: Path) -> None:
    import keras

    classifier, state, validation = _train(tmp_path / "whole", data=spots)
    assert state.train_images == 64  # 32 images, twice over
    assert state.best_score == 1.0
    model = keras.Model(classifier.inputs[0], classifier.evidence("fracture"))
    evidence = model.predict(validation.images.pixels, verbose=0)[:, :, :, 0]
    hits = []
    for heat, boxes in zip(evidence, validation.boxes, strict=True):
        for left, top, right, bottom in boxes:
            row, column = np.unravel_index(heat.argmax(), heat.shape)
            hits.append(left <= 2 * column + 1 <= right and top <= 2 * row + 1 <= bottom)
    assert len(hits) == 4
    assert np.mean(hits) == 1.0
    folder = tmp_path / "killed"
    with pytest.raises(_Killed):
        _train(folder, data=spots, die_at="neck 1/1")
    with pytest.raises(_Killed):
        _train(folder, data=spots, resume=True, die_at="all 2/6")
    resumed, again, _ = _train(folder, data=spots, resume=True)
    assert again.best_score == state.best_score
    for found, expected in zip(resumed.get_weights(), classifier.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"neck": None}, "needs a `neck`"),
        ({"data": {**RECIPE["data"], "boxes": None}}, "needs a source with `boxes`"),
        ({"heads": [{**RECIPE["heads"][0], "peaks": False}]}, "belongs to a head that peaks"),
        ({"heads": [{**RECIPE["heads"][0], "hidden": [4]}]}, "one linear layer"),
    ],
)
def test_what_does_not_fit_together_is_refused(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    import yaml

    file = tmp_path / "placed.yaml"
    file.write_text(yaml.safe_dump({**RECIPE, **change}))
    with pytest.raises(RecipeInvalid, match=message):
        load_recipe(file)
