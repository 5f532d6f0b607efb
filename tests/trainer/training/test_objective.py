"""Losses against values computed by hand, on any Keras backend; weights of classes and of unknown truth."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.datasets import UNKNOWN
from trainer.recipes.phases import Phase
from trainer.recipes.recipe import HeadRecipe, Recipe

pytestmark = [pytest.mark.keras, pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")]

PROBABILITY = np.array([[0.9, 0.2], [0.4, 0.5], [0.1, 0.99]], dtype=np.float32)
TRUTH = np.array([[1, 0], [0, UNKNOWN], [1, 1]], dtype=np.int64)
TWO = {"name": "two", "kind": "sigmoid", "labels": ["a", "b"], "columns": ["a", "b"]}
CLASS = {"name": "class", "kind": "softmax", "labels": ["x", "y", "z"], "columns": ["class"]}


def _recipe(head: dict, **phase) -> Recipe:
    from tests.trainer.conftest import RECIPE

    only = {"name": "p", "trainable": "all", "epochs": 1, "batch_size": 8, "learning_rate": 0.1} | phase
    findings = head["labels"] if head["kind"] == "sigmoid" else []
    return Recipe.model_validate(
        RECIPE | {"heads": [head], "phases": [only], "operating": {label: {"sensitivity": 0.8} for label in findings}}
    )


def _loss(recipe: Recipe, truth: np.ndarray, probability: np.ndarray) -> float:
    from trainer.training.objective import class_weights, losses, targets_and_weights

    phase, (head,) = recipe.phases[0], recipe.heads
    weights = class_weights(recipe, phase, {head.name: truth})
    targets, sample_weights = targets_and_weights({head.name: truth}, recipe.heads, weights)
    loss = losses(recipe, phase)[head.name]
    return float(loss(targets[head.name], probability, sample_weight=sample_weights[head.name]))


def test_each_label_counts_where_it_is_known():
    expected = -(np.log([0.9, 0.8, 0.6]).sum() + np.log([0.1, 0.99]).sum()) / 6  # the mean over all six places
    assert _loss(_recipe(TWO), TRUTH, PROBABILITY) == pytest.approx(expected, rel=1e-5)
    assert _loss(_recipe(TWO), np.full_like(TRUTH, UNKNOWN), PROBABILITY) == 0


@pytest.mark.parametrize("alpha", [None, 0.75])
def test_binary_focal_loss(alpha):
    head = TWO | {"loss": {"kind": "focal", "gamma": 2.0, "alpha": alpha}}
    right = np.array([0.9, 0.8, 0.6, 0.1, 0.99])  # the probability of what is true
    weight = np.ones(5) if alpha is None else np.where([1, 0, 0, 1, 1], alpha, 1 - alpha)
    expected = -(weight * (1 - right) ** 2 * np.log(right)).sum() / 6
    assert _loss(_recipe(head), TRUTH, PROBABILITY) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("kind", ["crossentropy", "focal"])
def test_categorical_losses(kind):
    head = CLASS | {"loss": {"kind": kind, "gamma": 2.0, "alpha": 0.25}}
    probability = np.array([[0.7, 0.2, 0.1], [0.3, 0.3, 0.4], [0.1, 0.8, 0.1]], dtype=np.float32)
    right = np.array([0.7, 0.4])
    factor = 0.25 * (1 - right) ** 2 if kind == "focal" else 1
    expected = -(factor * np.log(right)).sum() / 3
    found = _loss(_recipe(head), np.array([0, 2, UNKNOWN]), probability)
    assert found == pytest.approx(expected, rel=1e-4)


def test_a_phase_may_have_another_loss():
    plain = _loss(_recipe(TWO), TRUTH, PROBABILITY)
    smoothed = _loss(_recipe(TWO, loss={"two": {"label_smoothing": 0.2}}), TRUTH, PROBABILITY)
    right, wrong = np.array([0.9, 0.8, 0.6, 0.1, 0.99]), np.array([0.1, 0.2, 0.4, 0.9, 0.01])
    assert smoothed == pytest.approx(-(0.9 * np.log(right) + 0.1 * np.log(wrong)).sum() / 6, rel=1e-4)
    assert smoothed != plain


def test_class_weights():
    from trainer.training.objective import class_weights, targets_and_weights

    truth = np.array([[1, 0], [0, 0], [0, 0], [UNKNOWN, 0]])
    recipe = _recipe(TWO, class_weights={"two": "balanced"})
    table = class_weights(recipe, recipe.phases[0], {"two": truth})
    # Of a: one 1 and two 0 of three; of b: no 1 at all.
    np.testing.assert_allclose(table["two"], [[3 / 4, 3 / 2], [1, 1]])
    _, weights = targets_and_weights({"two": truth}, recipe.heads, table)
    np.testing.assert_allclose(weights["two"], [[1.5, 1], [0.75, 1], [0.75, 1], [0, 1]])

    recipe = _recipe(CLASS, class_weights={"class": "balanced"})
    table = class_weights(recipe, recipe.phases[0], {"class": np.array([0, 0, 0, 2, UNKNOWN])})
    np.testing.assert_allclose(table["class"], [4 / 6, 1, 2])
    recipe = _recipe(CLASS, class_weights={"class": {"y": 3.0}})
    targets, weights = targets_and_weights(
        {"class": np.array([1, 0, UNKNOWN])},
        recipe.heads,
        class_weights(recipe, recipe.phases[0], {"class": truth[:, 0]}),
    )
    np.testing.assert_allclose(weights["class"], [3, 1, 0])
    np.testing.assert_allclose(targets["class"], np.eye(3)[[1, 0, 0]])
    recipe = _recipe(TWO, class_weights={"two": {"b": 5.0}})
    np.testing.assert_allclose(class_weights(recipe, recipe.phases[0], {"two": TRUTH})["two"], [[1, 1], [1, 5]])


def test_heads_are_checked():
    assert HeadRecipe.model_validate(TWO).loss.kind == "crossentropy"
    for phase in (
        {"loss": {"other": {}}},
        {"class_weights": {"two": {"c": 1.0}}},
        {"class_weights": {"x": "balanced"}},
    ):
        with pytest.raises(ValueError, match="class weights for what"):
            _recipe(TWO, **phase)
    assert isinstance(_recipe(TWO).phases[0], Phase)


def test_answers_to_two_copies_are_to_agree():
    from trainer.training.objective import Disagreement, agreement_name, loss_weights, losses

    first, second = np.array([[0.9, 0.2], [0.4, 0.5]]), np.array([[0.6, 0.2], [0.4, 0.1]])
    both = np.concatenate([first, second]).astype(np.float32)

    def divergence(p: np.ndarray, q: np.ndarray) -> np.ndarray:
        return p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))

    expected = (divergence(first, second) + divergence(second, first)).sum(axis=1).mean() / 2
    assert float(Disagreement(independent=True)(both, both)) == pytest.approx(expected, rel=1e-4)
    assert float(Disagreement(independent=True)(both[:2], np.concatenate([both[:1], both[:1]]))) == 0
    certain = np.array([[1.0, 0.0], [0.0, 1.0]], dtype=np.float32)
    assert np.isfinite(float(Disagreement(independent=True)(certain, certain)))

    p, q = np.array([0.7, 0.2, 0.1]), np.array([0.1, 0.8, 0.1])
    both = np.stack([p, q]).astype(np.float32)
    expected = ((p * np.log(p / q)).sum() + (q * np.log(q / p)).sum()) / 2
    assert float(Disagreement(independent=False)(both, both)) == pytest.approx(expected, rel=1e-4)

    asked = _recipe(TWO | {"loss_weight": 2.0}, agreement=0.25)
    assert losses(asked, asked.phases[0]).keys() == {"two", agreement_name("two")}
    assert loss_weights(asked, asked.phases[0]) == {"two": 2.0, agreement_name("two"): 0.5}
    plain = _recipe(TWO)
    assert losses(plain, plain.phases[0]).keys() == loss_weights(plain, plain.phases[0]).keys() == {"two"}


def test_a_pair_is_one_image_changed_twice():
    from trainer.recipes.phases import Augmentation
    from trainer.training.batches import Batches, ImageInputs
    from trainer.training.objective import agreement_name

    pixels = np.random.default_rng(1).integers(0, 255, (5, 16, 16, 1), dtype=np.uint8)
    truth = np.array([[1], [0], [1], [UNKNOWN], [0]])
    head = HeadRecipe(name="one", kind="sigmoid", labels=("a",), columns=("a",))
    shared = {"heads": (head,), "weights": {"one": np.ones((1, 2), np.float32)}, "batch_size": 4, "epoch": 0}
    moved = ImageInputs(pixels, augmentation=Augmentation(brightness=40), pad=0)
    pairs = Batches(moved, {"one": truth}, seeds=(7, 507), **shared)
    single = Batches(moved, {"one": truth}, seeds=(7,), **shared)
    assert (len(pairs), len(single)) == (3, 2)
    seen = []
    for images, targets, weights in (pairs[index] for index in range(3)):
        half = len(images) // 2
        assert not np.array_equal(images[:half], images[half:])
        assert np.array_equal(targets["one"][:half], targets["one"][half:])
        assert weights[agreement_name("one")].tolist() == [1] * len(images)
        assert targets[agreement_name("one")].shape == targets["one"].shape
        seen.extend(images[:half])
    assert agreement_name("one") not in single[0][1]
    # The first copies are what the same seed gives alone, in the same order.
    assert np.array_equal(np.stack(seen), np.concatenate([single[0][0], single[1][0]]))
