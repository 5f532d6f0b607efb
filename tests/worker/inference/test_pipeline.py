"""Every outcome that a claim can have, on real servers, in this process."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from core.errors import NoActiveModel
from core.settings import Settings
from core.vocabulary import JobState
from db.repositories import jobs
from db.session import Database
from networks.bundle import Bundle
from networks.engines import EngineOutput
from networks.manifest import MANIFEST_NAME
from reports.heatmap import decode_heatmap
from storage.s3 import S3Store
from tests.data import encoded, generated_radiograph
from tests.imaging.field_cases import SCENE, SHAPES, TWELVE, WINDOW
from tests.imaging.reference import dicom
from tests.worker.factories import QUICK, add_job, job, publish, states, until
from tests.worker.proxy import Forwarder
from worker.inference.runtime import InferenceRuntime
from worker.inference.shutdown import ShutdownFlag


@pytest.fixture
def runtime(settings: Settings, database: Database, store: S3Store, bundle: Path) -> Iterator[InferenceRuntime]:
    publish(database, store, bundle)
    made = InferenceRuntime(settings.model_copy(update=QUICK), stopping=ShutdownFlag())
    made.start()
    yield made
    made.close()


def drain(runtime: InferenceRuntime) -> None:
    assert runtime.pipeline.drain(budget_s=60) is False


def test_results(runtime: InferenceRuntime, database: Database, store: S3Store, site: UUID) -> None:
    made = [add_job(database, store, site, seed=seed) for seed in range(11)]
    drain(runtime)
    assert states(database) == {JobState.SUCCEEDED: 11}
    with database.unit_of_work() as session:
        for job_id in made:
            result = jobs.result(session, site_id=site, job_id=job_id, heatmaps=True)
            assert (result.rows, result.columns) == (160, 120)
            # Of the radiograph alone: a letterbox would be a quarter of black.
            kept = result.input_statistics
            assert kept is not None
            assert (kept["aspect"], kept["longest_side"], kept["white"]) == (0.75, 160.0, 0.0)
            assert 0 < kept["p05"] <= kept["p50"] <= kept["p95"] <= 1
            phases = {"queued", "fetch", "decode", "preprocess", "infer", "explain", "total"}
            assert phases <= set(result.timings_ms)
            assert sum(result.timings_ms[name] for name in ("fetch", "decode", "infer")) <= result.timings_ms["total"]
            (finding,) = result.findings
            assert finding.label == "fracture"
            assert finding.explanation is not None
            assert finding.explanation.heatmap is not None
            assert decode_heatmap(finding.explanation.heatmap).max() in (0.0, 1.0)
    # A result is its transaction, and no object.
    assert list(store.list("out/")) == []


def test_pixels_that_are_not_square(runtime: InferenceRuntime, database: Database, store: S3Store, site: UUID) -> None:
    """Shown to the network, and kept, as a reader sees it; told of in stored pixels."""
    square = add_job(database, store, site, content=dicom(SCENE, **TWELVE, **WINDOW))
    flat = add_job(database, store, site, content=SHAPES["ratio 2 to 1"].file())
    drain(runtime)
    with database.unit_of_work() as session:
        one, other = (jobs.result(session, site_id=site, job_id=job_id) for job_id in (square, flat))
        assert ((one.rows, one.columns), (other.rows, other.columns)) == ((200, 160), (100, 160))
        assert one.window == other.window
        assert other.findings[0].probability == pytest.approx(one.findings[0].probability, abs=0.05)
        explanation = other.findings[0].explanation
        assert explanation is not None
        assert all(box["y"] + box["height"] <= 100 for box in explanation.regions)


def test_a_second_run_changes_nothing(
    runtime: InferenceRuntime, database: Database, store: S3Store, site: UUID
) -> None:
    job_id = add_job(database, store, site)
    drain(runtime)
    before = job(database, job_id)
    drain(runtime)
    after = job(database, job_id)
    assert (after.state, after.fence, after.finished_at) == (JobState.SUCCEEDED, 1, before.finished_at)


def test_bad_inputs_fail_alone(runtime: InferenceRuntime, database: Database, store: S3Store, site: UUID) -> None:
    whole = encoded(generated_radiograph(160, 120, seed=99))
    bad = {
        add_job(database, store, site, seed=1, put=False): "input_integrity",
        add_job(database, store, site, seed=2, stored=b"other"): "input_integrity",
        add_job(database, store, site, seed=3, stored=whole): "input_integrity",
    }
    damaged = add_job(database, store, site, content=whole[: len(whole) // 2])
    good = [add_job(database, store, site, seed=seed) for seed in range(10, 13)]
    drain(runtime)
    for job_id, code in bad.items():
        row = job(database, job_id)
        assert (row.state, row.error_code) == (JobState.FAILED, code)
    assert job(database, damaged).state == JobState.FAILED
    assert job(database, damaged).error_code in {"decode_failed", "image_truncated", "image_invalid"}
    assert {job(database, job_id).state for job_id in good} == {JobState.SUCCEEDED}


class Altered:
    """An engine that does something else for marked rows (the tests' own, beside the real one)."""

    def __init__(self, engine: Any, act: Any) -> None:
        self._engine, self._act = engine, act
        self.name, self.version, self.pass_size = engine.name, engine.version, 8
        self.batches: list[int] = []

    def run(self, batch: np.ndarray) -> EngineOutput:
        self.batches.append(len(batch))
        return self._act(batch, self._engine.run(batch))


def alter(runtime: InferenceRuntime, act: Any) -> Altered:
    models = runtime.claimer.models
    assert models.current is not None
    engine = Altered(models.current.engine, act)
    models.current = replace(models.current, engine=engine)
    return engine


def black(batch: np.ndarray) -> np.ndarray:
    return batch.reshape(len(batch), -1).max(axis=1) == 0


def test_nan_fails_its_row_only(runtime: InferenceRuntime, database: Database, store: S3Store, site: UUID) -> None:
    def act(batch: np.ndarray, output: EngineOutput) -> EngineOutput:
        probabilities = output.probabilities.copy()
        probabilities[black(batch)] = np.nan
        return EngineOutput(probabilities, output.class_activations)

    alter(runtime, act)
    poison = add_job(database, store, site, content=encoded(np.zeros((160, 120), np.uint8)))
    for seed in range(4):
        add_job(database, store, site, seed=seed)
    drain(runtime)
    assert job(database, poison).error_code == "model_output_invalid"
    assert states(database) == {JobState.SUCCEEDED: 4, JobState.FAILED: 1}


@pytest.mark.parametrize("error", [RuntimeError("engine"), MemoryError()])
def test_a_raising_engine_is_tried_one_by_one(
    runtime: InferenceRuntime, database: Database, store: S3Store, site: UUID, error: Exception
) -> None:
    def act(batch: np.ndarray, output: EngineOutput) -> EngineOutput:
        if black(batch).any():
            raise error
        return output

    engine = alter(runtime, act)
    for seed in range(3):
        add_job(database, store, site, seed=seed)
    poison = add_job(database, store, site, content=encoded(np.zeros((160, 120), np.uint8)), max_attempts=1)
    drain(runtime)
    assert max(engine.batches) > 1
    row = job(database, poison)
    assert (row.state, row.error_code, row.crash_count) == (JobState.DEAD, "engine_failed", 0)
    assert states(database) == {JobState.SUCCEEDED: 3, JobState.DEAD: 1}


def test_no_model_claims_nothing(settings: Settings, database: Database, store: S3Store, site: UUID) -> None:
    made = InferenceRuntime(settings, stopping=ShutdownFlag())
    made.start()
    try:
        add_job(database, store, site)
        with pytest.raises(NoActiveModel):
            made.pipeline.drain(budget_s=5)
        assert states(database) == {JobState.QUEUED: 1}
    finally:
        made.close()


def test_stopping_claims_nothing(
    settings: Settings, runtime: InferenceRuntime, database: Database, store: S3Store, site: UUID
) -> None:
    add_job(database, store, site)
    runtime.stopping.set()
    assert runtime.pipeline.drain(budget_s=5) is True
    assert states(database) == {JobState.QUEUED: 1}


def test_a_stale_result_is_refused(runtime: InferenceRuntime, database: Database, store: S3Store, site: UUID) -> None:
    job_id = add_job(database, store, site)

    def act(_batch: np.ndarray, output: EngineOutput) -> EngineOutput:
        # Another worker's fence, without this process having heard of it.
        from sqlalchemy import text

        with database.unit_of_work() as session:
            session.execute(text("UPDATE job SET fence = fence + 1 WHERE id = :id"), {"id": job_id})
        return output

    alter(runtime, act)
    drain(runtime)
    assert job(database, job_id).state == JobState.RUNNING
    assert list(store.list(f"out/{job_id}/")) == []


def another_version(bundle: Path, folder: Path) -> Path:
    """The same network under another version: another digest."""
    shutil.copytree(bundle, folder)
    manifest = json.loads((folder / MANIFEST_NAME).read_text())
    (folder / MANIFEST_NAME).write_text(json.dumps({**manifest, "version": "9.9.9"}))
    return folder


def test_another_model_is_taken_between_batches(
    runtime: InferenceRuntime, database: Database, store: S3Store, site: UUID, bundle: Path, tmp_path: Path
) -> None:
    before = runtime.claimer.models.current
    assert before is not None
    second = another_version(bundle, tmp_path / "second")

    def act(_batch: np.ndarray, output: EngineOutput) -> EngineOutput:
        if runtime.claimer.models.current is not None and len(engine.batches) == 1:
            publish(database, store, second)
        return output

    engine = alter(runtime, act)
    made = [add_job(database, store, site, seed=seed) for seed in range(20)]
    drain(runtime)
    assert states(database) == {JobState.SUCCEEDED: 20}
    with database.unit_of_work() as session:
        versions = [jobs.result(session, site_id=site, job_id=job_id).model_version.version for job_id in made]
    old = before.bundle.manifest.version
    assert set(versions) == {old, "9.9.9"}
    # In order of age: once the new one serves, the old one does not come back.
    assert versions == sorted(versions, key=lambda version: version == "9.9.9")
    assert runtime.claimer.models.digest == Bundle.load(second).digest


def test_a_store_that_is_away_is_waited_for(
    settings: Settings, database: Database, store: S3Store, site: UUID, bundle: Path
) -> None:
    publish(database, store, bundle)
    forwarder = Forwarder(settings.s3_endpoint)
    forwarder.open()
    quick = settings.model_copy(update={**QUICK, "s3_endpoint": forwarder.endpoint, "s3_timeout": 2.0})
    runtime = InferenceRuntime(quick, stopping=ShutdownFlag())
    runtime.start()
    try:
        job_id = add_job(database, store, site)
        forwarder.close()
        drain(runtime)
        row = job(database, job_id)
        assert (row.state, row.error_code) == (JobState.RETRY_WAIT, "store_unavailable")
        forwarder.open()

        def succeeded() -> bool:
            drain(runtime)
            return job(database, job_id).state == JobState.SUCCEEDED

        until(succeeded)
        assert job(database, job_id).fence > 1
    finally:
        forwarder.close()
        runtime.close()
