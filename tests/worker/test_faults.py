"""Real worker processes, killed, frozen and stopped."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from uuid import UUID

import psutil
import pytest
from sqlalchemy import func, select

from core.settings import Settings
from core.vocabulary import JobState
from db.session import Database
from db.tables import Prediction, Worker
from storage.s3 import S3Store
from tests.worker.factories import QUICK, add_job, publish, services, states, until, worker


@pytest.fixture
def quick(settings: Settings, database: Database, store: S3Store, bundle: Path) -> Settings:
    publish(database, store, bundle)
    return settings.model_copy(update=QUICK)


def predictions(database: Database) -> int:
    with database.unit_of_work() as session:
        return session.scalars(select(func.count()).select_from(Prediction)).one()


def children(database: Database) -> list[int]:
    with database.unit_of_work() as session:
        return [pid for pid in session.scalars(select(Worker.pid)) if psutil.pid_exists(pid)]


def test_kill_of_a_child_loses_nothing(
    quick: Settings, database: Database, store: S3Store, site: UUID, tmp_path: Path
) -> None:
    with services(quick, tmp_path), worker(quick, tmp_path, name="a"), worker(quick, tmp_path, name="b"):
        until(lambda: len(children(database)) == 2)
        for seed in range(60):
            add_job(database, store, site, seed=seed)
        until(lambda: states(database).get(JobState.RUNNING, 0) > 0)
        os.kill(children(database)[0], signal.SIGKILL)
        until(lambda: states(database) == {JobState.SUCCEEDED: 60}, timeout=60)
    assert predictions(database) == 60


def test_sigterm_gives_back_what_was_not_run(
    quick: Settings, database: Database, store: S3Store, site: UUID, tmp_path: Path
) -> None:
    with services(quick, tmp_path), worker(quick, tmp_path) as running:
        until(lambda: len(children(database)) == 1)
        for seed in range(60):
            add_job(database, store, site, seed=seed)
        until(lambda: states(database).get(JobState.RUNNING, 0) > 0)
        running.process.send_signal(signal.SIGTERM)
        running.process.wait(timeout=60)
        left = states(database)
    assert JobState.RUNNING not in left
    assert set(left) <= {JobState.QUEUED, JobState.SUCCEEDED}
    with database.unit_of_work() as session:
        assert session.scalars(select(Worker)).all() == []
