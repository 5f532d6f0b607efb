"""The classifier as Keras sees it: built from its config, saved, loaded; and exported with every head it may have."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import BundleInvalid, EngineFailed
from core.vocabulary import EngineName
from networks.bundle import write_manifest
from tests.bundles import tiny_bundle
from tests.engines import INSTALLED
from tests.networks.test_grad_cam import _batch, _close, _textbook

pytestmark = [
    pytest.mark.keras,
    # TensorFlow's and tf2onnx' own deprecations while they export are not ours.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]
SIZE = 64


def _deep():
    """GAP → BatchNormalization → Dense(ReLU) → Dropout → Dense softmax, and beside it a sigmoid head."""
    import keras

    from networks.classifier import HeadSpec, RadiographClassifier

    keras.utils.set_random_seed(5)
    deep = HeadSpec(
        "class", "softmax", tuple(f"c{i}" for i in range(14)), batch_normalisation=True, hidden=(24,), dropout=0.4
    )
    classifier = RadiographClassifier(backbone="tiny", size=SIZE, heads=(deep, HeadSpec("more", "sigmoid", ("x", "y"))))
    random = np.random.default_rng(0)
    for layer in classifier.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([random.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    return classifier


def test_round_trip(tmp_path):
    import keras

    from networks.classifier import RadiographClassifier

    made = _deep()
    again = RadiographClassifier.from_config(made.get_config())
    assert again.get_config() == made.get_config()
    assert [w.shape for w in again.get_weights()] == [w.shape for w in made.get_weights()]
    made.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", compile=False)
    assert isinstance(loaded, RadiographClassifier)
    assert loaded.labels == made.labels
    for name, value in made(_batch(SIZE)).items():
        np.testing.assert_array_equal(loaded(_batch(SIZE))[name], value)


def test_the_pieces_are_the_whole():
    classifier = _deep()
    whole = classifier(_batch(SIZE))
    parts = classifier.head_model()(classifier.feature_extractor()(_batch(SIZE)))
    for name, value in whole.items():
        np.testing.assert_allclose(parts[name], value, rtol=1e-5, atol=1e-7)


def test_all_engines_run_a_deep_head(tmp_path):
    """Saved, exported, loaded by each engine, against the tape; any batch size; uint8 images only."""
    from networks.engines import make_engine
    from networks.export import write_bundle

    classifier = _deep()
    heads = [{"name": h.name, "kind": h.kind, "labels": h.labels, "temperature": 1.0} for h in classifier.heads]
    fields = {
        "name": "deep",
        "version": "1",
        "created": "2026-01-01T00:00:00Z",
        "heads": heads,
        "thresholds": {label: {"value": 0.5} for label in ("x", "y")},
        "preprocessing": {"size": SIZE},
    }
    bundle = write_bundle(tmp_path / "bundle", classifier, fields=fields, model_card="# Deep\n")
    batch = _batch(SIZE)
    five = np.concatenate([batch, batch[:2]])
    expected = _textbook(classifier, batch)
    outputs = classifier(batch)
    probabilities = np.concatenate([outputs["class"], outputs["more"]], axis=1)
    for name in INSTALLED:
        engine = make_engine(name, bundle, threads=1)
        engine.warm_up([1, 2])
        output = engine.run(batch)
        _close(output.class_activations, expected)
        np.testing.assert_allclose(output.probabilities, probabilities, atol=1e-5)
        for count in (1, 2, 5):
            part = engine.run(five[:count])
            assert part.class_activations.shape == (count, 16, 8, 8)
            np.testing.assert_allclose(part.probabilities[0], probabilities[0], atol=1e-5)
        for wrong in (batch.astype(np.float32), batch[:0], batch[..., 0], batch[:, :32]):
            with pytest.raises(ValueError, match="expected"):
                engine.run(wrong)


def test_a_network_that_is_not_the_manifests(tmp_path):
    """Damaged files, whose checksums agree, fail in the engine with an error of ours."""
    from networks.engines import make_engine

    fields = tiny_bundle(tmp_path / "bundle").manifest.model_dump()
    for name in INSTALLED:
        file = "model.keras" if name is EngineName.TENSORFLOW else "model.onnx"
        (tmp_path / "bundle" / file).write_bytes(b"nothing of the kind")
        bundle = write_manifest(tmp_path / "bundle", fields)
        with pytest.raises(EngineFailed, match="cannot be loaded"):
            make_engine(name, bundle)
    (tmp_path / "bundle" / "model.onnx").unlink()
    with pytest.raises(BundleInvalid):
        make_engine(EngineName.ONNXRUNTIME, write_manifest(tmp_path / "bundle", fields))


def test_calibration_is_inside_the_graph(tmp_path):
    """The temperature 1.5 of the tiny Bundle's fracture head flattens what Keras gives; the map stays the logit's."""
    import keras

    from networks.engines import make_engine

    bundle = tiny_bundle(tmp_path / "bundle")
    batch = _batch(SIZE)
    raw = np.asarray(keras.models.load_model(bundle.file("model.keras"), compile=False)(batch)["fracture"])[:, 0]
    output = make_engine(EngineName.ONNXRUNTIME, bundle).run(batch)
    logit = np.log(raw / (1 - raw))
    np.testing.assert_allclose(output.probabilities[:, 0], 1 / (1 + np.exp(-logit / 1.5)), atol=1e-5)
    np.testing.assert_allclose(output.probabilities[:, 1:].sum(axis=1), 1, atol=1e-5)
