"""The engines' ceiling, and what Grad-CAM costs on top of a prediction.

`python -m benchmarks.network BUNDLE TENSORS SECONDS ROUNDS` measures the `tensorflow` engine in a process of its own,
as JSON: TensorFlow's threads and memory are not this process's.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from benchmarks.timing import alternating, cpu_milliseconds
from core.settings import limit_threads
from core.vocabulary import EngineName
from imaging.decode import decode
from networks.bundle import Bundle
from networks.engines import make_engine
from networks.engines.onnx import session_options
from networks.manifest import SERVING_GRAPH

BATCHES = (1, 8)


def tensors(bundle: Bundle, files: Mapping[str, bytes]) -> NDArray[np.uint8]:
    """Real radiographs as the network takes them, (n, size, size, 1) uint8."""
    preprocessing = bundle.preprocessing
    decoded = [decode(data, longest_side=preprocessing.source_longest_side) for data in files.values()]
    return np.stack([preprocessing.apply(one.pixels)[0] for one in decoded])


def batch_of(images: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
    return np.ascontiguousarray(np.resize(images, (count, *images.shape[1:])))


def onnx_grad_cam(
    bundle: Bundle, images: NDArray[np.uint8], *, seconds: float, rounds: int
) -> dict[str, list[dict[str, float]]]:
    """The serving graph against the same graph cut off at `probabilities`; both as sessions of the engine's options.

    By batch size, each of the rounds, of `seconds` each.
    """
    import onnx  # noqa: PLC0415 - this measurement only

    graph = onnx.load(str(bundle.file(SERVING_GRAPH)))
    cut = onnx.utils.Extractor(graph).extract_model([graph.graph.input[0].name], ["probabilities"])
    plain = onnxruntime.InferenceSession(
        cut.SerializeToString(), session_options(threads=1), providers=["CPUExecutionProvider"]
    )
    if [output.name for output in plain.get_outputs()] != ["probabilities"]:
        raise RuntimeError("the graph was not cut")
    engine = make_engine(EngineName.ONNXRUNTIME, bundle, threads=1)
    name = plain.get_inputs()[0].name

    def compared(batch: NDArray[np.uint8]) -> dict[str, float]:
        return alternating(
            {"prediction": lambda: plain.run(None, {name: batch}), "with_grad_cam": lambda: engine.run(batch)},
            seconds=seconds,
        )

    return {
        f"b{count}": [summary(compared(batch_of(images, count)), count) for _ in range(rounds)] for count in BATCHES
    }


def openvino_to_onnxruntime(bundle: Bundle, images: NDArray[np.uint8], *, seconds: float) -> dict[str, float]:
    """A radiograph on one thread: CPU time, and how far the probabilities are apart.

    In turns of several radiographs: the two networks' weights do not lie in a processor's cache together.
    """
    names = (EngineName.ONNXRUNTIME, EngineName.OPENVINO)
    onnx, openvino = (make_engine(name, bundle, threads=1) for name in names)
    turn = [image[None] for image in batch_of(images, 10)]
    pair = {
        "onnxruntime": lambda: [onnx.run(image) for image in turn],
        "openvino": lambda: [openvino.run(image) for image in turn],
    }
    medians = alternating(pair, seconds=seconds, measure=cpu_milliseconds)
    apart = np.abs(onnx.run(images).probabilities - openvino.run(images).probabilities)
    return {
        **{f"{name}_cpu_ms": round(value / len(turn), 3) for name, value in medians.items()},
        "ratio": round(medians["onnxruntime"] / medians["openvino"], 4),
        "probabilities_apart": float(apart.max()),
    }


def keras_grad_cam(bundle: Bundle, images: NDArray[np.uint8], *, seconds: float, rounds: int) -> dict[str, Any]:
    """One tf.function for the prediction alone, the engine for both; and Keras' predict and the textbook's tape."""
    import keras  # noqa: PLC0415 - loads TensorFlow
    import tensorflow as tf  # noqa: PLC0415

    from networks.classifier import FEATURES  # noqa: PLC0415
    from networks.manifest import KERAS_MODEL  # noqa: PLC0415

    engine = make_engine(EngineName.TENSORFLOW, bundle, threads=1)
    classifier = keras.models.load_model(bundle.file(KERAS_MODEL), compile=False)
    size = bundle.preprocessing.size
    predict = tf.function(
        lambda image: classifier(image, training=False),
        input_signature=[tf.TensorSpec((None, size, size, 1), tf.uint8)],
    )
    explained = keras.Model(classifier.inputs, [classifier.get_layer(FEATURES).output, classifier.outputs])

    def prediction(batch: NDArray[np.uint8]) -> None:
        for output in tf.nest.flatten(predict(tf.convert_to_tensor(batch))):
            output.numpy()

    def textbook(batch: NDArray[np.uint8]) -> None:
        classifier.predict(batch, verbose=0)
        with tf.GradientTape() as tape:
            features, heads = explained(tf.convert_to_tensor(batch), training=False)
            score = tf.nest.flatten(heads)[0][:, 0]
        weights = tf.reduce_mean(tape.gradient(score, features), axis=(1, 2), keepdims=True)
        tf.nn.relu(tf.reduce_sum(features * weights, axis=-1)).numpy()

    measured: dict[str, Any] = {}
    for count in BATCHES:
        batch = batch_of(images, count)
        pair = {"prediction": lambda: prediction(batch), "with_grad_cam": lambda: engine.run(batch)}  # noqa: B023
        measured[f"b{count}"] = [summary(alternating(pair, seconds=seconds), count) for _ in range(rounds)]
    one = batch_of(images, 1)
    measured["textbook_b1_ms"] = alternating({"textbook": lambda: textbook(one)}, seconds=seconds)["textbook"]
    return measured


def summary(medians: dict[str, float], count: int) -> dict[str, float]:
    """Medians in ms, their ratio, and images per second with Grad-CAM."""
    plain, both = medians["prediction"], medians["with_grad_cam"]
    return {
        "prediction_ms": round(plain, 3),
        "prediction_and_grad_cam_ms": round(both, 3),
        "ratio": round(both / plain, 4),
        "images_per_s": round(1000 * count / both, 1),
    }


def main(bundle: str, images: str, seconds: str, rounds: str) -> None:
    limit_threads(1)
    network = Bundle.load(Path(bundle))
    measured = keras_grad_cam(network, np.load(images), seconds=float(seconds), rounds=int(rounds))
    json.dump(measured, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
