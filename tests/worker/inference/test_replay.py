"""Replay: the same bits where all is the same, and the name of what is not."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text
from uuid_utils.compat import uuid7

from core.errors import NotFound, ResultNotReady
from core.settings import Settings
from core.vocabulary import EngineName
from db.repositories import jobs
from db.session import Database
from networks.engines.onnx import OnnxEngine
from storage.s3 import S3Store
from storage.store import image_key
from tests.data import encoded, generated_radiograph
from tests.engines import needs_openvino
from tests.worker.factories import QUICK, add_job, publish
from tests.worker.inference.versions import ALWAYS, NEVER, another_version, publish_beside
from worker.inference.replay import Replayed, replay
from worker.inference.runtime import InferenceRuntime
from worker.inference.shutdown import ShutdownFlag


@pytest.fixture
def quick(settings: Settings, tmp_path: Path) -> Settings:
    return settings.model_copy(update={**QUICK, "bundle_cache": tmp_path / "bundles"})


@pytest.fixture
def runtime(quick: Settings, database: Database, store: S3Store, bundle: Path) -> Iterator[InferenceRuntime]:
    publish(database, store, bundle)
    made = InferenceRuntime(quick, stopping=ShutdownFlag())
    made.start()
    yield made
    made.close()


def finished(
    runtime: InferenceRuntime, database: Database, store: S3Store, site: UUID, *, count: int = 7
) -> list[UUID]:
    made = [add_job(database, store, site, seed=seed) for seed in range(count)]
    assert runtime.pipeline.drain(budget_s=60) is False
    return made


def batches(database: Database, site: UUID, made: list[UUID]) -> list[tuple[int, int]]:
    with database.unit_of_work() as session:
        produced = [jobs.result(session, site_id=site, job_id=job_id).produced_by for job_id in made]
    return [(entry["batch"], entry["position"]) for entry in produced]


def names(found: Replayed) -> dict[str, list[str]]:
    return {
        "conditions": [entry.what for entry in found.conditions],
        "figures": [entry.what for entry in found.figures],
        "files": [entry.what for entry in found.files],
    }


def test_on_a_cpu_radiographs_are_run_one_by_one(
    runtime: InferenceRuntime, database: Database, store: S3Store, site: UUID
) -> None:
    made = finished(runtime, database, store, site, count=3)
    assert batches(database, site, made) == [(1, 0)] * 3


def test_every_place_in_every_batch_is_reproduced(
    quick: Settings,
    runtime: InferenceRuntime,
    database: Database,
    store: S3Store,
    site: UUID,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(OnnxEngine, "pass_size", 8)
    made = finished(runtime, database, store, site)
    # Claims double while they come back full: batches of one, two and four.
    assert batches(database, site, made) == [(1, 0), (2, 0), (2, 1), (4, 0), (4, 1), (4, 2), (4, 3)]
    for job_id in made:
        found = replay(job_id, database=database, store=store, settings=quick)
        assert found.identical, names(found)
        assert names(found) == {"conditions": [], "figures": [], "files": []}
        assert found.compared["files"] == 1
        assert found.compared["figures"] > 15
    # The same image alone: the batch changes the last bits at most.
    alone = add_job(database, store, site, seed=6)
    with database.unit_of_work() as session:
        session.execute(text("UPDATE job SET stability = true WHERE id = :id"), {"id": alone})
    assert runtime.pipeline.drain(budget_s=60) is False
    with database.unit_of_work() as session:
        one, many = (jobs.result(session, site_id=site, job_id=job_id) for job_id in (alone, made[-1]))
        assert one.findings[0].probability == pytest.approx(many.findings[0].probability, abs=1e-6)
        assert one.region_probabilities == pytest.approx(many.region_probabilities, abs=1e-6)
        assert one.findings[0].stability is not None
    assert replay(alone, database=database, store=store, settings=quick).identical


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_tensorflow_is_reproduced_too(
    quick: Settings, database: Database, store: S3Store, site: UUID, tmp_path: Path
) -> None:
    from tests.bundles import tiny_bundle

    publish(database, store, tiny_bundle(tmp_path / "tiny").path)
    runtime = InferenceRuntime(quick.model_copy(update={"engine": EngineName.TENSORFLOW}), stopping=ShutdownFlag())
    runtime.start()
    try:
        made = finished(runtime, database, store, site, count=3)
    finally:
        runtime.close()
    assert batches(database, site, made) == [(1, 0), (2, 0), (2, 1)]
    # The settings name another engine: the recorded one is taken.
    for job_id in made:
        assert replay(job_id, database=database, store=store, settings=quick).identical
    other = replay(made[0], database=database, store=store, settings=quick, engine=EngineName.ONNXRUNTIME)
    assert [entry.what for entry in other.conditions] == ["engine"]
    assert all(entry.difference is None or entry.difference < 1e-4 for entry in other.figures)


@needs_openvino
def test_openvino_is_reproduced_too(
    quick: Settings, database: Database, store: S3Store, site: UUID, bundle: Path
) -> None:
    publish(database, store, bundle)
    runtime = InferenceRuntime(quick.model_copy(update={"engine": EngineName.OPENVINO}), stopping=ShutdownFlag())
    runtime.start()
    try:
        made = finished(runtime, database, store, site, count=3)
    finally:
        runtime.close()
    with database.unit_of_work() as session:
        result = jobs.result(session, site_id=site, job_id=made[0])
        assert result.engine == "openvino"
        assert result.produced_by["engine"] == f"openvino {importlib.metadata.version('openvino')}"
    # The settings name another engine: the recorded one is taken.
    for job_id in made:
        found = replay(job_id, database=database, store=store, settings=quick)
        assert found.identical, names(found)
        assert found.conditions == ()
    other = replay(made[0], database=database, store=store, settings=quick, engine=EngineName.ONNXRUNTIME)
    assert [entry.what for entry in other.conditions] == ["engine"]
    assert all(entry.difference is None or entry.difference < 1e-4 for entry in other.figures)


def test_what_differs_is_named(
    quick: Settings, runtime: InferenceRuntime, database: Database, store: S3Store, site: UUID
) -> None:
    (job_id,) = finished(runtime, database, store, site, count=1)
    with database.unit_of_work() as session:
        result = jobs.result(session, site_id=site, job_id=job_id)
        assert result.findings[0].explanation is not None
        session.execute(text("UPDATE finding SET probability = probability + 1e-9"))
        session.execute(text("UPDATE prediction SET rows = rows + 1"))
        session.execute(text("UPDATE explanation SET heatmap = 'another picture'"))
        changed = """UPDATE prediction SET produced_by = produced_by || '{"engine": "onnxruntime 0.1"}'"""
        session.execute(text(changed))
    found = replay(job_id, database=database, store=store, settings=quick)
    assert not found.identical
    assert names(found) == {
        "conditions": ["engine"],
        "figures": ["rows", "fracture.probability"],
        "files": ["fracture.png"],
    }
    rows, probability = found.figures
    assert (rows.recorded, rows.replayed, rows.difference) == (161, 160, 1)
    assert probability.difference is not None
    assert 0 < probability.difference < 2e-9


def test_an_input_that_is_not_what_it_was(
    quick: Settings, runtime: InferenceRuntime, database: Database, store: S3Store, site: UUID
) -> None:
    made = finished(runtime, database, store, site, count=2)
    with database.unit_of_work() as session:
        keys = [image_key(site, jobs.get(session, site_id=site, job_id=job_id).image.sha256) for job_id in made]
    store.put_bytes(keys[0], encoded(generated_radiograph(160, 120, seed=77)), content_type="image/png")
    store.delete([keys[1]])
    for job_id in made:
        found = replay(job_id, database=database, store=store, settings=quick)
        assert not found.identical
        (lost,) = found.figures
        assert (lost.what, str(lost.replayed).partition(":")[0]) == ("input", "input_integrity")


def test_another_model(
    quick: Settings,
    runtime: InferenceRuntime,
    database: Database,
    store: S3Store,
    site: UUID,
    bundle: Path,
    tmp_path: Path,
) -> None:
    (job_id,) = finished(runtime, database, store, site, count=1)
    publish_beside(database, store, another_version(bundle, tmp_path / "a", version="always", **ALWAYS))
    publish_beside(database, store, another_version(bundle, tmp_path / "n", version="never", **NEVER))
    name = json.loads((bundle / "bundle.json").read_text())["name"]
    decided = {}
    for version in ("always", "never"):
        found = replay(job_id, database=database, store=store, settings=quick, model=f"{name}@{version}")
        assert found.model["replayed"].startswith(f"{name}@{version} ")
        assert names(found)["conditions"] == ["model"]
        decided[version] = {entry.what: entry.replayed for entry in found.figures}
        assert decided[version].keys() <= {"fracture.threshold", "fracture.decision"}
        assert found.files == ()
    # The threshold differs in both; the decision in the one that the recorded one is not.
    assert (decided["always"]["fracture.threshold"], decided["never"]["fracture.threshold"]) == (0.0, 1.0)
    assert sum("fracture.decision" in figures for figures in decided.values()) == 1


def test_what_cannot_be_replayed(quick: Settings, database: Database, store: S3Store, site: UUID) -> None:
    with pytest.raises(NotFound):
        replay(uuid7(), database=database, store=store, settings=quick)
    with pytest.raises(ResultNotReady):
        replay(add_job(database, store, site), database=database, store=store, settings=quick)


def test_the_command(
    settings_env: dict[str, str], runtime: InferenceRuntime, database: Database, store: S3Store, site: UUID
) -> None:
    (job_id,) = finished(runtime, database, store, site, count=1)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sysconfig.get_path("scripts")) / "lucency"), "replay", *arguments]
        return subprocess.run(command, env=settings_env, capture_output=True, text=True, check=False, timeout=120)

    done = run(str(job_id), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["identical"] is True
    with database.unit_of_work() as session:
        session.execute(text("UPDATE finding SET probability = 0.5"))
    done = run(str(job_id))
    assert done.returncode == 3
    assert "fracture.probability: 0.5 → " in done.stdout
    for arguments in (("no-id",), (str(job_id), "--model", "nothing")):
        done = run(*arguments)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
