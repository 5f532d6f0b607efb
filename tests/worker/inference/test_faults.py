"""Real worker processes, killed, frozen and stopped."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from uuid import UUID

import psutil
import pytest
from sqlalchemy import func, select, text

from core.queue import hint_inference, make_celery
from core.settings import Settings
from core.vocabulary import JobEventKind, JobState
from db.session import Database
from db.tables import JobEvent, Prediction, Worker
from storage.s3 import S3Store
from tests.worker.factories import QUICK, add_job, job, publish, services, states, until, worker
from tests.worker.inference.marked_app import HOLD, POISON, Marks, marked

MARKED = "tests.worker.inference.marked_app"


@pytest.fixture
def quick(settings: Settings, database: Database, store: S3Store, bundle: Path) -> Settings:
    publish(database, store, bundle)
    return settings.model_copy(update=QUICK)


def predictions(database: Database) -> int:
    with database.unit_of_work() as session:
        return session.scalars(select(func.count()).select_from(Prediction)).one()


def told_of(database: Database) -> list[int]:
    with database.unit_of_work() as session:
        return list(session.scalars(select(Worker.pid)))


def children(database: Database) -> list[int]:
    return [pid for pid in told_of(database) if psutil.pid_exists(pid)]


def events(database: Database, kind: JobEventKind) -> list[UUID]:
    with database.unit_of_work() as session:
        return list(session.scalars(select(JobEvent.job_id).where(JobEvent.kind == kind.value)))


def test_a_child_killed_inside_the_engine_loses_nothing(
    quick: Settings, database: Database, store: S3Store, site: UUID, tmp_path: Path
) -> None:
    marks = Marks(quick.home)
    marks.hold()
    with services(quick, tmp_path), worker(quick, tmp_path, app=MARKED):
        held = add_job(database, store, site, content=marked(HOLD))
        made = [add_job(database, store, site, seed=seed) for seed in range(20)]
        until(lambda: marks.inside() != [])
        (child,) = marks.inside()
        assert job(database, held).state == JobState.RUNNING
        os.kill(child, signal.SIGKILL)
        marks.let_go()
        until(lambda: states(database) == {JobState.SUCCEEDED: 21})
        assert child not in children(database)
    row = job(database, held)
    assert (row.fence, row.crash_count) == (2, 1)
    # Hit with it: only what the process held beside it.
    assert all(job(database, job_id).crash_count <= 1 for job_id in made)
    assert predictions(database) == 21
    assert len(events(database, JobEventKind.SUCCEEDED)) == 21


def test_an_input_that_kills_is_dead_after_three_crashes(
    quick: Settings, database: Database, store: S3Store, site: UUID, tmp_path: Path
) -> None:
    with services(quick, tmp_path), worker(quick, tmp_path, app=MARKED):
        until(lambda: len(children(database)) == 1)
        before = [add_job(database, store, site, seed=seed) for seed in range(5)]
        poison = add_job(database, store, site, content=marked(POISON))
        after = [add_job(database, store, site, seed=seed) for seed in range(5, 10)]
        until(lambda: states(database) == {JobState.SUCCEEDED: 10, JobState.DEAD: 1}, timeout=120)
        # Three have died; the one that lives is told of alone.
        until(lambda: len(children(database)) == 1 and told_of(database) == children(database))
    row = job(database, poison)
    assert (row.state, row.error_code, row.crash_count, row.attempt) == (JobState.DEAD, "worker_crashed", 3, 3)
    neighbours = [job(database, job_id) for job_id in before + after]
    assert {neighbour.state for neighbour in neighbours} == {JobState.SUCCEEDED}
    assert max(neighbour.crash_count for neighbour in neighbours) <= 1
    assert predictions(database) == 10


def test_children_are_forked_where_the_default_is_to_spawn(
    quick: Settings, database: Database, store: S3Store, site: UUID, tmp_path: Path
) -> None:
    job_id = add_job(database, store, site)
    with services(quick, tmp_path), worker(quick, tmp_path, app="tests.worker.inference.spawning_app"):
        until(lambda: job(database, job_id).state == JobState.SUCCEEDED)


def test_many_hints_make_one_result_each(
    quick: Settings, database: Database, store: S3Store, site: UUID, tmp_path: Path
) -> None:
    celery = make_celery(quick)
    with worker(quick, tmp_path, name="a"), worker(quick, tmp_path, name="b"):
        until(lambda: len(children(database)) == 2)
        made = []
        for seed in range(12):
            made.append(add_job(database, store, site, seed=seed))
            for _ in range(4):
                hint_inference(celery)
        until(lambda: states(database) == {JobState.SUCCEEDED: 12})
    celery.close()
    assert sorted(events(database, JobEventKind.CLAIMED)) == sorted(made)
    assert predictions(database) == 12


def test_services_load_neither_an_engine_nor_decoders(
    quick: Settings, database: Database, store: S3Store, site: UUID, tmp_path: Path
) -> None:
    late = add_job(database, store, site)
    with database.unit_of_work() as session:
        session.execute(text("UPDATE job SET deadline_at = now() WHERE id = :id"), {"id": late})
    with services(quick, tmp_path):
        until(lambda: job(database, late).state == JobState.EXPIRED)
        idle = loaded_in(os.getpid())
    with worker(quick, tmp_path):
        until(lambda: len(children(database)) == 1)
        inferring = loaded_in(os.getpid())
    assert idle == set()
    assert inferring == {"onnxruntime", "decoders"}


def loaded_in(pid: int) -> set[str]:
    """What Celery's processes below `pid` have: the engine's library mapped, decoders as children."""
    found: set[str] = set()
    workers = [process for process in psutil.Process(pid).children(recursive=True) if is_program(process, "celery")]
    assert workers
    for process in workers:
        maps = " ".join(mapped.path for mapped in process.memory_maps())
        found |= {name for name in ("onnxruntime", "tensorflow") if name in maps}
        if any(is_program(child, "imaging.sandbox.child") for child in process.children()):
            found.add("decoders")
    return found


def is_program(process: psutil.Process, name: str) -> bool:
    return any(name in part for part in process.cmdline())


def test_sigterm_gives_back_what_was_not_run(
    quick: Settings, database: Database, store: S3Store, site: UUID, tmp_path: Path
) -> None:
    marks = Marks(quick.home)
    marks.hold()
    with services(quick, tmp_path), worker(quick, tmp_path, app=MARKED) as running:
        held = add_job(database, store, site, content=marked(HOLD))
        for seed in range(30):
            add_job(database, store, site, seed=seed)
        # One batch is inside the engine, and the next is claimed.
        until(lambda: marks.inside() != [] and states(database).get(JobState.RUNNING, 0) >= 2)
        running.process.send_signal(signal.SIGTERM)
        until(lambda: "arm shutdown" in running.text())
        marks.let_go()
        running.process.wait(timeout=60)
        left = states(database)
    assert set(left) == {JobState.QUEUED, JobState.SUCCEEDED}
    assert job(database, held).state == JobState.SUCCEEDED
    released = events(database, JobEventKind.RELEASED)
    assert released
    for job_id in released:
        row = job(database, job_id)
        assert (row.state, row.attempt, row.crash_count) == (JobState.QUEUED, 0, 0)
    assert predictions(database) == left[JobState.SUCCEEDED]
    with database.unit_of_work() as session:
        assert session.scalars(select(Worker)).all() == []
