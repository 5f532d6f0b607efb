"""The unit of work when the server is killed, slow, or not there; pools and forks."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from core.errors import DatabaseUnavailable
from core.settings import Settings
from db.repositories.sites import create_site
from db.session import Database, Session, make_database
from tests.db.conftest import Mortal
from tests.factories import make_job


def count(database: Database, table: str) -> int:
    with database.unit_of_work() as session:
        return int(session.scalar(text(f"SELECT count(*) FROM {table}")) or 0)


def backend(session: Session) -> int:
    return int(session.scalar(text("SELECT pg_backend_pid()")) or 0)


def until(reached: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not reached():
        assert time.monotonic() < end, "not reached in time"
        time.sleep(0.02)


def test_a_block_that_raises_leaves_nothing(database: Database) -> None:
    sites = count(database, "site")

    def work() -> None:
        with database.unit_of_work() as session:
            create_site(session, "Never")
            raise LookupError

    with pytest.raises(LookupError):
        work()
    assert count(database, "site") == sites


def test_a_broken_rule_is_no_outage(database: Database) -> None:
    sites = count(database, "site")

    def work() -> None:
        with database.unit_of_work() as session:
            create_site(session, "Twice")
            create_site(session, "Twice")

    with pytest.raises(IntegrityError):
        work()
    assert count(database, "site") == sites


def test_killed_before_commit(mortal: Mortal) -> None:
    with mortal.database.unit_of_work() as session:
        site = create_site(session, "Before").id
    jobs, events = count(mortal.database, "job"), count(mortal.database, "job_event")

    def work() -> None:
        with mortal.database.unit_of_work() as session:
            make_job(session, site)
            mortal.kill()

    with pytest.raises(DatabaseUnavailable):
        work()
    with pytest.raises(DatabaseUnavailable):
        mortal.database.check()
    mortal.start()
    assert (count(mortal.database, "job"), count(mortal.database, "job_event")) == (jobs, events)
    with mortal.database.unit_of_work() as session:
        make_job(session, site)
    assert (count(mortal.database, "job"), count(mortal.database, "job_event")) == (jobs + 1, events + 1)


def test_killed_during_commit(mortal: Mortal) -> None:
    """COMMIT has been sent and is being worked on: the answer never comes, and here nothing was written."""
    with mortal.database.unit_of_work() as session:
        site = create_site(session, "During").id
        session.execute(
            text(
                "CREATE FUNCTION nap() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN PERFORM pg_sleep(30); RETURN NULL; END $$;"
                "CREATE CONSTRAINT TRIGGER nap AFTER INSERT ON job_event DEFERRABLE INITIALLY DEFERRED"
                " FOR EACH ROW EXECUTE FUNCTION nap()"
            )
        )
    jobs, events = count(mortal.database, "job"), count(mortal.database, "job_event")

    def submit() -> None:
        with mortal.database.unit_of_work() as session:
            make_job(session, site)

    def committing() -> bool:
        with mortal.database.unit_of_work() as session:
            found = session.scalar(
                text("SELECT count(*) FROM pg_stat_activity WHERE query = 'COMMIT' AND wait_event = 'PgSleep'")
            )
        return bool(found)

    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(submit)
        until(committing)
        mortal.kill()
        with pytest.raises(DatabaseUnavailable):
            pending.result(timeout=10)
    mortal.start()
    with mortal.database.unit_of_work() as session:
        session.execute(text("DROP TRIGGER nap ON job_event; DROP FUNCTION nap"))
    assert (count(mortal.database, "job"), count(mortal.database, "job_event")) == (jobs, events)


def test_statement_timeout(settings: Settings) -> None:
    quick = make_database(
        settings.model_copy(update={"database_statement_timeout": 0.2}), application_name="quick", pool_size=1
    )
    started = time.monotonic()
    with pytest.raises(DatabaseUnavailable), quick.unit_of_work() as session:
        session.execute(text("SELECT pg_sleep(10)"))
    assert time.monotonic() - started < 3
    quick.check()
    quick.dispose()


def test_a_spent_pool_does_not_wait_for_ever(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("db.session.POOL_TIMEOUT", 0.1)
    single = make_database(settings, application_name="single", pool_size=1)
    with single.unit_of_work() as session:
        backend(session)
        with pytest.raises(DatabaseUnavailable):
            single.check()
    single.check()
    single.dispose()


def test_check_says_what_is_missing(empty_database_url: str) -> None:
    bare = make_database(Settings(database_url=SecretStr(empty_database_url)), application_name="bare", pool_size=1)
    with pytest.raises(DatabaseUnavailable, match="not migrated"):
        bare.check()
    bare.dispose()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_leaves_the_parents_connection_alone(database: Database) -> None:
    with database.unit_of_work() as session:
        parents = backend(session)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        # Nothing of pytest may run here: whatever happens, this process ends below.
        try:
            database.dispose(close=False)
            with database.unit_of_work() as session:
                os.write(writing, str(backend(session)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        childs = int(answer.read())
    assert os.waitpid(child, 0)[1] == 0
    assert childs != parents
    with database.unit_of_work() as session:
        assert backend(session) == parents


def test_threads_share_the_pool(database: Database) -> None:
    together = threading.Barrier(4, timeout=20)

    def ask(number: int) -> int:
        with database.unit_of_work() as session:
            together.wait()
            return backend(session)

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(ask, range(4)))) == 4
