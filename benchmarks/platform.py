"""Real processes: the ideal worker, the worker alone, the whole platform over HTTP, and the naive baseline."""

from __future__ import annotations

import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import httpx2
from sqlalchemy import text

from core.settings import Settings, inherited_environment
from core.vocabulary import JobState, Scope
from db.repositories.sites import create_site, issue_key
from db.session import Database
from lucency.environment import environment_of
from storage.store import ObjectStore
from tests.worker.factories import ROOT, add_job, states, until, worker


def ideal(bundle: Path, inputs: Path, *, count: int, processes: int) -> float:
    """Images per second of `processes` bare loops that start together."""
    command = [sys.executable, "-m", "benchmarks.ideal", str(bundle), str(inputs), str(count // processes)]
    loops = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(processes)
    ]
    for loop in loops:
        assert loop.stdout is not None
        assert loop.stdout.readline() == "ready\n"
    for loop in loops:
        assert loop.stdin is not None
        loop.stdin.write("go\n")
        loop.stdin.flush()
    seconds = max(float(loop.communicate()[0]) for loop in loops)
    return count // processes * processes / seconds


def worker_alone(
    settings: Settings, database: Database, store: ObjectStore, files: list[bytes], *, count: int, logs: Path
) -> float:
    """Jobs per second on a prepared backlog, from its first claim to its last finish."""
    with database.unit_of_work() as session:
        site = create_site(session, f"backlog-{time.monotonic_ns()}").id
    for number in range(count):
        add_job(database, store, site, content=files[number % len(files)])
    with worker(settings, logs, name="bench"):
        from core.queue import hint_inference, make_celery  # noqa: PLC0415 - broker only here

        until(lambda: workers_ready(database) >= settings.worker_concurrency)
        celery = make_celery(settings)
        for _ in range(2 * settings.worker_concurrency):
            hint_inference(celery)
        until(lambda: set(states(database)) <= {JobState.SUCCEEDED, JobState.FAILED}, timeout=600)
    with database.unit_of_work() as session:
        done, seconds = session.execute(
            text(
                "SELECT count(*), extract(epoch FROM max(finished_at) - min(started_at)) FROM job "
                "WHERE site_id = :site AND state = 'succeeded'"
            ),
            {"site": site},
        ).one()
    assert done == count, f"{done} of {count} jobs succeeded"
    return count / float(seconds)


def workers_ready(database: Database) -> int:
    with database.unit_of_work() as session:
        return int(session.scalar(text("SELECT count(*) FROM worker WHERE state = 'ready'")) or 0)


@contextmanager
def server(target: str, environment: dict[str, str], log: Path, *options: str) -> Iterator[str]:
    """A uvicorn process; yields its address once it listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", target, "--port", str(port), "--log-level", "warning", *options],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=output,
        )
    try:
        until(lambda: _listens(port), timeout=120)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def load(address: str, files: list[bytes], *, clients: int, seconds: float, key: str | None) -> dict[str, float]:
    """Keep-alive clients that each send the next file when the answer is there: requests per second, p50 in s.

    With a key: submit with `Prefer: wait`, then fetch the overlay. Without: the naive endpoint, which answers with it.
    """
    latencies: list[float] = []
    end = time.monotonic() + seconds

    def one(number: int) -> None:
        with httpx2.Client(base_url=address, timeout=120) as client:
            turn = number
            while time.monotonic() < end:
                started = time.monotonic()
                upload = {"file": ("image", files[turn % len(files)])}
                if key is None:
                    client.post("/predict", files=upload).raise_for_status()
                else:
                    _submit(client, upload, key)
                latencies.append(time.monotonic() - started)
                turn += clients

    began = time.monotonic()
    threads = [threading.Thread(target=one, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if not latencies:
        raise RuntimeError("no request was answered")
    return {"per_second": len(latencies) / (time.monotonic() - began), "p50_s": statistics.median(latencies)}


def _submit(client: httpx2.Client, upload: dict[str, tuple[str, bytes]], key: str) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    answer = client.post("/v1/jobs", files=upload, headers={**headers, "Prefer": "wait=30"})
    answer.raise_for_status()
    job = answer.json()["id"]
    overlay = client.get(f"/v1/jobs/{job}/explanations/fracture.png", headers=headers)
    overlay.raise_for_status()


def api_environment(settings: Settings) -> dict[str, str]:
    return inherited_environment() | environment_of(settings)


def site_key(database: Database) -> str:
    with database.unit_of_work() as session:
        site: UUID = create_site(session, "benchmark").id
        _, presented = issue_key(session, site_id=site, name="benchmark", scopes=list(Scope))
    return presented
