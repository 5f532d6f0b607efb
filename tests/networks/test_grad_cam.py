"""The map in the forward pass against the textbook: a GradientTape through the network (arXiv 1610.02391)."""

from __future__ import annotations

import numpy as np
import pytest

from networks.bundle import Bundle
from tests.data import generated_radiograph

pytestmark = pytest.mark.keras


def _textbook(classifier, batch):
    """(n, L, gh, gw): pooled gradients of each label's logit × activations, summed over channels, ReLU."""
    import keras
    import tensorflow as tf

    features = classifier.get_layer("features").output
    logits = [classifier.head_chain(head.name)[-2].output for head in classifier.heads]
    model = keras.Model(classifier.inputs[0], [features, *logits])
    with tf.GradientTape(persistent=True) as tape:
        activations, *scores = model(batch, training=False)
        tape.watch(activations)
        pooled = tf.reduce_mean(activations, axis=(1, 2))
        columns = []
        for head in classifier.heads:
            tensor = pooled
            for layer in classifier.head_chain(head.name)[:-1]:
                tensor = (
                    layer(tensor, training=False) if "bn" in layer.name or "dropout" in layer.name else layer(tensor)
                )
            columns += [tensor[:, index] for index in range(len(head.labels))]
    np.testing.assert_allclose(np.stack(columns, 1), np.concatenate(scores, 1), rtol=1e-4, atol=1e-4)
    maps = []
    for column in columns:
        weights = tf.reduce_mean(tape.gradient(column, activations), axis=(1, 2), keepdims=True)
        maps.append(tf.nn.relu(tf.reduce_sum(weights * activations, axis=-1)).numpy())
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


def test_both_engines_equal_the_textbook_on_the_bundle(bundle):
    from core.vocabulary import EngineName
    from networks.engines import make_engine
    from networks.engines.keras import load_explained

    loaded = Bundle.load(bundle)
    batch = _batch(loaded.preprocessing.size)
    import keras

    expected = _textbook(keras.models.load_model(loaded.file("model.keras"), compile=False), batch)
    reference = load_explained(loaded)(batch)
    for name in EngineName:
        output = make_engine(name, loaded, threads=1).run(batch)
        _close(output.class_activations, expected)
        np.testing.assert_allclose(output.probabilities, reference["probabilities"], atol=1e-4)
        assert output.probabilities.dtype == output.class_activations.dtype == np.float32
