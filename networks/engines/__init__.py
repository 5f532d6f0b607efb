"""Inference engines: one small interface, one module each; a module is imported only when its engine is asked for."""

from __future__ import annotations

from core.vocabulary import EngineName
from networks.bundle import Bundle
from networks.engines.engine import Engine, EngineOutput
from networks.engines.hierarchy import HierarchicalEngine
from networks.manifest import Part

__all__ = ["Engine", "EngineOutput", "make_engine"]


def make_engine(name: EngineName, bundle: Bundle, *, threads: int = 1) -> Engine:
    """The engine `name`, loaded with `bundle`, on `threads` CPU threads.

    Raises EngineFailed where the engine is not installed or cannot load the Bundle's network.
    """
    if bundle.manifest.routing is None:
        return _engine(name, bundle, bundle.manifest.part, threads=threads)
    return HierarchicalEngine(bundle, lambda part: _engine(name, bundle, part, threads=threads))


def _engine(name: EngineName, bundle: Bundle, part: Part, *, threads: int) -> Engine:
    if name is EngineName.ONNXRUNTIME:
        from networks.engines.onnx import OnnxEngine  # noqa: PLC0415 - not every image has it

        return OnnxEngine(bundle, part=part, threads=threads)
    from networks.engines.keras import KerasEngine  # noqa: PLC0415 - loads TensorFlow, seconds and hundreds of megabytes

    return KerasEngine(bundle, part=part, threads=threads)
