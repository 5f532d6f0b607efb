"""The engine's ceiling, and what Grad-CAM costs on top of a prediction."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime

from core.vocabulary import EngineName
from networks.bundle import SERVING_GRAPH, Bundle
from networks.engines import make_engine
from networks.engines.onnx import session_options


def milliseconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - started)


def ceiling(bundle: Bundle, *, rounds: int) -> dict[str, float]:
    """Images per second of each installed engine, batches of one and eight, one thread."""
    size, measured = bundle.preprocessing.size, {}
    for name in EngineName:
        engine = make_engine(name, bundle, threads=1)
        for count in (1, 8):
            batch = np.zeros((count, size, size, 1), np.uint8)
            engine.warm_up([count])
            measured[f"{name}_b{count}"] = (
                1000
                * count
                / statistics.median(
                    milliseconds(lambda engine=engine, batch=batch: engine.run(batch)) for _ in range(rounds)
                )
            )
    return measured


def grad_cam(bundle: Bundle, *, rounds: int) -> dict[str, float]:
    """The same graph and batch, with all outputs and with probabilities only, alternating; medians in ms."""
    session = onnxruntime.InferenceSession(
        str(bundle.file(SERVING_GRAPH)), session_options(threads=1), providers=["CPUExecutionProvider"]
    )
    # ONNX Runtime computes only what the asked outputs need when the graph is pruned to them; asking for fewer outputs
    # prunes at run time.
    size = bundle.preprocessing.size
    batch = {session.get_inputs()[0].name: np.random.default_rng(0).integers(0, 255, (8, size, size, 1), np.uint8)}
    plain, explained = [], []
    for _ in range(rounds + 3):
        plain.append(milliseconds(lambda: session.run(["probabilities"], batch)))
        explained.append(milliseconds(lambda: session.run(["probabilities", "class_activations"], batch)))
    one, both = statistics.median(plain[3:]), statistics.median(explained[3:])
    return {"prediction_ms": one, "prediction_and_grad_cam_ms": both, "ratio": both / one}
