"""Switching models under load, with real worker processes: within 10 s, between batches, and no job is lost."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import psutil
import pytest
from sqlalchemy import func, select

from core.settings import Settings
from core.vocabulary import JobState
from db.repositories import model_versions
from db.session import Database
from db.tables import Job, Prediction, ShadowPrediction, Worker
from networks.bundle import Bundle
from storage.s3 import S3Store
from tests.worker.factories import QUICK, CeleryProcess, add_job, publish, services, states, until, worker
from tests.worker.inference.versions import another_version, break_stored, publish_beside, repair_stored
from trainer.shipping import registry

# The promise; a lease that a busy machine does not lose, and the beat that production has.
WITHIN_S = 10.0
LOADING_S = 1.0
AS_SHIPPED = {**QUICK, "lease": 30.0, "heartbeat": 10.0}


@dataclass
class Flow:
    """Jobs that come in, one after the other, until told to stop."""

    database: Database
    store: S3Store
    site: UUID
    made: list[UUID] = field(default_factory=list)

    def __enter__(self) -> Flow:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            self.made.append(add_job(self.database, self.store, self.site, seed=len(self.made) % 20))

    def after(self, count: int) -> None:
        """Wait until so many more came in."""
        wanted = len(self.made) + count
        until(lambda: len(self.made) >= wanted)


@pytest.fixture
def shipped(settings: Settings, database: Database, store: S3Store, bundle: Path) -> Settings:
    publish(database, store, bundle)
    return settings.model_copy(update=AS_SHIPPED)


@pytest.fixture
def running(shipped: Settings, tmp_path: Path) -> Iterator[CeleryProcess]:
    with services(shipped, tmp_path), worker(shipped, tmp_path) as process:
        yield process


def rows(database: Database) -> list[Worker]:
    with database.unit_of_work() as session:
        return list(session.scalars(select(Worker)))


def serves(database: Database, folder: Path) -> bool:
    """Whether every worker says that it serves this Bundle, and there is one."""
    digest, found = Bundle.load(folder).digest, rows(database)
    return bool(found) and all(row.model_digest == digest and row.state == "ready" for row in found)


def switched(running: CeleryProcess, database: Database, folder: Path) -> float:
    """Wait until the workers serve it; the seconds it took, beside what a busy machine needed for the loading."""
    began = time.monotonic()
    until(lambda: serves(database, folder))
    took = time.monotonic() - began
    loads = [json.loads(line)["duration_ms"] for line in running.text().splitlines() if '"model_loaded"' in line]
    return took - max(0.0, loads[-1] / 1000 - LOADING_S)


def test_jobs_flow_while_models_change(
    running: CeleryProcess, database: Database, store: S3Store, site: UUID, bundle: Path, tmp_path: Path
) -> None:
    second = another_version(bundle, tmp_path / "second", version="second")
    third = another_version(bundle, tmp_path / "third", version="third")
    ids = {"second": publish_beside(database, store, second), "third": publish_beside(database, store, third)}
    with database.unit_of_work() as session:
        model_versions.shadow(session, ids["third"], share=1.0)
        first = model_versions.active(session)
    assert first is not None
    until(lambda: serves(database, bundle))
    # An idle worker changes too.
    registry.activate(str(ids["second"]), database=database, store=store)
    assert switched(running, database, second) < WITHIN_S
    with Flow(database, store, site) as flow:
        for action, folder in (("third", third), ("back", second), ("back", bundle)):
            flow.after(10)
            if action == "back":
                registry.rollback(database=database, store=store)
            else:
                registry.activate(str(ids[action]), database=database, store=store)
            assert switched(running, database, folder) < WITHIN_S
        flow.after(10)
    until(lambda: states(database) == {JobState.SUCCEEDED: len(flow.made)})
    with database.unit_of_work() as session:
        given = session.execute(
            select(Prediction.job_id, Prediction.model_version_id)
            .join(Job, Job.id == Prediction.job_id)
            .order_by(Job.created_at)
        ).all()
        attempts = session.scalars(select(func.max(Job.attempt))).one()
        again = session.scalars(select(func.max(Job.fence))).one()
    # None lost, none run twice, none failed on the way.
    assert {job_id for job_id, _ in given} == set(flow.made)
    assert (attempts, again) == (1, 1)
    order = [version for index, (_, version) in enumerate(given) if index == 0 or given[index - 1][1] != version]
    assert order == [ids["second"], ids["third"], ids["second"], first.id]


def test_a_model_that_cannot_be_loaded_changes_nothing(
    running: CeleryProcess, database: Database, store: S3Store, site: UUID, bundle: Path, tmp_path: Path
) -> None:
    broken = another_version(bundle, tmp_path / "broken", version="broken")
    broken_id = publish_beside(database, store, broken)
    break_stored(store, broken)
    until(lambda: serves(database, bundle))
    with database.unit_of_work() as session:
        before = model_versions.active(session)
        model_versions.activate(session, broken_id)  # past the check that the command makes
    assert before is not None
    digest = Bundle.load(broken).digest
    until(lambda: [(row.failed_digest, row.failed_code) for row in rows(database)] == [(digest, "bundle_invalid")])
    assert serves(database, bundle)
    (found, *_) = registry.listing(database)
    assert (found["state"], found["workers"], list(found["failing"].values())) == ("active", 0, ["bundle_invalid"])
    assert '"model_not_loaded"' in running.text()
    made = [add_job(database, store, site, seed=seed) for seed in range(10)]
    until(lambda: states(database) == {JobState.SUCCEEDED: 10})
    # A process that starts now has no model yet: it takes the one before.
    (row,) = rows(database)
    os.kill(row.pid, signal.SIGKILL)
    until(lambda: any(other.pid != row.pid and psutil.pid_exists(other.pid) for other in rows(database)))
    made += [add_job(database, store, site, seed=seed) for seed in range(10, 20)]
    until(lambda: states(database) == {JobState.SUCCEEDED: 20})
    with database.unit_of_work() as session:
        assert set(session.scalars(select(Prediction.model_version_id))) == {before.id}
        assert session.scalars(select(func.count()).select_from(ShadowPrediction)).one() == 0
    # Repaired, it is taken without anybody's doing.
    repair_stored(store, broken)
    until(
        lambda: any(found.model_digest == digest and found.failed_digest is None for found in rows(database)),
        timeout=30,
    )
    assert len(made) == 20
