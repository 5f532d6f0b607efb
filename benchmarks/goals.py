"""The goals, and whether a run reached them. The figures' names are those of docs/performance.md."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.figures import LEAST_ROUNDS, Figure

# A short run's figure may be this much worse than that of the last whole run: it has few samples, and other neighbours.
GUARD = 0.8


@dataclass(frozen=True, slots=True)
class Goal:
    """`ratio`: two things of one run are compared, so that another machine gives about the same figure.

    `once`: it is counted, or is as great as it became: rounds would say nothing more.
    """

    text: str
    sign: str
    bound: float
    ratio: bool = True
    once: bool = False


GOALS = {
    "worker_to_ideal.jpeg": Goal("worker ÷ ideal worker, JPEG", ">=", 0.75),
    "worker_to_ideal.raw_dicom": Goal("worker ÷ ideal worker, raw DICOM of 10 MB, the whole file", ">=", 0.65),
    "worker_to_ideal.jpeg_2000": Goal("worker ÷ ideal worker, JPEG 2000, the whole file", ">=", 0.80),
    "worker_to_ideal.jpeg_lossless": Goal("worker ÷ ideal worker, lossless JPEG, the whole file", ">=", 0.80),
    "worker_to_ideal.raw_dicom_copy": Goal("the same, raw DICOM with the copy that intake leaves", ">=", 0.65),
    "platform_to_stateless.jpeg": Goal("platform ÷ stateless server, 32 clients, JPEG", ">=", 0.55),
    "platform_to_stateless.raw_dicom": Goal("platform ÷ stateless server, 32 clients, raw DICOM", ">=", 0.40),
    "exchange_cpu_to_before.jpeg": Goal("CPU of an exchange ÷ before, JPEG", "<=", 0.65),
    "exchange_cpu_to_before.raw_dicom": Goal("CPU of an exchange ÷ before, raw DICOM", "<=", 0.5),
    "submit_to_put": Goal("CPU of a submit of 1 MB ÷ of a bare put, all processes of both", "<=", 5.0),
    "submit_statements": Goal("statements of a submit, BEGIN and COMMIT with them", "<=", 10, ratio=False, once=True),
    "submit_commits": Goal("transactions of a submit that write", "<=", 1, ratio=False, once=True),
    "job_commits": Goal("transactions that write, of a job in all", "<=", 4, ratio=False, once=True),
    "worker_ready_s": Goal("worker's start to ready, s", "<=", 2.2, ratio=False),
    "worker_child_mb": Goal("memory of a worker's child with its model, MB", "<=", 300, ratio=False, once=True),
    "api_mb": Goal("memory of the API after the loads, MB", "<=", 200, ratio=False, once=True),
    "grad_cam.onnxruntime.b1": Goal("prediction + Grad-CAM ÷ prediction, ONNX Runtime, one by one", "<=", 1.05),
    "grad_cam.onnxruntime.b8": Goal("the same, batches of 8", "<=", 1.05),
    "grad_cam.tensorflow.b1": Goal("the same, TensorFlow, one by one", "<=", 1.05),
    "grad_cam.tensorflow.b8": Goal("the same, TensorFlow, batches of 8", "<=", 1.05),
    "poll_p99_ms": Goal("poll, p99 beside a busy worker, ms", "<=", 50, ratio=False),
    "backlog.queued": Goal("cost of a job beside 1,000,000 waiting ÷ beside 1,000", "<=", 1.1),
    "backlog.succeeded": Goal("cost of a job beside 1,000,000 done ÷ beside 1,000", "<=", 1.1),
    "claims_and_finishes_per_s": Goal("claims and finishes a second, in batches", ">=", 2000, ratio=False),
    "workers.2": Goal("two workers ÷ twice one, simulated device", ">=", 0.95),
    "workers.4": Goal("four workers ÷ four times one, simulated device", ">=", 0.95),
    "http_faults": Goal("errors and late answers over HTTP", "<=", 0, ratio=False, once=True),
    "same_probability": Goal("greatest difference of a probability from before", "<=", 1e-4, ratio=False, once=True),
    "same_heatmap": Goal("heatmaps that differ from before", "<=", 0, ratio=False, once=True),
}


@dataclass(frozen=True, slots=True)
class Judged:
    """One figure against its bound: the goal's, or of a short run what it may not fall below."""

    name: str
    text: str
    sign: str
    bound: float
    value: float
    least: float
    greatest: float
    rounds: int
    met: bool

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def judge(figures: Mapping[str, Figure]) -> list[Judged]:
    """Every goal whose figure this run has. One of too few rounds is missed."""
    return [
        _judged(name, goal, figures[name], goal.bound, least_rounds=1 if goal.once else LEAST_ROUNDS)
        for name, goal in GOALS.items()
        if name in figures
    ]


def guard(figures: Mapping[str, Figure], reached: Mapping[str, float]) -> list[Judged]:
    """The ratios of a short run against what the last whole one reached."""
    judged = []
    for name, goal in GOALS.items():
        if name in figures and name in reached and goal.ratio:
            bound = reached[name] * GUARD if goal.sign == ">=" else reached[name] / GUARD
            judged.append(_judged(name, goal, figures[name], bound, least_rounds=1))
    return judged


def reached(results: Path) -> dict[str, float]:
    """The figures of the last whole run that is kept in the folder `results`."""
    runs = sorted(results.glob("*-run.json"))
    kept = json.loads(runs[-1].read_text()) if runs else {}
    return {name: float(found["value"]) for name, found in kept.get("figures", {}).items()}


def _judged(name: str, goal: Goal, figure: Figure, bound: float, *, least_rounds: int) -> Judged:
    reaches = figure.value <= bound if goal.sign == "<=" else figure.value >= bound
    enough = len(figure.rounds) >= least_rounds
    low, high = figure.spread
    return Judged(name, goal.text, goal.sign, bound, figure.value, low, high, len(figure.rounds), reaches and enough)
