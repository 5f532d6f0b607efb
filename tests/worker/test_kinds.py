"""Every kind of task over HTTP: upload → worker → result and overlay, with the figures that the engine itself gives."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import httpx2
import numpy as np
import pytest
from sqlalchemy import text

from core.settings import Settings
from core.vocabulary import EngineName
from db.session import Database
from imaging.decode import decode
from networks.bundle import MANIFEST_NAME, Bundle, write_manifest
from networks.engines import make_engine
from storage.s3 import S3Store
from tests.api.conftest import serve
from tests.bundles import KINDS, MURA_REGIONS, NIH_FINDINGS
from tests.data import encoded, generated_radiograph
from tests.worker.factories import QUICK, publish
from worker.runtime import InferenceRuntime
from worker.stopping import StopFlag

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
        decoded = decode(PICTURE, longest_side=self.bundle.preprocessing.source_longest_side)
        tensor, _ = self.bundle.preprocessing.apply(decoded.pixels)
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


Start = Callable[[Path], Stack]


@pytest.fixture
def start(settings: Settings, database: Database, store: S3Store, api_key: str) -> Iterator[Start]:
    with contextlib.ExitStack() as closing:

        def started(folder: Path) -> Stack:
            publish(database, store, folder)
            runtime = InferenceRuntime(settings.model_copy(update=QUICK), stopping=StopFlag())
            closing.callback(runtime.close)
            runtime.start()
            url, _ = closing.enter_context(serve(settings))
            headers = {"Authorization": f"Bearer {api_key}"}
            client = closing.enter_context(httpx2.Client(base_url=url, headers=headers, timeout=30))
            return Stack(client, runtime, Bundle.load(folder))

        yield started


def figures(result: dict[str, Any]) -> dict[str, float]:
    """Every probability in a result, by label."""
    findings = {finding["label"]: finding["probability"] for finding in result["findings"]}
    return findings | result["region"]["probabilities"] | (result["probabilities"] or {})


@pytest.mark.parametrize("kind", KINDS)
def test_served_over_http(start: Start, tiny_bundles: Callable[[str], Path], kind: str) -> None:
    stack = start(tiny_bundles(kind))
    result, expected = stack.result(), stack.expected()
    assert figures(result) == pytest.approx(expected, abs=1e-6)
    assert [finding["label"] for finding in result["findings"]] == list(stack.bundle.finding_labels)
    explained = [finding for finding in result["findings"] if finding["explanation"]]
    assert {finding["label"] for finding in explained} == set(stack.bundle.manifest.explanation.default)
    for finding in explained:
        stack.drawn(finding)
    assert all(finding["stability"] is None for finding in result["findings"])
    assert result["sanity"] is None


def test_a_model_without_region(start: Start, tiny_bundles: Callable[[str], Path], database: Database) -> None:
    stack = start(tiny_bundles("binary"))
    result = stack.result()
    assert result["region"] == {"label": None, "probability": None, "probabilities": {}}
    assert (result["routing"], result["probabilities"]) == (None, None)
    (finding,) = result["findings"]
    assert finding["three_way"] == {"decision": "refer", "coverage": 0.9, "lower": 0.001, "upper": 0.999}
    with database.unit_of_work() as session:
        unknown = "region IS NULL AND routing IS NULL AND probabilities IS NULL AND sanity IS NULL"
        assert session.execute(text(f"SELECT count(*) FROM prediction WHERE {unknown}")).scalar_one() == 1


def test_fourteen_classes_and_both_marginals(start: Start, tiny_bundles: Callable[[str], Path]) -> None:
    stack = start(tiny_bundles("classes"))
    result = stack.result(explain="abnormal,elbow.abnormal,hand")
    classes, regions = result["probabilities"], result["region"]["probabilities"]
    assert len(classes) == 14
    assert math.isclose(sum(classes.values()), 1, abs_tol=1e-5)
    assert set(regions) == set(MURA_REGIONS)
    assert result["region"]["label"] == max(regions, key=regions.__getitem__)
    abnormal, one_class, region = result["findings"]
    assert abnormal["probability"] == pytest.approx(sum(classes[f"{name}.abnormal"] for name in MURA_REGIONS), abs=1e-5)
    assert abnormal["three_way"]["decision"] == "positive"  # above limits of zero
    assert (one_class["label"], region["label"]) == ("elbow.abnormal", "hand")
    assert (one_class["three_way"], one_class["threshold"]) == (None, 0.5)
    heatmaps = [stack.drawn(finding)[1] for finding in (abnormal, one_class, region)]
    assert not np.array_equal(heatmaps[0], heatmaps[1])


def test_fourteen_findings(start: Start, tiny_bundles: Callable[[str], Path]) -> None:
    stack = start(tiny_bundles("multilabel"))
    result = stack.result(explain="pneumothorax,hernia")
    assert [finding["label"] for finding in result["findings"]] == list(NIH_FINDINGS)
    explained = [finding for finding in result["findings"] if finding["explanation"]]
    assert [finding["label"] for finding in explained] == ["pneumothorax", "hernia"]
    assert all(finding["three_way"] is None for finding in result["findings"])


@pytest.mark.parametrize("refer_below", [0.0, 1.0])
def test_the_route_is_kept(
    start: Start, tiny_bundles: Callable[[str], Path], tmp_path: Path, refer_below: float
) -> None:
    stack = start(with_refer_below(tiny_bundles("hierarchical"), tmp_path / "bundle", refer_below))
    result = stack.result(explain="fracture,elbow")
    region, routing = result["region"], result["routing"]
    assert routing == {
        "specialist": region["label"],
        "probability": region["probability"],
        "referred": refer_below == 1.0,
    }
    finding, explained_region = result["findings"]
    own = stack.bundle.manifest.routing.specialists[region["label"]]
    assert finding["threshold"] == own.thresholds["fracture"].value
    limits = own.conformal["fracture"]
    decided = "refer" if refer_below else limits.decide(finding["probability"]).value
    assert finding["three_way"] == {
        "decision": decided, "coverage": limits.coverage, "lower": limits.lower, "upper": limits.upper,
    }  # fmt: skip
    for one in (finding, explained_region):
        stack.drawn(one)


def with_refer_below(source: Path, folder: Path, value: float) -> Path:
    """The same hierarchy with another limit."""
    import shutil

    shutil.copytree(source, folder)
    fields = json.loads((folder / MANIFEST_NAME).read_text())
    fields["routing"]["refer_below"] = value
    del fields["format"], fields["files"]
    return write_manifest(folder, fields).path


@pytest.mark.parametrize("kind", ["binary", "multilabel", "classes"])
def test_predict_answers_in_two_words(start: Start, tiny_bundles: Callable[[str], Path], kind: str) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from tests.worker.factories import until

    stack = start(tiny_bundles(kind))
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(stack.client.post, "/predict", files={"file": ("a.png", PICTURE)})
        until(lambda: stack.runtime.pipeline.drain(budget_s=5) or asked.done())
        answer = asked.result()
    assert answer.status_code == 200, answer.text
    found, result = answer.json(), stack.client.get(answer.json()["result"]).json()
    positive = [finding for finding in result["findings"] if finding["decision"] == "positive"]
    first = max(positive or result["findings"], key=lambda finding: finding["probability"])
    assert found["prediction"] == (first["label"] if positive else f"no_{first['label']}")
    assert found["confidence"] == pytest.approx(first["probability"] if positive else 1 - first["probability"])
    assert found["three_way"] == (first["three_way"] and first["three_way"]["decision"])
    assert (found["region"], found["flags"]) == (result["region"]["label"], [])
