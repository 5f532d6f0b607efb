"""The long faults (`make chaos`): servers killed, a worker frozen past its lease, a seeded random mix of them all."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import select

from core.errors import LucencyError
from core.vocabulary import JobState
from db.tables import Job, JobEvent, Prediction
from lucency.stack.servers import Server
from tests.chaos.harness import NORMAL, WORKERS, Platform, Uploads
from tests.data import encoded, generated_radiograph
from tests.worker.inference.marked_app import HOLD, marked

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SEED = 20261121
MIX_S = 150.0


@pytest.fixture
def platform(tmp_path: Path, bundle: Path) -> Iterator[Platform]:
    """Its own for each: attempts and crashes are not what these limit."""
    made = Platform(tmp_path, bundle, max_attempts=100, max_crashes=100)
    yield made
    made.close()


@pytest.mark.parametrize("name", ["postgres", "seaweedfs"])
def test_server_killed_while_uploads_go_on(platform: Platform, name: str) -> None:
    platform.start(*NORMAL)
    server: Server = getattr(platform.servers, name)
    with Uploads(platform, clients=2) as uploads:
        platform.until(lambda: len(uploads.accepted) >= 6, what="uploads before")
        server.kill()
        platform.until(lambda: uploads.statuses[503] >= 2, what="refused uploads")
        before = len(uploads.accepted)
        server.start()
        server.wait_ready()
        platform.until(lambda: len(uploads.accepted) >= before + 4, what="uploads after")
    assert uploads.errors == []
    assert set(uploads.statuses) == {202, 503} or set(uploads.statuses) == {200, 202, 503}
    platform.assert_nothing_lost(set(uploads.accepted.values()))
    # The same key gave one job, however often it was tried.
    assert sum(platform.states().values()) == len(uploads.accepted)


def test_frozen_past_the_lease_a_worker_writes_nothing(platform: Platform) -> None:
    platform.start("api", "services", "beat", "worker-a")
    platform.marks.hold()
    held = platform.submit(marked(HOLD))
    child = platform.child_of("worker-a")
    platform.until(lambda: child in platform.marks.inside(), what="inside the engine")
    platform.signal("worker-a", signal.SIGSTOP)
    platform.marks.let_go()
    platform.start("worker-b")
    platform.assert_nothing_lost({held})
    assert result_of(platform, held) == (2, 1)
    platform.signal("worker-a", signal.SIGCONT)
    refused = ("lease_lost", "result_refused")
    platform.until(lambda: any(word in platform.log("worker-a").read_text() for word in refused), what="refusal")
    # It goes on as a good worker; what it does next proves that it got past the stale batch.
    platform.kill("worker-b")
    after = platform.submit(encoded(generated_radiograph(160, 120, seed=9)))
    platform.assert_nothing_lost({held, after})
    assert result_of(platform, held) == (2, 1)
    assert list(platform.store.list(f"out/{held}/1/")) == []


def result_of(platform: Platform, job_id: object) -> tuple[int, int]:
    """The winning fence, and how many results the job has."""
    with platform.database.unit_of_work() as session:
        fences = session.scalars(select(Prediction.fence).where(Prediction.job_id == job_id)).all()
    return fences[0], len(fences)


def test_a_random_mix_of_kills(platform: Platform) -> None:
    random_ = random.Random(SEED)
    platform.start(*NORMAL)
    faults = mix(platform, random_)
    done: list[str] = []
    end = time.monotonic() + MIX_S
    with Uploads(platform, clients=3, pause=0.3) as uploads:
        while time.monotonic() < end:
            name = random_.choice(sorted(faults))
            done.append(name)
            faults[name]()
            time.sleep(random_.uniform(0.5, 3.0))
            platform.start(*NORMAL)
    assert uploads.errors == []
    assert len(done) >= 8, done
    platform.assert_nothing_lost(set(uploads.accepted.values()), timeout=180)
    assert sum(platform.states().values()) == len(uploads.accepted)
    assert_histories(platform)


def mix(platform: Platform, random_: random.Random) -> dict[str, Callable[[], None]]:
    """Faults by name; each leaves servers running, and processes that `start` brings back."""

    def away(server: Server, take: Callable[[], None]) -> Callable[[], None]:
        def fault() -> None:
            take()
            time.sleep(random_.uniform(0.2, 2.0))
            server.start()
            server.wait_ready()

        return fault

    def freeze() -> None:
        name = random_.choice(WORKERS)
        platform.signal(name, signal.SIGSTOP)
        time.sleep(platform.settings.lease + random_.uniform(-1.0, 2.0))
        platform.signal(name, signal.SIGCONT)

    servers = platform.servers
    return {
        "api": lambda: platform.kill("api"),
        "worker": lambda: platform.kill(random_.choice(WORKERS)),
        "both workers": lambda: platform.kill(*WORKERS),
        "child": lambda: kill_child(platform, random_.choice(WORKERS)),
        "services and beat": lambda: platform.kill("services", "beat"),
        "freeze": freeze,
        "broker": away(servers.valkey, servers.valkey.kill),
        "broker emptied": away(servers.valkey, platform.empty_broker),
        "postgres": away(servers.postgres, servers.postgres.kill),
        "seaweedfs": away(servers.seaweedfs, servers.seaweedfs.kill),
    }


def kill_child(platform: Platform, name: str) -> None:
    try:
        child = platform.child_of(name)
    except LucencyError:
        return
    if child is not None:
        os.kill(child, signal.SIGKILL)


def assert_histories(platform: Platform) -> None:
    """Each job's events tell one life: fences that only grow, a claim before each end, one end, and it is the last."""
    with platform.database.unit_of_work() as session:
        rows = session.execute(
            select(JobEvent.job_id, JobEvent.kind, JobEvent.state, JobEvent.fence).order_by(JobEvent.id)
        )
        lives: dict[object, list[tuple[str, str, int]]] = {}
        for job_id, kind, state, fence in rows:
            lives.setdefault(job_id, []).append((kind, state, fence))
        fences = {row.id: row.fence for row in session.execute(select(Job.id, Job.fence))}
    assert set(lives) == set(fences)
    for job_id, life in lives.items():
        assert life[0] == ("submitted", JobState.QUEUED.value, 0)
        assert life[-1] == ("succeeded", JobState.SUCCEEDED.value, fences[job_id])
        for (_, state, fence), (kind, _, next_fence) in pairwise(life):
            assert next_fence == fence + (kind == "claimed"), life
            assert (kind == "claimed") == (state != JobState.RUNNING.value), life


def test_an_upload_cut_by_the_kill_of_the_api_leaves_no_job(platform: Platform) -> None:
    platform.start(*NORMAL)
    boundary = "cut"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="image.png"\r\n\r\n'.encode()

    def body() -> Iterator[bytes]:
        yield head + encoded(generated_radiograph(160, 120, seed=3))[:2000]
        platform.kill("api")
        yield b"more"

    headers = {
        "Authorization": f"Bearer {platform.key}",
        "Content-Type": f"multipart/form-data; boundary={boundary}",
    }
    with pytest.raises(httpx2.TransportError):
        httpx2.post(f"{platform.address}/v1/jobs", headers=headers, content=body(), timeout=30)
    assert sum(platform.states().values()) == 0
    platform.start("api")
    after = platform.submit(encoded(generated_radiograph(160, 120, seed=4)))
    platform.assert_nothing_lost({after})
    assert sum(platform.states().values()) == 1
