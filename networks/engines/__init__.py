"""Inference engines: one small interface, one module each; a module is imported only when its engine is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import EngineFailed
from core.vocabulary import EngineName
from networks.bundle import Bundle
from networks.engines.engine import Engine, EngineOutput
from networks.engines.hierarchy import HierarchicalEngine
from networks.manifest import Part

if TYPE_CHECKING:
    from networks.engines.keras import KerasEngine
    from networks.engines.onnx import OnnxEngine
    from networks.engines.openvino import OpenVinoEngine

__all__ = ["Engine", "EngineOutput", "make_engine"]


def make_engine(name: EngineName, bundle: Bundle, *, threads: int = 1) -> Engine:
    """The engine `name`, loaded with `bundle`, on `threads` CPU threads.

    Raises EngineFailed where the engine is not installed or cannot load the Bundle's network.
    """
    if bundle.manifest.routing is None:
        return _engine(name, bundle, bundle.manifest.part, threads=threads)
    return HierarchicalEngine(bundle, lambda part: _engine(name, bundle, part, threads=threads))


def _engine(name: EngineName, bundle: Bundle, part: Part, *, threads: int) -> Engine:
    try:
        made = _class(name)
    except ImportError as error:
        raise EngineFailed(f"the engine {name} is not installed") from error
    return made(bundle, part=part, threads=threads)


def _class(name: EngineName) -> type[KerasEngine] | type[OnnxEngine] | type[OpenVinoEngine]:
    match name:
        case EngineName.ONNXRUNTIME:
            from networks.engines.onnx import OnnxEngine  # noqa: PLC0415 - not every image has it

            return OnnxEngine
        case EngineName.OPENVINO:
            from networks.engines.openvino import OpenVinoEngine  # noqa: PLC0415 - an extra

            return OpenVinoEngine
        case EngineName.TENSORFLOW:
            from networks.engines.keras import KerasEngine  # noqa: PLC0415 - TensorFlow: seconds, hundreds of megabytes

            return KerasEngine
