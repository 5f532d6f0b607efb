"""Events: what changed is told at once, coalesced, to its own Site alone; streams end when they must."""

from __future__ import annotations

import asyncio
import queue
import signal
import subprocess
import sys
import time
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import text
from starlette.types import Message

import api.change_feed
import api.events.sse
from api.change_feed import ChangeFeed
from api.events.sse import EventStream
from core.vocabulary import Role, Scope
from db.repositories import jobs, sites, users, workers
from db.session import Database
from lucency.stack.ports import choose_ports
from storage.s3 import S3Store
from tests.api.conftest import Api
from tests.api.people import make_user
from tests.api.sse import listening
from tests.factories import make_job, make_outcome, make_site


def new_job(database: Database, site: UUID) -> UUID:
    with database.unit_of_work() as session:
        return make_job(session, site).id


def new_key(database: Database, site: UUID, *scopes: Scope) -> tuple[UUID, dict[str, str]]:
    with database.unit_of_work() as session:
        row, presented = sites.issue_key(session, site_id=site, name="more", scopes=scopes)
        return row.id, {"Authorization": f"Bearer {presented}"}


def test_a_jobs_whole_life_is_told_at_once(api: Api, database: Database, site: UUID, model: UUID) -> None:
    with listening(api.url, api.headers) as heard:
        started = time.monotonic()
        job = new_job(database, site)
        told = {f"jobs:{job}", "overview"}
        assert heard.all(*told) == told
        with database.unit_of_work() as session:
            claims = jobs.claim(session, owner="w", limit=1, lease_s=30)
        assert heard.all(*told) == told
        with database.unit_of_work() as session:
            jobs.succeed(session, [make_outcome(claims[0], model)])
        assert heard.all(*told) == told
        # Sooner than anybody would ask by himself.
        assert time.monotonic() - started < 10
        with database.unit_of_work() as session:  # a heartbeat changes no state
            session.execute(text("UPDATE job SET run_after = now()"))
        with pytest.raises(queue.Empty):
            heard.until(f"jobs:{job}", within=0.5)


def test_another_site_hears_nothing_of_it(api: Api, database: Database, site: UUID) -> None:
    with database.unit_of_work() as session:
        other = make_site(session).id
    _, headers = new_key(database, other, Scope.READ)
    with listening(api.url, headers) as heard, listening(api.url, api.headers) as own:
        job = new_job(database, site)
        own.until(f"jobs:{job}")
        mine = new_job(database, other)
        assert heard.until(f"jobs:{mine}")[1] == {f"jobs:{mine}", "overview"}


def test_operators_hear_that_the_platform_changed_without_ids(api: Api, database: Database, site: UUID) -> None:
    with database.unit_of_work() as session:
        other = make_site(session).id
    _, headers = new_key(database, other, Scope.OPERATE)
    with listening(api.url, headers) as heard:
        new_job(database, site)
        assert heard.next()[1] == {"overview"}


def test_a_thousand_changes_make_few_messages(api: Api, database: Database, site: UUID) -> None:
    with listening(api.url, api.headers) as heard:
        for _ in range(300):
            last = new_job(database, site)
        with database.unit_of_work() as session:
            claimed = jobs.claim(session, owner="w", limit=300, lease_s=30)
        started, messages = time.monotonic(), []
        while time.monotonic() - started < 2.5:
            try:
                messages.append(heard.next(within=0.3)[1])
            except queue.Empty:
                continue
    assert len(claimed) == 300
    assert 1 <= len(messages) <= 20
    assert any("jobs" in topics or f"jobs:{last}" in topics for topics in messages)
    assert "jobs" in messages[-1], "a statement that moved 300 jobs names none of them"
    assert max(len(topics) for topics in messages) <= api_limit()


def api_limit() -> int:
    return api.change_feed.JOBS_NAMED + 3


def test_batches_studies_models_and_workers_are_told(api: Api, database: Database, site: UUID) -> None:
    with database.unit_of_work() as session:
        job = make_job(session, site).id
        session.execute(
            text(
                "WITH made AS (INSERT INTO batch (id, site_id, request_hash, files) "
                "VALUES (gen_random_uuid(), :site, 'h', 1) RETURNING id) "
                "INSERT INTO batch_item (id, batch_id, position, sealed_path, sha256, state, job_id) "
                "SELECT gen_random_uuid(), id, 0, '', repeat('a', 64), 'job', :job FROM made"
            ),
            {"site": site, "job": job},
        )
        session.execute(
            text(
                "WITH made AS (INSERT INTO study (id, site_id, study_instance_uid) "
                "VALUES (gen_random_uuid(), :site, '1.2') RETURNING id) "
                "UPDATE image SET study_id = made.id FROM made WHERE image.id = (SELECT image_id FROM job)"
            ),
            {"site": site},
        )
        batch = session.scalar(text("SELECT id FROM batch"))
        study = session.scalar(text("SELECT id FROM study"))
    with listening(api.url, api.headers) as heard:
        with database.unit_of_work() as session:
            jobs.claim(session, owner="w", limit=1, lease_s=30)
        _, topics = heard.until(f"jobs:{job}")
        assert {f"batches:{batch}", f"studies:{study}"} <= topics
        with database.unit_of_work() as session:
            session.execute(text("UPDATE model_version SET labels = labels"))
            workers.beat(
                session, name="h:1", pid=1, engine="onnxruntime", model_digest=None, state="ready", progressed=True
            )
        _, topics = heard.until("workers")
        assert "overview" in topics
        assert any(topic.startswith("models:") for topic in topics)
        with database.unit_of_work() as session:
            workers.beat(
                session, name="h:1", pid=1, engine="onnxruntime", model_digest=None, state="ready", progressed=True
            )
        with pytest.raises(queue.Empty):
            heard.next(within=0.5)


