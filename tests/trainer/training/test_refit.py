"""The last layer fitted again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from trainer.recipes.recipe import Recipe, Refit
from trainer.training.calibration import calibrated, fit_temperature, logits_of

if TYPE_CHECKING:
    import keras

pytestmark = pytest.mark.keras


def test_a_refitted_head_separates_what_the_features_separate(recipe: Recipe, data_set: Path, tmp_path: Path) -> None:
    import keras

    from trainer.training.refit import refit_heads
    from trainer.training.train import build_classifier, load_split, predict

    keras.utils.set_random_seed(1)
    classifier = build_classifier(recipe)
    training, validation = (load_split(recipe, data=data_set, split=name, cache=tmp_path) for name in ("train", "val"))
    # A truth that the features do hold: whether one of them is high.
    high = [_is_high(classifier.feature_extractor(), split.images.pixels) for split in (training, validation)]
    training = replace(training, targets={**training.targets, "region": high[0]})
    validation = replace(validation, targets={**validation.targets, "region": high[1]})
    before = predict(classifier, training.images.pixels)
    chosen = refit_heads(
        classifier, {"region": Refit(inverse_regularisation=(1e-6, 1e3))}, training=training, validation=validation
    )
    after = predict(classifier, training.images.pixels)
    # A penalty of a million leaves only the commoner label: the validation split refuses it.
    assert chosen == {"region": 1e3}
    assert (before["region"].argmax(axis=1) == high[0]).mean() < 0.8
    assert (after["region"].argmax(axis=1) == high[0]).mean() >= 0.9
    np.testing.assert_array_equal(before["fracture"], after["fracture"])


def _is_high(extractor: keras.Model, pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    features = extractor.predict(pixels, verbose=0)
    widest = features[:, features.std(axis=0).argmax()]
    return (widest > np.median(widest)).astype(np.int64)


def test_a_label_without_images_is_never_the_answer(recipe: Recipe, data_set: Path, tmp_path: Path) -> None:
    from trainer.training.refit import refit_heads
    from trainer.training.train import build_classifier, load_split, predict

    heads = [recipe.heads[0], recipe.heads[1].model_copy(update={"labels": ("hand", "leg", "hip")})]
    wider = recipe.model_copy(update={"heads": tuple(heads)})
    classifier = build_classifier(wider)
    split = load_split(wider, data=data_set, split="train", cache=tmp_path)
    refit_heads(classifier, {"region": Refit(inverse_regularisation=(1.0,))}, training=split, validation=split)
    probabilities = predict(classifier, split.images.pixels)["region"]
    assert probabilities[:, 2].max() < 1e-6
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-5)


def test_findings_are_centred_on_the_validation_split(recipe: Recipe, data_set: Path, tmp_path: Path) -> None:
    from trainer.training.refit import centre_findings
    from trainer.training.train import build_classifier, load_split, predict

    classifier = build_classifier(recipe)
    split = load_split(recipe, data=data_set, split="train", cache=tmp_path)
    last = classifier.get_layer("fracture_logits")
    kernel, bias = last.get_weights()
    last.set_weights([kernel, bias + 4.0])
    before = predict(classifier, split.images.pixels)
    shifts = centre_findings(classifier, validation=split)
    after = predict(classifier, split.images.pixels)
    assert list(shifts) == ["fracture"]
    assert last.get_weights()[1] == pytest.approx(bias + 4.0 + shifts["fracture"], abs=1e-4)
    np.testing.assert_array_equal(before["region"], after["region"])

    def log_loss(probability: NDArray[np.float32]) -> float:
        """After the temperature, which is fitted next."""
        truth, logits = split.targets["fracture"], logits_of(probability.astype(np.float64), kind="sigmoid")
        temperature = fit_temperature(logits, truth, kind="sigmoid")
        fitted = calibrated(logits, kind="sigmoid", temperature=temperature)
        return float(-np.log(np.clip(np.where(truth == 1, fitted, 1 - fitted), 1e-7, 1)).mean())

    assert log_loss(after["fracture"]) < log_loss(before["fracture"])


def test_only_one_layer_softmax_heads_may_be_named() -> None:
    from tests.trainer.conftest import RECIPE

    for name in ("fracture", "unknown"):
        with pytest.raises(ValueError, match="one layer"):
            Recipe.model_validate({**RECIPE, "refit": {name: {}}})
