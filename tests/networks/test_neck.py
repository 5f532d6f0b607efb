"""The neck and heads that peak: their grid, their Grad-CAM, and what survives a save."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from core.vocabulary import EngineName
from networks.bundle import Bundle
from networks.engines import make_engine
from tests.engines import GRAPH_ENGINES
from tests.networks.test_grad_cam import _close, _textbook

if TYPE_CHECKING:
    from networks.classifier import HeadSpec, RadiographClassifier

pytestmark = [
    pytest.mark.keras,
    # tf2onnx and Keras' saving, of NumPy and of themselves.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]

FRACTURES, REGIONS = ("fracture", "dislocation"), ("hand", "leg", "hip")


def peaking() -> HeadSpec:
    from networks.classifier import HeadSpec

    return HeadSpec("fracture", "sigmoid", FRACTURES, peaks=True, dropout=0.1)


def necked(size: int = 72) -> RadiographClassifier:
    import keras

    from networks.classifier import HeadSpec, NeckSpec, RadiographClassifier

    keras.utils.set_random_seed(3)
    neck = NeckSpec(layers=("tiny0_relu", "tiny1_relu"), channels=6)
    region = HeadSpec("region", "softmax", REGIONS, hidden=(8,))
    return RadiographClassifier(backbone="tiny", size=size, heads=(peaking(), region), neck=neck)


def images(count: int, *, size: int = 72) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 1), dtype=np.uint8)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    from networks.export import write_bundle

    fields = {
        "name": "necked",
        "version": "1",
        "created": "2026-01-01T00:00:00Z",
        "heads": [
            {"name": "fracture", "kind": "sigmoid", "labels": FRACTURES, "temperature": 1.5},
            {"name": "region", "kind": "softmax", "labels": REGIONS},
        ],
        "thresholds": {label: {"value": 0.5} for label in FRACTURES},
        "preprocessing": {"size": 72},
    }
    return write_bundle(tmp_path_factory.mktemp("necked") / "bundle", necked(), fields=fields, model_card="x")


@pytest.mark.parametrize("size", [64, 72, 68])
def test_the_grid_is_the_finest_levels(size: int) -> None:
    from networks.classifier import FEATURES, TOP

    classifier = necked(size)
    assert classifier.get_layer(FEATURES).output.shape[1:] == (-(-size // 2), -(-size // 2), 6)
    assert classifier.get_layer(TOP).output.shape[1] == -(-size // 8)


def test_one_strong_place_is_enough() -> None:
    import keras

    from networks.neck import PeakPooling

    pooling = PeakPooling()
    evidence = np.zeros((2, 5, 5, 1), dtype=np.float32)
    evidence[1, 3, 2, 0] = 12.0
    without, with_one = np.asarray(keras.ops.sigmoid(pooling(evidence)))[:, 0]
    assert without == pytest.approx(1 / (1 + np.exp(2.0)), abs=1e-5)
    assert with_one > 0.99


def test_class_activations_are_grad_cam_of_the_gradient_tape(bundle: Bundle) -> None:
    import keras

    classifier, batch = keras.models.load_model(bundle.file("model.keras"), compile=False), images(2)
    given = make_engine(EngineName.ONNXRUNTIME, bundle).run(batch).class_activations
    expected = _textbook(classifier, batch)
    for own in (slice(0, len(FRACTURES)), slice(len(FRACTURES), None)):
        _close(given[:, own], expected[:, own])


@pytest.mark.parametrize("graph_engine", GRAPH_ENGINES)
def test_engines_agree(bundle: Bundle, graph_engine: EngineName) -> None:
    batch = images(3)
    graph, keras_model = (make_engine(name, bundle).run(batch) for name in (graph_engine, EngineName.TENSORFLOW))
    np.testing.assert_allclose(graph.probabilities, keras_model.probabilities, atol=1e-5)
    assert graph.class_activations.shape == (3, 5, 36, 36)
    np.testing.assert_allclose(graph.class_activations, keras_model.class_activations, atol=1e-6)


def test_a_peaking_head_needs_a_neck() -> None:
    from networks.classifier import RadiographClassifier

    with pytest.raises(ValueError, match="needs a neck"):
        RadiographClassifier(backbone="tiny", size=64, heads=(peaking(),))


def test_there_is_no_model_of_heads_alone_behind_a_neck(tmp_path: Path) -> None:
    import keras

    classifier = necked()
    with pytest.raises(ValueError, match="pooled features"):
        classifier.head_model()
    classifier.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras", compile=False)
    for name, value in classifier(images(2)).items():
        np.testing.assert_allclose(again(images(2))[name], value, atol=1e-6)
