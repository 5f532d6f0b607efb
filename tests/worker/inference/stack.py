"""The API and a worker in one process, on the test's own servers, with a Bundle that was published before."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import httpx2
import numpy as np

from core.settings import Settings
from core.vocabulary import EngineName
from imaging.decode import decode
from networks.bundle import Bundle
from networks.engines import make_engine
from networks.preprocessing import Window
from tests.api.conftest import serve
from tests.data import encoded, generated_radiograph
from tests.worker.factories import QUICK
from worker.inference.runtime import InferenceRuntime
from worker.inference.shutdown import ShutdownFlag

PICTURE = encoded(generated_radiograph(320, 240, seed=5), "PNG")


@dataclass(frozen=True)
class Stack:
    """The API and a worker of this process, with `bundle` active; `drain` lets the worker run what is due."""

    client: httpx2.Client
    runtime: InferenceRuntime
    bundle: Bundle

    def submit(self, **fields: str) -> dict[str, Any]:
        answer = self.client.post("/v1/jobs", files={"file": ("a.png", PICTURE)}, data=fields)
        assert answer.status_code == 202, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def result(self, **fields: str) -> dict[str, Any]:
        """Submit, run, fetch."""
        job = self.submit(**fields)
        assert self.runtime.pipeline.drain(budget_s=60) is False
        answer = self.client.get(job["links"]["result"])
        assert answer.status_code == 200, self.client.get(job["links"]["self"]).text
        found: dict[str, Any] = answer.json()
        return found

    def expected(self) -> dict[str, float]:
        """What the engine says of the picture, without the platform."""
        tensor, _ = prepared(self.bundle)
        (row,) = make_engine(EngineName.ONNXRUNTIME, self.bundle).run(tensor[None]).probabilities
        return dict(zip(self.bundle.labels, map(float, row), strict=True))

    def drawn(self, finding: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        """The overlay, coloured, and the bare heatmap in the radiograph's size."""
        answers = [self.client.get(finding["explanation"][view]) for view in ("overlay", "heatmap")]
        assert {answer.headers["content-type"] for answer in answers} == {"image/png"}
        overlay, heatmap = (
            cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_UNCHANGED) for answer in answers
        )
        assert overlay.ndim == 3
        assert (overlay[..., 0] != overlay[..., 2]).any()
        assert (heatmap.shape, heatmap.dtype) == ((320, 240), np.uint16)
        return overlay, heatmap


@contextlib.contextmanager
def running(settings: Settings, api_key: str, folder: Path) -> Iterator[Stack]:
    """A Stack on the active model, whose Bundle lies in `folder` too."""
    runtime = InferenceRuntime(settings.model_copy(update=QUICK), stopping=ShutdownFlag())
    with contextlib.closing(runtime), serve(settings) as (url, _):
        runtime.start()
        with httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {api_key}"}, timeout=30) as client:
            yield Stack(client, runtime, Bundle.load(folder))


def figures(result: dict[str, Any]) -> dict[str, float]:
    """Every probability in a result, by label."""
    findings = {finding["label"]: finding["probability"] for finding in result["findings"]}
    return findings | result["region"]["probabilities"] | (result["probabilities"] or {})


def prepared(bundle: Bundle) -> tuple[np.ndarray, Window]:
    """The picture as the network takes it."""
    decoded = decode(PICTURE, longest_side=bundle.preprocessing.source_longest_side)
    return bundle.preprocessing.apply(decoded.pixels)
