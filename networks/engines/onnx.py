"""The `onnxruntime` engine: the Bundle's exported graph. Never loads TensorFlow."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state

from core.errors import BundleInvalid, EngineFailed
from core.vocabulary import EngineName
from networks.bundle import Bundle
from networks.engines.engine import FIRST_OUTPUTS, OUTPUTS, EngineOutput, check_batch
from networks.manifest import Part

# ONNX Runtime's own exceptions have no base in common but Exception.
FAULTS: tuple[type[Exception], ...] = (
    RuntimeError,
    ValueError,
    *(
        value
        for value in vars(onnxruntime_pybind11_state).values()
        if isinstance(value, type) and issubclass(value, Exception)
    ),
)


class OnnxEngine:
    """ONNX Runtime on the CPU. It runs `part` of the Bundle, or its only one."""

    name = EngineName.ONNXRUNTIME
    # On a CPU one by one costs less than a batch, of time and of memory (docs/performance.md).
    pass_size = 1

    def __init__(self, bundle: Bundle, *, part: Part | None = None, threads: int = 1) -> None:
        self.version = f"onnxruntime {onnxruntime.__version__}"
        self._size = bundle.preprocessing.size
        try:
            self._session = onnxruntime.InferenceSession(
                str(bundle.file((part or bundle.manifest.part).serving_graph)),
                session_options(threads=threads),
                providers=["CPUExecutionProvider"],
            )
        except FAULTS as error:
            raise EngineFailed("the serving graph cannot be loaded") from error
        inputs = self._session.get_inputs()
        given = {output.name for output in self._session.get_outputs()}
        self._outputs = OUTPUTS if "features" in given else FIRST_OUTPUTS
        if len(inputs) != 1 or given != set(self._outputs):
            raise BundleInvalid("the serving graph's inputs or outputs are not those of this release")
        self._input = inputs[0].name

    def run(self, batch: NDArray[np.uint8]) -> EngineOutput:
        check_batch(batch, size=self._size)
        try:
            values = self._session.run(self._outputs, {self._input: batch})
        except FAULTS as error:
            raise EngineFailed from error
        return EngineOutput(**dict(zip(self._outputs, values, strict=True)))

    def warm_up(self, batch_sizes: Iterable[int]) -> None:
        for count in batch_sizes:
            self.run(np.zeros((count, self._size, self._size, 1), dtype=np.uint8))


@lru_cache(maxsize=1)
def _share_arena() -> None:
    """One arena for all sessions of this process, which run one at a time: each would keep the largest batch it saw."""
    memory = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    onnxruntime.create_and_register_allocator(memory, None)


def session_options(*, threads: int) -> onnxruntime.SessionOptions:
    """Options of a session that shares its cores with other processes, and its memory with others of this one."""
    _share_arena()
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    # Spinning threads win microseconds for this process and take the core from the decoders.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # A pattern is one more block for each batch size seen: 90 MB more for the default Bundle, and no quicker.
    options.enable_mem_pattern = False
    options.log_severity_level = 3
    return options
