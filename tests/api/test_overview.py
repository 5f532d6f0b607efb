"""The overview: true figures of the own Site, never older than the last event, and shared by all who ask."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import event, text

from api.overview.overviews import History
from core.errors import DecodeFailed
from core.vocabulary import JobState, Scope
from db.repositories import jobs, sites, workers
from db.repositories.statistics import Tally
from db.session import Database
from tests.api.conftest import Api
from tests.api.sse import listening
from tests.factories import make_job, make_outcome, make_site


def overview(client: httpx2.Client, of: str = "") -> Any:
    answer = client.get(f"/v1/overview{of}")
    assert answer.status_code == 200, answer.text
    return answer.json()


@contextmanager
def counted(database: Database, words: str) -> Iterator[list[str]]:
    """The statements that hold `words`, of every engine of this process."""
    seen: list[str] = []

    def note(_c: object, _k: object, statement: str, *_rest: object) -> None:
        if words in statement:
            seen.append(statement)

    target = type(database.engine)
    event.listen(target, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(target, "before_cursor_execute", note)


def test_figures_are_those_of_the_jobs(client: httpx2.Client, database: Database, site: UUID, model: UUID) -> None:
    with database.unit_of_work() as session:
        for priority in (0, 0, 5):
            make_job(session, site, priority=priority)
        done = [make_job(session, site, priority=9).id for _ in range(4)]
        make_job(session, make_site(session).id, priority=7)
        workers.beat(
            session, name="h:1", pid=1, engine="onnxruntime", model_digest=None, state="ready", progressed=True
        )
    with database.unit_of_work() as session:
        claimed = jobs.claim(session, owner="w", limit=4, lease_s=30)
        assert {claim.job_id for claim in claimed} == set(done)
        timings = ({"infer": 10.0, "total": 20.0}, {"infer": 30.0, "total": 40.0})
        jobs.succeed(
            session,
            [make_outcome(claim, model, timings_ms=ms) for claim, ms in zip(claimed[:2], timings, strict=True)],
        )
        jobs.fail(session, claimed[2], error=DecodeFailed())
        session.execute(text("UPDATE job SET run_after = now() - interval '90 s' WHERE priority = 5"))
        session.execute(text("UPDATE job SET created_at = now() - interval '90 s' WHERE priority = 5"))
    seen = overview(client)
    assert seen["jobs"] == {"held": 0, "queued": 3, "running": 1, "retry_wait": 0}
    assert [(row["priority"], row["waiting"]) for row in seen["queue"]] == [(5, 1), (0, 2)]
    assert 89 < seen["queue"][0]["oldest_seconds"] < 120
    assert seen["oldest_seconds"] == seen["queue"][0]["oldest_seconds"]
    assert seen["per_minute"] == 3
    assert seen["last_hour"] == {"succeeded": 2, "failed": 1, "cancelled": 0, "failure_rate": pytest.approx(1 / 3)}
    assert {row["name"]: (row["p50_ms"], row["p95_ms"]) for row in seen["phases"]} == {
        "infer": (20.0, 29.0),
        "total": (30.0, 39.0),
    }
    assert seen["measured"] == 2
    assert seen["workers"] == {"known": 1, "alive": 1, "drained": 0}
    assert {name: check["status"] for name, check in seen["checks"].items()} == dict.fromkeys(
        ("database", "store", "broker"), "up"
    )
    assert len(seen["history"]) == 96
    # The last quarter may have begun a moment ago.
    assert sum(quarter["succeeded"] for quarter in seen["history"][-2:]) == 2
    assert sum(quarter["submitted"] for quarter in seen["history"][-2:]) == 7
    platform = overview(client, "/platform")
    assert (platform["jobs"]["queued"], platform["per_minute"]) == (4, 3)


def test_the_platform_is_for_operators(api: Api, database: Database, site: UUID) -> None:
    with database.unit_of_work() as session:
        _, reader = sites.issue_key(session, site_id=site, name="r", scopes=[Scope.ADMIN])
        _, operator = sites.issue_key(session, site_id=site, name="o", scopes=[Scope.OPERATE])
    with api.client(reader) as client:
        assert client.get("/v1/overview").status_code == 200
        assert client.get("/v1/overview/platform").status_code == 403
    with api.client(operator) as client:
        assert client.get("/v1/overview").status_code == 403
        assert client.get("/v1/overview/platform").status_code == 200


def test_what_an_event_told_is_in_the_answer(
    api: Api, client: httpx2.Client, database: Database, site: UUID, model: UUID
) -> None:
    with listening(api.url, api.headers) as heard:
        for number in range(1, 6):
            with database.unit_of_work() as session:
                job = make_job(session, site).id
            started = time.monotonic()
            heard.until(f"jobs:{job}")
            assert overview(client)["jobs"]["queued"] == number
            assert time.monotonic() - started < 2


def test_many_who_ask_cost_one_calculation(client: httpx2.Client, database: Database, api: Api) -> None:
    overview(client)
    time.sleep(1.2)
    with counted(database, "AS drained") as calculated:
        asking = [threading.Thread(target=overview, args=(client,)) for _ in range(12)]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join()
    assert 1 <= len(calculated) <= 2


def test_a_minute_is_counted_once_and_a_day_is_kept() -> None:
    # In the midst of a quarter of an hour, and an hour ago too.
    history, now = History(), 1_000_007
    begin = history.since(now)
    assert now - begin >= 95 * 15
    tallies = [Tally(now - 100, JobState.SUCCEEDED, 5), Tally(now - 100, JobState.DEAD, 5), Tally(now, None, 3)]
    history.add(tallies, since=begin, now=now)
    assert history.since(now) == now - 2
    # What is still open is counted anew, not twice.
    history.add([Tally(now, None, 4), Tally(now, JobState.SUCCEEDED, 1)], since=now - 2, now=now)
    quarters = history.quarters(now)
    assert sum(quarter.submitted for quarter in quarters) == 4
    assert sum(quarter.succeeded for quarter in quarters) == 6
    ended = history.ended(since=now - 60)
    assert (ended.succeeded, ended.failed, ended.failure_rate) == (1, 0, 0.0)
    # A quarter that began more than an hour ago counts from that minute on.
    history.add(
        [Tally(now - 61, JobState.SUCCEEDED, 2), Tally(now - 59, JobState.SUCCEEDED, 4)], since=now - 70, now=now
    )
    assert history.ended(since=now - 60).succeeded == 4
    assert history.ended(since=0).succeeded == 11
    later = now + 24 * 60
    history.add([], since=history.since(later), now=later)
    assert history.ended(since=0).succeeded == 0
    assert not history.minutes
