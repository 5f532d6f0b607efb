"""What operators want of workers, with a real worker of two processes: drain, go on, start anew; no job is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import text

from core.settings import Settings
from core.vocabulary import JobState, WorkerWish
from db.repositories import workers
from db.session import Database
from db.tables import Worker
from storage.s3 import S3Store
from tests.api.conftest import serve
from tests.worker.factories import QUICK, add_job, publish, services, states, until, worker

WITHIN_S = 10.0


@pytest.fixture
def two(settings: Settings, database: Database, store: S3Store, bundle: Path, tmp_path: Path) -> Iterator[Settings]:
    """A worker of two processes, which are ready."""
    publish(database, store, bundle)
    shipped = settings.model_copy(update={**QUICK, "lease": 30.0, "heartbeat": 10.0, "worker_concurrency": 2})
    with services(shipped, tmp_path), worker(shipped, tmp_path):
        until(lambda: [row.state for row in rows(database)] == ["ready", "ready"])
        yield shipped


def rows(database: Database) -> list[Worker]:
    with database.unit_of_work() as session:
        return workers.listing(session)


def claimants(database: Database, jobs: set[UUID]) -> set[str]:
    with database.unit_of_work() as session:
        found = session.execute(text("SELECT job_id, owner FROM job_event WHERE kind = 'claimed'"))
        return {owner for job, owner in found if job in jobs}


def add(database: Database, store: S3Store, site: UUID, count: int) -> set[UUID]:
    return {add_job(database, store, site, seed=number) for number in range(count)}


def done(database: Database) -> bool:
    return set(states(database)) == {JobState.SUCCEEDED}


def test_drained_resumed_and_started_anew(
    two: Settings, database: Database, store: S3Store, site: UUID, api_key: str
) -> None:
    first, second = (row.name for row in rows(database))
    with serve(two) as (url, _), httpx2.Client(base_url=url, headers={"X-API-Key": api_key}, timeout=30) as client:
        answer = client.post(f"/v1/workers/{first}/drain")
        assert (answer.status_code, answer.json()["wish"]) == (200, "drain")
        until(lambda: {row.name: row.state for row in rows(database)}[first] == "drained", timeout=WITHIN_S)
        while_drained = add(database, store, site, 12)
        until(lambda: done(database))
        assert claimants(database, while_drained) == {second}

        # Both drained: what comes waits, and is done when one goes on.
        client.post(f"/v1/workers/{second}/drain")
        until(lambda: {row.state for row in rows(database)} == {"drained"}, timeout=WITHIN_S)
        assert client.get("/readyz").json()["checks"]["worker"]["status"] == "down"
        waiting = add(database, store, site, 2)
        client.post(f"/v1/workers/{first}/resume")
        until(lambda: done(database))
        assert claimants(database, waiting) == {first}

        # Started anew, under load: what it has is finished, and its successor works though it was drained before.
        add(database, store, site, 12)
        assert client.post(f"/v1/workers/{second}/restart").status_code == 200
        until(lambda: second not in {row.name for row in rows(database)}, timeout=WITHIN_S)
        until(lambda: [row.state for row in rows(database)] == ["ready", "ready"])
        assert {row.wish for row in rows(database)} == {WorkerWish.RUN}
        until(lambda: done(database))
        assert client.post("/v1/workers/nobody:1/drain").status_code == 404
        listed = client.get("/v1/workers").json()["items"]
        assert [(item["alive"], item["model"]["name"], item["jobs"]) for item in listed] == [(True, "lucency", [])] * 2
    with database.unit_of_work() as session:
        assert session.scalar(text("SELECT max(crash_count) FROM job")) == 0
        controlled = session.execute(text("SELECT subject FROM audit_record WHERE action = 'worker_controlled'"))
        assert len(controlled.all()) == 4
