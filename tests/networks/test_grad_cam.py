"""The map in the forward pass against the textbook: a GradientTape through the network (arXiv 1610.02391)."""

from __future__ import annotations

import numpy as np
import pytest

from networks.bundle import Bundle
from tests.data import generated_radiograph
from tests.engines import INSTALLED

pytestmark = pytest.mark.keras


def _textbook(classifier, batch):
    """(n, L, gh, gw): pooled gradients of each label's logit × activations, summed over channels, ReLU.

    Behind a neck, heads that do not peak have the backbone's coarser grid: each of its cells is repeated.
    """
    import keras
    import tensorflow as tf

    from networks.classifier import FEATURES, TOP

    top = FEATURES if classifier.neck is None else TOP
    fine, coarse = keras.Model(classifier.inputs[0], [classifier.get_layer(name).output for name in (FEATURES, top)])(
        batch, training=False
    )
    outputs, maps = classifier(batch, training=False), []
    for head in classifier.heads:
        activations, pooling = (fine, []) if head.peaks else (coarse, [keras.layers.GlobalAveragePooling2D()])
        *chain, last = classifier.head_chain(head.name)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(activations)
            tensor = activations
            for layer in [*pooling, *chain]:
                tensor = (
                    layer(tensor, training=False) if "bn" in layer.name or "dropout" in layer.name else layer(tensor)
                )
            columns = [tensor[:, index] for index in range(len(head.labels))]
        np.testing.assert_allclose(last(tensor), outputs[head.name], rtol=1e-4, atol=1e-5)
        for column in columns:
            weights = tf.reduce_mean(tape.gradient(column, activations), axis=(1, 2), keepdims=True)
            cells = tf.nn.relu(tf.reduce_sum(weights * activations, axis=-1)).numpy()
            times = fine.shape[1] // activations.shape[1]
            maps.append(cells.repeat(times, axis=1).repeat(times, axis=2))
    return np.stack(maps, axis=1)


def _batch(size: int) -> np.ndarray:
    images = [generated_radiograph(size, size, seed=seed) for seed in range(3)]
    return np.stack(images)[..., None]


def _close(found, expected):
    """Each label's map within 1e-4 of the largest value."""
    assert expected.max() > 0
    assert np.abs(found - expected).max() <= 1e-4 * expected.max()


@pytest.mark.parametrize("deep", [False, True])
def test_equals_the_textbook(deep):
    import keras

    from networks.classifier import HeadSpec, RadiographClassifier
    from networks.grad_cam import ExplainedClassifier

    keras.utils.set_random_seed(3)
    extra = {"batch_normalisation": True, "hidden": (24, 12), "dropout": 0.4} if deep else {}
    heads = (HeadSpec("many", "softmax", tuple("abcdefg"), **extra), HeadSpec("some", "sigmoid", ("x", "y")))
    classifier = RadiographClassifier(backbone="tiny", size=64, heads=heads)
    random = np.random.default_rng(0)
    for layer in classifier.layers:  # statistics and offsets that a wrong derivative would not survive
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([random.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    batch = _batch(64)
    explained = ExplainedClassifier(classifier, temperatures={})(batch)
    _close(np.asarray(explained["class_activations"]), _textbook(classifier, batch))
    outputs = classifier(batch)
    expected = np.concatenate([outputs["many"], outputs["some"]], axis=1)
    np.testing.assert_allclose(explained["probabilities"], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("deep", [False, True])
def test_a_marginal_equals_the_gradient_of_its_logit(deep):
    """Against the tape through log p/(1-p) of the sum of calibrated probabilities itself, in float64."""
    import keras
    import tensorflow as tf

    from networks.classifier import HeadSpec, RadiographClassifier
    from networks.grad_cam import ExplainedClassifier
    from networks.manifest import Marginal

    keras.utils.set_random_seed(4)
    extra = {"batch_normalisation": True, "hidden": (24,), "dropout": 0.4} if deep else {}
    heads = (HeadSpec("x", "sigmoid", ("x",)), HeadSpec("many", "softmax", tuple("abcdef"), **extra))
    classifier = RadiographClassifier(backbone="tiny", size=64, heads=heads)
    logits = classifier.head_chain("many")[-2]
    logits.set_weights([20 * weights for weights in logits.get_weights()])
    marginals = [
        Marginal(label=label, head="many", members=tuple(members), role="finding")
        for label, members in (("ace", "ace"), ("f", "f"), ("abcde", "abcde"))
    ]
    batch, temperature = _batch(64), 1.7
    explained = ExplainedClassifier(classifier, temperatures={"many": temperature}, marginals=marginals)(batch)
    activations = keras.Model(classifier.inputs[0], classifier.get_layer("features").output)(batch, training=False)
    expected, sums = [], []
    for marginal in marginals:
        with tf.GradientTape() as tape:
            tape.watch(activations)
            tensor = tf.reduce_mean(activations, axis=(1, 2))
            for layer in classifier.head_chain("many")[:-1]:
                tensor = (
                    layer(tensor, training=False) if "bn" in layer.name or "dropout" in layer.name else layer(tensor)
                )
            probabilities = tf.nn.softmax(tf.cast(tensor, tf.float64) / temperature)
            summed = sum(probabilities[:, "abcdef".index(member)] for member in marginal.members)
            score = temperature * (tf.math.log(summed) - tf.math.log1p(-summed))
        weights = tf.reduce_mean(tape.gradient(score, activations), axis=(1, 2), keepdims=True)
        expected.append(tf.nn.relu(tf.reduce_sum(weights * activations, axis=-1)).numpy())
        sums.append(summed.numpy())
    _close(np.asarray(explained["class_activations"])[:, 7:], np.stack(expected, axis=1))
    np.testing.assert_allclose(np.asarray(explained["probabilities"])[:, 7:], np.stack(sums, axis=1), atol=1e-5)


def test_a_marginal_of_a_saturated_softmax_is_finite():
    from networks.grad_cam import marginal_weights

    logits = np.array([[200.0, -200.0, 0.0], [-1e4, 1e4, 0.0]], dtype=np.float32)
    weights = np.asarray(marginal_weights(logits, np.array([[0.0, 1.0, 0.0]], dtype=np.float32)))
    np.testing.assert_allclose(weights, [[-1, 1, 0], [0, 1, -1]], atol=1e-6)


def test_all_engines_equal_the_textbook_on_the_bundle(bundle):
    from networks.engines import make_engine
    from networks.engines.keras import load_explained

    loaded = Bundle.load(bundle)
    batch = _batch(loaded.preprocessing.size)
    import keras

    expected = _textbook(keras.models.load_model(loaded.file("model.keras"), compile=False), batch)
    reference = load_explained(loaded)(batch)
    for name in INSTALLED:
        output = make_engine(name, loaded, threads=1).run(batch)
        _close(output.class_activations, expected)
        np.testing.assert_allclose(output.probabilities, reference["probabilities"], atol=1e-4)
        assert output.probabilities.dtype == output.class_activations.dtype == np.float32
