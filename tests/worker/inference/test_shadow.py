"""Shadows: judged on a sample, after the job, when there is time; never in its way and never shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select
from uuid_utils.compat import uuid7

from core.settings import Settings
from core.vocabulary import JobState
from db.repositories import jobs, model_versions, shadow_predictions
from db.session import Database
from db.tables import ShadowPrediction
from networks.manifest import MANIFEST_NAME
from storage.s3 import S3Store
from tests.worker.factories import QUICK, add_job, publish, states, until
from tests.worker.inference.versions import ALWAYS, NEVER, another_version, break_stored, publish_beside
from worker.inference.runtime import InferenceRuntime
from worker.inference.shadow import BUFFER, in_sample
from worker.inference.shutdown import ShutdownFlag


@pytest.fixture
def runtime(settings: Settings, database: Database, store: S3Store, bundle: Path) -> Iterator[InferenceRuntime]:
    publish(database, store, bundle)
    made = InferenceRuntime(settings.model_copy(update=QUICK), stopping=ShutdownFlag())
    made.start()
    yield made
    made.close()


def drain(runtime: InferenceRuntime) -> None:
    """As the task does."""
    runtime.liveness.begin()
    try:
        assert runtime.pipeline.drain(budget_s=60) is False
    finally:
        runtime.liveness.end()


def look(runtime: InferenceRuntime) -> None:
    runtime.shadow.follow(runtime.claimer.follow())


def shadow_of(database: Database, model_id: UUID, *, share: float = 1.0) -> None:
    with database.unit_of_work() as session:
        model_versions.shadow(session, model_id, share=share)


def judged(database: Database, model_id: UUID) -> dict[UUID, ShadowPrediction]:
    with database.unit_of_work() as session:
        rows = session.scalars(select(ShadowPrediction).where(ShadowPrediction.model_version_id == model_id))
        return {row.job_id: row for row in rows}


def test_two_shadows_judge_what_the_active_one_decided(
    runtime: InferenceRuntime, database: Database, store: S3Store, site: UUID, bundle: Path, tmp_path: Path
) -> None:
    always = publish_beside(database, store, another_version(bundle, tmp_path / "a", version="a", **ALWAYS))
    never = publish_beside(database, store, another_version(bundle, tmp_path / "n", version="n", **NEVER))
    shadow_of(database, always)
    shadow_of(database, never, share=0.5)
    look(runtime)
    made = [add_job(database, store, site, seed=seed) for seed in range(12)]
    drain(runtime)
    assert states(database) == {JobState.SUCCEEDED: 12}
    until(lambda: len(judged(database, always)) == 12)
    half = {job_id for job_id in made if in_sample(job_id, 0.5)}
    until(lambda: set(judged(database, never)) == half)
    with database.unit_of_work() as session:
        active = model_versions.active(session)
        assert active is not None
        pairs = shadow_predictions.pairs(session, always)
        for job_id in made:
            result = jobs.result(session, site_id=site, job_id=job_id)
            assert result.model_version_id == active.id
            (finding,) = result.findings
            row = judged(database, always)[job_id]
            # The same network: the same figures, whatever batch they came from. The other limit: another decision.
            assert row.probabilities["fracture"] == pytest.approx(finding.probability, abs=1e-6)
            assert row.probabilities[result.region] == pytest.approx(result.region_probability, abs=1e-6)
            assert row.decisions == {"fracture": "positive"}
    assert {pair.shadow_decision for pair in pairs} == {"positive"}
    assert all(row.decisions == {"fracture": "negative"} for row in judged(database, never).values())
    assert runtime.shadow.counts == {"judged": 12 + len(half)}


def test_the_sample_is_of_the_job_alone() -> None:
    made = [uuid7() for _ in range(4000)]
    few, many = ({job_id for job_id in made if in_sample(job_id, share)} for share in (0.1, 0.5))
    assert few < many
    assert 300 < len(few) < 500
    assert 1850 < len(many) < 2150
    assert all(in_sample(job_id, 1.0) for job_id in made)
    assert not any(in_sample(job_id, 0.0) for job_id in made)


def test_a_shadow_that_decodes_otherwise_gets_its_own_pixels(
    runtime: InferenceRuntime, database: Database, store: S3Store, site: UUID, bundle: Path, tmp_path: Path
) -> None:
    preprocessing = json.loads((bundle / MANIFEST_NAME).read_text())["preprocessing"]
    changed = {"preprocessing": {**preprocessing, "source_longest_side": 80}}
    other = publish_beside(database, store, another_version(bundle, tmp_path / "other", **changed))
    shadow_of(database, other)
    look(runtime)
    first = add_job(database, store, site, seed=3)
    drain(runtime)
    until(lambda: set(judged(database, other)) == {first})
    with database.unit_of_work() as session:
        model_versions.activate(session, other)
    again = add_job(database, store, site, seed=3)
    drain(runtime)
    with database.unit_of_work() as session:
        before, after = (
            jobs.result(session, site_id=site, job_id=job_id).findings[0].probability for job_id in (first, again)
        )
    assert judged(database, other)[first].probabilities["fracture"] == after != before


def test_a_broken_shadow_costs_no_job(
    runtime: InferenceRuntime, database: Database, store: S3Store, site: UUID, bundle: Path, tmp_path: Path
) -> None:
    folder = another_version(bundle, tmp_path / "broken")
    broken = publish_beside(database, store, folder)
    good = publish_beside(database, store, another_version(bundle, tmp_path / "good", version="good"))
    break_stored(store, folder)
    shadow_of(database, broken)
    shadow_of(database, good)
    look(runtime)
    for seed in range(4):
        add_job(database, store, site, seed=seed)
    drain(runtime)
    until(lambda: len(judged(database, good)) == 4)
    assert states(database) == {JobState.SUCCEEDED: 4}
    assert judged(database, broken) == {}
    # Tried once, then left alone for a while.
    assert runtime.shadow.counts == {"judged": 4, "failed": 1, "skipped": 3}


def test_a_busy_worker_judges_later_and_only_so_many(
    runtime: InferenceRuntime, database: Database, store: S3Store, site: UUID, bundle: Path, tmp_path: Path
) -> None:
    shadow = publish_beside(database, store, another_version(bundle, tmp_path / "other"))
    shadow_of(database, shadow)
    look(runtime)
    runtime.liveness.begin()
    for seed in range(BUFFER + 8):
        add_job(database, store, site, seed=seed)
    assert runtime.pipeline.drain(budget_s=60) is False
    assert states(database) == {JobState.SUCCEEDED: BUFFER + 8}
    assert judged(database, shadow) == {}
    skipped = runtime.shadow.counts["skipped"]
    assert 7 <= skipped <= 8  # one may have left the buffer, to wait in the thread's hand
    runtime.liveness.end()
    until(lambda: len(judged(database, shadow)) == BUFFER + 8 - skipped)


def test_an_engine_is_loaded_when_wanted_and_freed_when_not(
    runtime: InferenceRuntime, database: Database, store: S3Store, site: UUID, bundle: Path, tmp_path: Path
) -> None:
    shadow = publish_beside(database, store, another_version(bundle, tmp_path / "other"))
    shadow_of(database, shadow)
    look(runtime)
    assert runtime.shadow.loaded == set()
    add_job(database, store, site)
    drain(runtime)
    until(lambda: runtime.shadow.loaded == {shadow})
    until(lambda: len(judged(database, shadow)) == 1)
    with database.unit_of_work() as session:
        model_versions.retire(session, shadow)
    # The watch sees it by itself.
    until(lambda: runtime.shadow.loaded == set(), timeout=10)
    add_job(database, store, site, seed=1)
    drain(runtime)
    assert len(judged(database, shadow)) == 1


def test_a_stopping_worker_judges_nothing(
    runtime: InferenceRuntime, database: Database, store: S3Store, site: UUID, bundle: Path, tmp_path: Path
) -> None:
    shadow = publish_beside(database, store, another_version(bundle, tmp_path / "other"))
    shadow_of(database, shadow)
    look(runtime)
    add_job(database, store, site)
    runtime.liveness.begin()
    assert runtime.pipeline.drain(budget_s=60) is False
    runtime.stopping.set()
    runtime.liveness.end()
    runtime.shadow.join(timeout=5)
    assert not runtime.shadow.is_alive()
    assert states(database) == {JobState.SUCCEEDED: 1}
    assert judged(database, shadow) == {}
