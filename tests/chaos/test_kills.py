"""kill -9 of the worker, of the broker with its data, of the API between commit and hint: nothing lost, one result."""

from __future__ import annotations

import threading
from pathlib import Path

import httpx2
import pytest
from pydantic import SecretStr

from core.settings import load_settings
from core.vocabulary import JobState
from db.tables import Job
from tests.chaos.batch_corpus import make
from tests.chaos.batch_run import BatchRun
from tests.chaos.harness import NORMAL, BlackHole, Platform, Uploads
from tests.data import encoded, generated_radiograph
from tests.worker.inference.marked_app import HOLD, marked


def test_api_killed_between_commit_and_hint(platform: Platform) -> None:
    platform.kill(*NORMAL)
    before = sum(platform.states().values())
    unanswered: list[bool] = []

    def upload() -> None:
        try:
            platform.post(encoded(generated_radiograph(160, 120, seed=1)))
        except httpx2.TransportError:
            unanswered.append(True)

    with BlackHole() as hole:
        platform.launch("api", broker_url=SecretStr(hole.url))
        platform.until(lambda: platform.status("/healthz") == 200, what="api")
        assert hole.connections == 0
        client = threading.Thread(target=upload)
        client.start()
        # Committed, and the hint's connection is open: the API now waits for a greeting that does not come.
        platform.until(lambda: platform.states()[JobState.QUEUED] == 1 and hole.connections > 0, what="in the hint")
        platform.kill("api")
        client.join()
    assert unanswered
    assert sum(platform.states().values()) == before + 1
    # No hint exists anywhere: the sweeper has to find the job.
    platform.start(*NORMAL)
    platform.assert_nothing_lost(set())


def test_worker_killed_inside_the_engine(platform: Platform) -> None:
    platform.start(*NORMAL)
    platform.kill("worker-b")
    platform.marks.hold()
    held = platform.submit(marked(HOLD))
    accepted = {held} | {
        platform.submit(encoded(generated_radiograph(160, 120, seed=seed))) for seed in range(100, 110)
    }
    child = platform.child_of("worker-a")
    platform.until(lambda: child in platform.marks.inside(), what="inside the engine")
    assert platform.states()[JobState.RUNNING] >= 1
    platform.kill("worker-a")
    platform.marks.let_go()
    platform.start("worker-b")
    platform.assert_nothing_lost(accepted)
    with platform.database.unit_of_work() as session:
        row = session.get_one(Job, held)
        assert (row.fence, row.crash_count) == (2, 1)


def test_broker_killed_and_emptied_while_uploads_go_on(platform: Platform) -> None:
    platform.start(*NORMAL)
    with Uploads(platform, clients=2, seed=200) as uploads:
        platform.until(lambda: len(uploads.accepted) >= 4, what="uploads before")
        platform.empty_broker()
        without = len(uploads.accepted)
        platform.until(lambda: len(uploads.accepted) >= without + 6, what="uploads without a broker")
        platform.servers.valkey.start()
        platform.servers.valkey.wait_ready()
        waiting = set(uploads.accepted.values())
        took = platform.until(lambda: waiting <= platform.jobs_in(JobState.SUCCEEDED), what="work resumes")
    assert uploads.errors == []
    assert set(uploads.statuses) == {202}
    assert took < 10  # guarantee 5
    platform.assert_nothing_lost(set(uploads.accepted.values()))


def test_client_and_api_killed_in_a_batch(platform: Platform, tmp_path: Path) -> None:
    # `make chaos-batch` is the long form.
    expected = make(tmp_path, count=60, data=load_settings().data.resolve(), few=True)
    platform.start("api", "services", "beat", "worker-a")
    run = BatchRun(platform, tmp_path, expected, jobs=2)
    summary = run.run(client_at=[0.2], api_at=0.5)
    run.check(summary)
    run.uploads()
    assert [fault["killed"] for fault in run.kills] == ["client", "api"]
    assert summary["overall"]["files_per_s"] > 0


@pytest.fixture(autouse=True)
def _anew(platform: Platform) -> None:
    platform.marks.let_go()
    platform.begin()