def test_who_is_changed_or_put_out_hears_so(api: Api, database: Database, site: UUID) -> None:
    user = make_user(database, "reader@example.org", roles={site: Role.SUBMITTER})
    with listening(api.url, api.headers) as heard:
        for change in (
            lambda session: users.set_role(session, user, site_id=site, role=Role.VIEWER),
            lambda session: users.set_disabled(session, user, disabled=True),
            lambda session: users.set_password(session, user, password_hash="none"),
        ):
            with database.unit_of_work() as session:
                change(session)
            assert heard.all("session", "overview") == {"session", "overview"}


def test_after_a_gap_everything_is_asked_again(api: Api, database: Database, site: UUID) -> None:
    with listening(api.url, api.headers) as heard:
        last, _ = heard.until(f"jobs:{new_job(database, site)}")
    with listening(api.url, api.headers | {"Last-Event-ID": last}) as heard:
        told = {f"jobs:{new_job(database, site)}", "overview"}
        assert heard.all(*told) == told, "nothing was missed"
    with listening(api.url, api.headers | {"Last-Event-ID": last}) as heard:
        assert heard.next()[1] == {"*"}
        with database.unit_of_work() as session:
            gone = session.scalar(
                text(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                    "WHERE application_name = 'listener' AND datname = current_database()"
                )
            )
        assert gone == 1, "one connection of the process listens"
        assert heard.next()[1] == {"*"}
        heard.until(f"jobs:{new_job(database, site)}")


def test_a_revoked_key_ends_its_stream(
    api: Api, database: Database, site: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.events.sse.HEARTBEAT_S", 0.2)
    key, headers = new_key(database, site, Scope.READ)
    with listening(api.url, headers) as heard:
        assert not heard.ended(within=0.7)
        assert heard.comments >= 3
        with database.unit_of_work() as session:
            sites.revoke_key(session, site_id=site, key_id=key)
        assert heard.ended(within=3)


def test_streams_are_bounded_and_come_free(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.change_feed.TABS_PER_OWNER", 2)
    with listening(api.url, api.headers), listening(api.url, api.headers), api.client() as client:
        answer = client.get("/v1/events")
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_streams")
        assert "retry-after" in answer.headers
    end = time.monotonic() + 5
    while True:
        try:
            with listening(api.url, api.headers):
                break
        except AssertionError:
            assert time.monotonic() < end
            time.sleep(0.05)


def test_a_key_that_may_not_read_hears_nothing(api: Api, database: Database, site: UUID) -> None:
    _, headers = new_key(database, site, Scope.SUBMIT)
    assert httpx2.get(f"{api.url}/v1/events", headers=headers, timeout=30).status_code == 403
    assert httpx2.get(f"{api.url}/v1/events", timeout=30).status_code == 401


def test_a_slow_reader_is_dropped(database: Database, site: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.events.sse.SEND_S", 0.2)
    sent: list[Message] = []

    async def run() -> None:
        changes = ChangeFeed(database)
        changes.start(asyncio.get_running_loop())
        blocked = asyncio.Event()

        async def send(message: Message) -> None:
            sent.append(message)
            if b"event: changed" in message.get("body", b""):
                await blocked.wait()

        async def receive() -> Message:
            await asyncio.Event().wait()
            raise AssertionError

        async def still_in() -> bool:
            return True

        opened = changes.opened("key", site_id=site)
        stream = EventStream(changes, opened, still_in=still_in, seen=None)
        serving = asyncio.create_task(stream({"type": "http"}, receive, send))
        await asyncio.sleep(0.05)
        changes.heard(f"{site} jobs {site}")
        await asyncio.wait_for(serving, 2)
        monkeypatch.setattr("api.change_feed.TABS", 1)
        with changes.opened("key", site_id=site):
            pass  # its seat is free

    asyncio.run(run())
    assert sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


def test_a_stopping_api_waits_for_no_stream(settings_env: dict[str, str], store: S3Store, api_key: str) -> None:
    port = choose_ports(["api"])["api"]
    command = [sys.executable, "-m", "uvicorn", "--factory", "api.app:create_app", "--port", str(port)]
    process = subprocess.Popen(command, env=settings_env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 30
        while True:
            try:
                httpx2.get(f"http://127.0.0.1:{port}/healthz")
                break
            except httpx2.HTTPError:
                assert time.monotonic() < end
                time.sleep(0.1)
        with listening(f"http://127.0.0.1:{port}", {"Authorization": f"Bearer {api_key}"}) as heard:
            started = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert heard.ended(within=5)
            process.wait(timeout=10)
            assert time.monotonic() - started < 6
    finally:
        process.kill()
        process.wait()
