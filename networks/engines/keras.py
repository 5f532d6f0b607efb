"""The `tensorflow` engine: the Bundle's Keras model with its Grad-CAM, compiled once as a tf.function."""

from __future__ import annotations

from collections.abc import Iterable

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from core.errors import EngineFailed
from core.vocabulary import EngineName
from networks.bundle import Bundle
from networks.classifier import RadiographClassifier
from networks.engines.engine import EngineOutput, check_batch
from networks.grad_cam import ExplainedClassifier
from networks.manifest import Part


class KerasEngine:
    """TensorFlow, on a GPU where there is one. It runs `part` of the Bundle, or its only one."""

    name = EngineName.TENSORFLOW
    # As many as a claim brings: a pass of two costs little more than one of one.
    pass_size = 256

    def __init__(self, bundle: Bundle, *, part: Part | None = None, threads: int = 1) -> None:
        self.version = f"tensorflow {tf.__version__}"
        self._size = bundle.preprocessing.size
        set_threads(threads)
        self._explained = load_explained(bundle, part=part)
        self._run = tf.function(
            self._explained, input_signature=[tf.TensorSpec((None, self._size, self._size, 1), tf.uint8)]
        )

    def run(self, batch: NDArray[np.uint8]) -> EngineOutput:
        check_batch(batch, size=self._size)
        try:
            output = self._run(tf.convert_to_tensor(batch))
        except tf.errors.OpError as error:
            raise EngineFailed from error
        return EngineOutput(
            probabilities=output["probabilities"].numpy(),
            class_activations=output["class_activations"].numpy(),
            features=output["features"].numpy(),
        )

    def warm_up(self, batch_sizes: Iterable[int]) -> None:
        for count in batch_sizes:
            self.run(np.zeros((count, self._size, self._size, 1), dtype=np.uint8))


def load_explained(bundle: Bundle, *, part: Part | None = None) -> ExplainedClassifier:
    """The Keras model of `part` with calibration and Grad-CAM. Raises EngineFailed where it is not ours."""
    part = part or bundle.manifest.part
    try:
        classifier = keras.models.load_model(bundle.file(part.keras_model), compile=False)
    except (OSError, ValueError, TypeError) as error:
        raise EngineFailed("the Keras model cannot be loaded") from error
    described = tuple((head.name, head.kind, head.labels) for head in part.heads)
    if not isinstance(classifier, RadiographClassifier) or described != tuple(
        (head.name, head.kind, head.labels) for head in classifier.heads
    ):
        raise EngineFailed("the Keras model is not the one that the manifest describes")
    return ExplainedClassifier(
        classifier, temperatures={head.name: head.temperature for head in part.heads}, marginals=part.marginals
    )


def set_threads(threads: int) -> None:
    """Threads of this process' TensorFlow; without effect once it has run something."""
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        return
