"""The inference engines, for tests. One is an extra: where it is not installed, its tests skip and say so."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from core.vocabulary import EngineName

_HAS_OPENVINO = find_spec("openvino") is not None
needs_openvino = pytest.mark.skipif(not _HAS_OPENVINO, reason="openvino is not installed: it is an extra")

INSTALLED = tuple(name for name in EngineName if _HAS_OPENVINO or name is not EngineName.OPENVINO)
# Those that run the exported graph, and all of them, for parametrize.
GRAPH_ENGINES = (EngineName.ONNXRUNTIME, pytest.param(EngineName.OPENVINO, marks=needs_openvino))
ENGINES = (*GRAPH_ENGINES, EngineName.TENSORFLOW)
