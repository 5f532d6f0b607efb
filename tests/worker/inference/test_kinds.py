"""Every kind of task over HTTP: upload → worker → result and overlay, with the figures that the engine itself gives."""

from __future__ import annotations

import contextlib
import json
import math
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from sqlalchemy import text

from core.errors import BundleInvalid
from core.settings import Settings
from core.vocabulary import EngineName, SanityFlag
from db.session import Database
from networks.bundle import SANITY, Bundle, write_manifest
from networks.engines import make_engine
from networks.image_statistics import STATISTICS
from networks.manifest import MANIFEST_NAME
from networks.sanity import SanityModel
from networks.stability import agreement, shifted
from storage.s3 import S3Store
from tests.bundles import KINDS, MURA_REGIONS, NIH_FINDINGS
from tests.worker.factories import publish
from tests.worker.inference.stack import PICTURE, Stack, figures, prepared, running
from worker.inference.models import BundleCache, Models

Start = Callable[[Path], Stack]


@pytest.fixture
def start(settings: Settings, database: Database, store: S3Store, api_key: str) -> Iterator[Start]:
    with contextlib.ExitStack() as closing:

        def started(folder: Path) -> Stack:
            publish(database, store, folder)
            return closing.enter_context(running(settings, api_key, folder))

        yield started


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


@pytest.mark.parametrize("kind", ["regional", "hierarchical", "multilabel"])
def test_stability_is_measured_for_the_jobs_that_ask(
    start: Start, tiny_bundles: Callable[[str], Path], kind: str
) -> None:
    stack = start(tiny_bundles(kind))
    batches: list[int] = []
    models = stack.runtime.claimer.models
    engine = models.current.engine

    class Counted:
        name, version, pass_size = engine.name, engine.version, engine.pass_size

        def run(self, batch: np.ndarray) -> Any:
            batches.append(len(batch))
            return engine.run(batch)

    models.current = replace(models.current, engine=Counted())
    plain, asked = stack.submit(), stack.submit(stability="true")
    assert (plain["stability"], asked["stability"]) == (False, True)
    assert stack.runtime.pipeline.drain(budget_s=60) is False
    results = [stack.client.get(job["links"]["result"]).json() for job in (plain, asked)]
    tensor, window = prepared(stack.bundle)
    shifts = shifted(tensor, window)
    # One pass over both, or one each; and one more over the shifts of the one that asked.
    assert sum(batches) == 2 + len(shifts)
    answers = make_engine(EngineName.ONNXRUNTIME, stack.bundle).run(shifts).probabilities
    for without, scored in zip(*(result["findings"] for result in results), strict=True):
        assert without["stability"] is None
        column = answers[:, stack.bundle.labels.index(scored["label"])]
        expected = agreement(scored["probability"], column, scored["threshold"])
        assert scored["stability"] == pytest.approx(expected, abs=1e-4)
    assert "stability" in results[1]["timings_ms"]
    assert "stability" not in results[0]["timings_ms"]
    with pytest.raises(AssertionError, match="stability must be true or false"):
        stack.submit(stability="perhaps")


def sanity_of(bundle: Bundle, features: np.ndarray, *, limit: float) -> SanityModel:
    """Fitted by hand: everything is measured about the given features."""
    random = np.random.default_rng(0)

    def space(name: str, centre: np.ndarray, axes: int) -> dict[str, np.ndarray]:
        basis = np.linalg.qr(random.normal(size=(len(centre), axes)))[0].T
        return {
            f"{name}_mean": centre,
            f"{name}_scale": np.ones(len(centre)),
            f"{name}_centre": np.zeros(len(centre)),
            f"{name}_axes": basis,
            f"{name}_deviation": np.ones(axes),
        }

    arrays = space("features", features, 4) | space("picture", np.zeros(STATISTICS), 4)
    arrays |= {"probes": random.normal(size=(3, 4 + STATISTICS)), "bias": np.zeros(3)}
    arrays |= {"origin": np.zeros(6), "unit": np.ones(6)}
    whole = {name: values.astype(np.float32) for name, values in arrays.items()}
    limits = dict.fromkeys(SanityFlag, limit)
    return SanityModel.of_arrays(whole, size=bundle.preprocessing.size, limits=limits)


@pytest.mark.parametrize("limit", [1e6, -1e6])
def test_what_is_not_accepted_is_referred(
    start: Start, tiny_bundles: Callable[[str], Path], tmp_path: Path, limit: float
) -> None:
    """The verdict on the features of the same pass, and what it does to decisions that the limits would have made."""
    folder = tmp_path / "bundle"
    shutil.copytree(tiny_bundles("classes"), folder)
    plain = Bundle.load(folder)
    tensor, window = prepared(plain)
    features = make_engine(EngineName.ONNXRUNTIME, plain).run(tensor[None]).features[0]
    model = sanity_of(plain, features * 1.01, limit=limit)
    np.savez(folder / SANITY, **model.arrays())
    fields = plain.manifest.model_dump(mode="json", exclude={"format", "files"})
    write_manifest(folder, fields | {"sanity": {"limits": dict.fromkeys(SanityFlag, limit), "rule": "for tests"}})
    stack = start(folder)
    expected = SanityModel.load(stack.bundle).judge(features, tensor, window=window, rows=320, columns=240)
    result = stack.result()
    accepted = limit > 0
    assert expected.accepted is accepted
    assert result["sanity"]["accepted"] is accepted
    assert [flag["code"] for flag in result["sanity"]["flags"]] == [flag.flag for flag in expected.raised]
    assert len(expected.raised) == (0 if accepted else len(SanityFlag))
    for shown, flag in zip(result["sanity"]["flags"], expected.raised, strict=True):
        assert shown["score"] == pytest.approx(flag.score, abs=1e-2)
        assert shown["limit"] == limit
    (finding,) = result["findings"]
    assert finding["decision"] == "positive" if finding["probability"] >= 0.5 else "negative"
    assert finding["three_way"]["decision"] == ("positive" if accepted else "refer")
    assert finding["three_way"]["coverage"] == 0.9


def test_scores_of_another_network_are_refused(
    settings: Settings, database: Database, store: S3Store, tiny_bundles: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(tiny_bundles("binary"), folder)
    plain = Bundle.load(folder)
    np.savez(folder / SANITY, **sanity_of(plain, np.zeros(17), limit=1.0).arrays())
    fields = plain.manifest.model_dump(mode="json", exclude={"format", "files"})
    write_manifest(folder, fields | {"sanity": {"limits": dict.fromkeys(SanityFlag, 1.0)}})
    publish(database, store, folder)
    models = Models(cache=BundleCache(tmp_path / "cache", store), settings=settings)
    with pytest.raises(BundleInvalid, match="another network"):
        models.load(uuid4(), Bundle.load(folder).digest)
    assert models.current is None


def with_refer_below(source: Path, folder: Path, value: float) -> Path:
    """The same hierarchy with another limit."""
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
