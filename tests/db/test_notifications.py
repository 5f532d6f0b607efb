"""The Listener: hears of every finished job, also after the server was killed and came back."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest
from sqlalchemy import text

from core.errors import DecodeFailed
from db.notifications import FINISHED, Listener
from db.repositories import jobs
from db.session import Database
from tests.db.conftest import Mortal
from tests.factories import make_job, make_model, make_outcome, make_site


@contextmanager
def listening(url: str) -> Iterator[tuple[Listener, queue.Queue[UUID]]]:
    heard: queue.Queue[UUID] = queue.Queue()
    listener = Listener(url, {FINISHED: lambda payload: heard.put(UUID(payload))})
    listener.start()
    try:
        assert listener.connected.wait(10)
        yield listener, heard
    finally:
        listener.stop()
        assert not listener.is_alive()


def cancelled_job(database: Database) -> UUID:
    with database.unit_of_work() as session:
        site = make_site(session).id
        job = make_job(session, site).id
    with database.unit_of_work() as session:
        jobs.cancel(session, site_id=site, job_id=job)
    return job


def test_every_end_is_told_and_nothing_else(database: Database, site: UUID) -> None:
    url = database.engine.url.render_as_string(hide_password=False)
    with listening(url) as (_, heard):
        with database.unit_of_work() as session:
            model = make_model(session).id
            made = [make_job(session, site).id for _ in range(5)]
        with database.unit_of_work() as session:
            first, second, third = jobs.claim(session, owner="w", limit=3, lease_s=30)
        with database.unit_of_work() as session:
            jobs.release(session, [(third.job_id, third.fence)])
        with pytest.raises(queue.Empty):
            heard.get(timeout=0.7)
        with database.unit_of_work() as session:
            jobs.succeed(session, [make_outcome(first, model)])
            jobs.fail(session, second, error=DecodeFailed())
            jobs.cancel(session, site_id=site, job_id=made[2])
            session.execute(text("UPDATE job SET deadline_at = now() WHERE id = :id"), {"id": made[3]})
            jobs.sweep(session)
            with pytest.raises(queue.Empty):
                heard.get(timeout=0.3)  # not before the commit
        assert {heard.get(timeout=5) for _ in range(4)} == set(made[:4])
        with pytest.raises(queue.Empty):
            heard.get(timeout=0.3)


def test_reconnects(mortal: Mortal) -> None:
    with listening(mortal.url) as (listener, heard):
        job = cancelled_job(mortal.database)
        assert heard.get(timeout=5) == job
        mortal.kill()
        end = time.monotonic() + 10
        while listener.connected.is_set():
            assert time.monotonic() < end
            time.sleep(0.02)
        mortal.start()
        assert listener.connected.wait(15)
        job = cancelled_job(mortal.database)
        assert heard.get(timeout=5) == job


def test_stops_while_the_server_is_away(mortal: Mortal) -> None:
    with listening(mortal.url) as (listener, _):
        mortal.kill()
        started = time.monotonic()
        listener.stop()
        assert time.monotonic() - started < 4
        assert not listener.is_alive()
