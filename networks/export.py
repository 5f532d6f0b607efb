"""Writing a Bundle: the Keras model, the serving graph with Grad-CAM in it, and the manifest."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import onnxruntime
import tensorflow as tf
import tf2onnx

from core.errors import BundleInvalid
from core.vocabulary import DISCLAIMER
from networks.bundle import KERAS_MODEL, MODEL_CARD, SERVING_GRAPH, Bundle, write_manifest
from networks.classifier import FEATURES, RadiographClassifier
from networks.engines.onnx import OUTPUTS, session_options
from networks.grad_cam import ExplainedClassifier

OPSET = 18
INPUT = "image"


def export_graph(classifier: RadiographClassifier, file: Path, *, temperatures: Mapping[str, float]) -> None:
    """Write the ONNX graph: one input (n, size, size, 1) uint8, n free; outputs as `ExplainedClassifier` gives them.

    Raises BundleInvalid where the exported graph is not of that form or disagrees with the Keras model.
    """
    explained = ExplainedClassifier(classifier, temperatures=temperatures)
    signature = [tf.TensorSpec((None, classifier.size, classifier.size, 1), tf.uint8, name=INPUT)]

    @tf.function(input_signature=signature)  # type: ignore[untyped-decorator, unused-ignore]
    def serve(image: Any) -> dict[str, Any]:
        return {name: tf.identity(value, name=name) for name, value in explained(image).items()}

    model, _ = tf2onnx.convert.from_function(serve, input_signature=signature, opset=OPSET)
    _name_outputs(model)
    onnx.checker.check_model(model)
    if len(model.graph.input) != 1 or {output.name for output in model.graph.output} != set(OUTPUTS):
        raise BundleInvalid("the exported graph has other inputs or outputs than intended")
    onnx.save(model, str(file))
    _assert_agreement(explained, file, size=classifier.size)


def write_bundle(
    folder: Path, classifier: RadiographClassifier, *, fields: Mapping[str, Any], model_card: str
) -> Bundle:
    """Write a whole Bundle into `folder`, which is emptied first, and return it verified.

    `fields` are the manifest's but for `files`, `explanation`, `disclaimer`; its heads' temperatures go into the graph.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    # Rebuilt from its config: without the optimizer's state, and with every layer trainable again.
    clean = RadiographClassifier.from_config({**classifier.get_config(), "trainable": True})
    clean.set_weights(classifier.get_weights())
    clean.save(folder / KERAS_MODEL)
    temperatures = {head["name"]: head.get("temperature", 1.0) for head in fields["heads"]}
    export_graph(clean, folder / SERVING_GRAPH, temperatures=temperatures)
    (folder / MODEL_CARD).write_text(model_card, encoding="utf-8")
    grid = clean.get_layer(FEATURES).output.shape[1:3]
    labels = clean.labels
    findings = tuple(label for head in clean.heads if head.kind == "sigmoid" for label in head.labels)
    explanation = {"layer": FEATURES, "grid": tuple(grid), "labels": labels, "default": findings or labels[:1]}
    return write_manifest(folder, {"disclaimer": DISCLAIMER, "explanation": explanation, **fields})


def _name_outputs(model: onnx.ModelProto) -> None:
    """tf2onnx may name outputs `Identity:0`; give them the names that the engine asks for, by their rank."""
    for output in model.graph.output:
        wanted = "probabilities" if len(output.type.tensor_type.shape.dim) == 2 else "class_activations"
        if output.name == wanted:
            continue
        for node in model.graph.node:
            node.output[:] = [wanted if name == output.name else name for name in node.output]
            node.input[:] = [wanted if name == output.name else name for name in node.input]
        output.name = wanted


def _assert_agreement(explained: ExplainedClassifier, file: Path, *, size: int) -> None:
    """The graph must give what Keras gives, for two different images at once and for one."""
    random = np.random.default_rng(0)
    batch = random.integers(0, 256, (2, size, size, 1), dtype=np.uint8)
    expected = {name: keras.ops.convert_to_numpy(value) for name, value in explained(batch).items()}
    session = onnxruntime.InferenceSession(str(file), session_options(threads=1), providers=["CPUExecutionProvider"])
    for images, rows in ((batch, slice(0, 2)), (batch[1:], slice(1, 2))):
        for name, value in zip(OUTPUTS, session.run(OUTPUTS, {session.get_inputs()[0].name: images}), strict=True):
            tolerance = 1e-4 * max(1e-6, float(np.abs(expected[name]).max()))
            if not np.allclose(value, expected[name][rows], rtol=0, atol=tolerance):
                raise BundleInvalid(f"the exported graph's {name} differ from the Keras model's")
