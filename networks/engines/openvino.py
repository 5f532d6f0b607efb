"""The `openvino` engine: the Bundle's exported graph in float32, compiled for one image. Never loads TensorFlow."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from functools import lru_cache
from importlib.metadata import version
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray
from openvino import opset13 as operations
from openvino.frontend import (
    FrontEndManager,
    GeneralFailure,
    InitializationFailure,
    NotImplementedFailure,
    OpConversionFailure,
    OpValidationFailure,
)

from core.errors import BundleInvalid, EngineFailed
from core.vocabulary import EngineName
from networks.bundle import Bundle
from networks.engines.engine import FIRST_OUTPUTS, OUTPUTS, EngineOutput, check_batch
from networks.manifest import Part

# Those that readers of graphs raise have no base in common but Exception.
FAULTS: tuple[type[Exception], ...] = (
    RuntimeError,
    ValueError,
    GeneralFailure,
    InitializationFailure,
    NotImplementedFailure,
    OpConversionFailure,
    OpValidationFailure,
)


class OpenVinoEngine:
    """OpenVINO on the CPU. It runs `part` of the Bundle, or its only one."""

    name = EngineName.OPENVINO
    # The network is compiled for one radiograph: with a batch of any size it is slower than ONNX Runtime.
    pass_size = 1

    def __init__(self, bundle: Bundle, *, part: Part | None = None, threads: int = 1) -> None:
        self.version = f"openvino {version('openvino')}"
        self._size = bundle.preprocessing.size
        try:
            # OpenVINO's general reader would try what is no ONNX graph as one of TensorFlow's, and of others.
            frontend = FrontEndManager().load_by_framework("onnx")
            graph = frontend.convert(frontend.load(str(bundle.file((part or bundle.manifest.part).serving_graph))))
        except FAULTS as error:
            raise EngineFailed("the serving graph cannot be loaded") from error
        given = {output.any_name for output in graph.outputs}
        self._outputs = OUTPUTS if "features" in given else FIRST_OUTPUTS
        if len(graph.inputs) != 1 or given != set(self._outputs):
            raise BundleInvalid("the serving graph's inputs or outputs are not those of this release")
        try:
            graph.reshape([1, self._size, self._size, 1])
            _copy_channels_by_product(graph)
            self._request = _core().compile_model(graph, "CPU", options(threads=threads)).create_infer_request()
        except FAULTS as error:
            raise EngineFailed("the serving graph cannot be loaded") from error
        # A request holds its tensors: one thread at a time.
        self._lock = threading.Lock()

    def run(self, batch: NDArray[np.uint8]) -> EngineOutput:
        check_batch(batch, size=self._size)
        try:
            with self._lock:
                rows = [self._run_one(batch[index : index + 1]) for index in range(len(batch))]
        except FAULTS as error:
            raise EngineFailed from error
        return EngineOutput(**{name: np.concatenate([row[name] for row in rows]) for name in self._outputs})

    def _run_one(self, image: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Copies: the next radiograph is written over the request's tensors."""
        self._request.infer([image], share_outputs=True)
        return {name: self._request.get_tensor(name).data.copy() for name in self._outputs}

    def warm_up(self, batch_sizes: Iterable[int]) -> None:
        """A network of one shape is warm after one radiograph."""
        for _ in batch_sizes:
            self.run(np.zeros((1, self._size, self._size, 1), dtype=np.uint8))
            return


def options(*, threads: int) -> dict[str, Any]:
    """Options of a network that shares its cores with other processes."""
    return {
        # Where the processor has bfloat16, that is the default: it moves probabilities by up to 0.04.
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": "1",
        # Two processes of one thread each would be pinned to the same core.
        "ENABLE_CPU_PINNING": False,
    }


@lru_cache(maxsize=1)
def _core() -> openvino.Core:
    """One for all networks of this process."""
    return openvino.Core()


def _copy_channels_by_product(graph: openvino.Model) -> None:
    """Make three channels of one by a product with ones: the same bits, within the layer that scales the pixels.

    Our graphs join the grey channel with itself; OpenVINO does that by plain loops, 4 % of the default network's time.
    """
    for node in graph.get_ordered_ops():
        if node.get_type_name() != "Concat":
            continue
        source, shape = node.input_value(0), node.get_output_partial_shape(0)
        if shape.is_dynamic or any(value != source for value in node.input_values()):
            continue
        axis = node.get_attributes()["axis"] % len(shape)
        if source.get_shape()[axis] != 1:
            continue
        ones = np.ones([length if index == axis else 1 for index, length in enumerate(shape.to_shape())])
        product = operations.multiply(source, operations.constant(ones, dtype=source.get_element_type()))
        for target in node.output(0).get_target_inputs():
            target.replace_source_output(product.output(0))
