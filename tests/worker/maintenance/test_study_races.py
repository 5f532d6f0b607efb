"""Late images and several settlers at once, on the real Postgres: no image is lost."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from uuid import UUID

import pytest
from sqlalchemy import text

from core.settings import Settings
from db.repositories import jobs, studies
from db.session import Database, Session
from tests.worker.maintenance.exams import add_image, finish, judge, model, of, only_finding, quiet
from worker.maintenance.studies import settle_due


@contextmanager
def transaction(database: Database) -> Iterator[Session]:
    """One that the test itself commits."""
    session = Session(database.engine, expire_on_commit=False)
    try:
        yield session
    finally:
        session.close()


def wait_for_lock(database: Database) -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        with database.unit_of_work() as session:
            if session.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")):
                return
        time.sleep(0.02)
    raise AssertionError("nobody waits")


def ready(database: Database, site: UUID) -> UUID:
    """A Study that is due, its one image judged with 0.9."""
    with database.unit_of_work() as session:
        version = model(session)
        add_image(session, site, "1.2")
    judge(database, version, 0.9)
    quiet(database)
    return version


def test_an_image_that_comes_while_it_is_settled_opens_it(database: Database, site: UUID, settings: Settings) -> None:
    version = ready(database, site)

    def late() -> None:
        with database.unit_of_work() as session:
            add_image(session, site, "1.2")

    with ThreadPoolExecutor(1) as pool, transaction(database) as settler:
        (study,) = studies.due(settler, quiet_s=0.0, limit=9)
        coming = pool.submit(late)
        wait_for_lock(database)
        assert studies.busy(settler, [study]) == set()
        studies.settle(settler, [studies.Settlement(study, version, "mean", [], 1, 0, 0)])
        settler.commit()
        coming.result(timeout=10)
    result = of(database, site)
    assert (result.state, result.revision) == ("open", 1)


def test_a_study_whose_image_is_just_coming_is_left(database: Database, site: UUID, settings: Settings) -> None:
    ready(database, site)
    with transaction(database) as coming:
        add_image(coming, site, "1.2")
        assert settle_due(database, settings) == 0  # and it did not wait
        coming.commit()
    quiet(database)
    assert settle_due(database, settings) == 0
    assert of(database, site).state == "open"


def test_what_was_committed_before_the_lock_is_seen(database: Database, site: UUID) -> None:
    """The transaction that brought the image began long ago, so that the Study seems quiet: its Job counts."""
    ready(database, site)
    with transaction(database) as settler:
        settler.execute(text("SELECT 1"))  # its snapshot, if it had only one, would be this
        with database.unit_of_work() as session:
            add_image(session, site, "1.2")
        quiet(database)
        (study,) = studies.due(settler, quiet_s=1.0, limit=9)
        assert studies.busy(settler, [study]) == {study}


def test_two_settlers_settle_once(database: Database, site: UUID, settings: Settings) -> None:
    ready(database, site)
    barrier = threading.Barrier(2)

    def settle(_: int) -> int:
        barrier.wait()
        return settle_due(database, settings)

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(settle, range(2))) == [0, 1]
    assert of(database, site).revision == 1


class Traffic:
    """Images come to some Studies, and are judged, while Studies settle; each of the loops is for a thread."""

    def __init__(self, database: Database, site: UUID, settings: Settings) -> None:
        self.database, self.site = database, site
        self.settings = settings.model_copy(update={"study_quiet": 0.001})
        self.names, self.done = [f"1.{number}" for number in range(4)], threading.Event()
        with database.unit_of_work() as session:
            self.version = model(session)

    def submit(self, seed: int, *, count: int) -> None:
        chance = random.Random(seed)
        for _ in range(count):
            with self.database.unit_of_work() as session:
                add_image(session, self.site, chance.choice(self.names))
                time.sleep(chance.random() * 0.01)

    def work(self) -> None:
        chance = random.Random(0)
        while True:
            ending = self.done.is_set()
            with self.database.unit_of_work() as session:
                claims = jobs.claim(session, owner="tests", limit=4, lease_s=600)
                for claim in claims:
                    finish(session, claim, self.version, chance.random())
            if ending and not claims:
                return

    def settle(self) -> None:
        while not self.done.is_set():
            self.settle_now()

    def settle_now(self) -> None:
        settle_due(self.database, self.settings)
        with self.database.unit_of_work() as session:  # or a busy one would be looked at once in five seconds
            session.execute(text("UPDATE study_result SET look_after = now() WHERE state = 'open'"))

    def expected(self) -> dict[str, tuple[int, float]]:
        """By Study how many images it has, and the mean of what was said of them."""
        query = text(
            "SELECT study_instance_uid, count(*), avg(finding.probability) FROM study"
            " JOIN image ON image.study_id = study.id JOIN job ON job.image_id = image.id"
            " JOIN prediction ON prediction.job_id = job.id JOIN finding ON finding.prediction_id = prediction.id"
            " WHERE finding.label = 'fracture' GROUP BY study.id"
        )
        with self.database.unit_of_work() as session:
            return {uid: (count, mean) for uid, count, mean in session.execute(query)}


def test_images_come_and_are_judged_while_two_settle(database: Database, site: UUID, settings: Settings) -> None:
    """Nothing waits for anything: at the end every Study is settled with all its images, none of them lost."""
    traffic = Traffic(database, site, settings)
    with ThreadPoolExecutor(6) as pool:
        others = [pool.submit(traffic.settle), pool.submit(traffic.settle), pool.submit(traffic.work)]
        for submitted in [pool.submit(traffic.submit, seed, count=30) for seed in range(3)]:
            submitted.result(timeout=60)
        traffic.done.set()
        for one in others:
            one.result(timeout=60)
    time.sleep(0.05)
    traffic.settle_now()
    traffic.settle_now()
    expected, results = traffic.expected(), {name: of(database, site, name) for name in traffic.names}
    assert sum(images for images, _ in expected.values()) == 90
    for name, result in results.items():
        assert (result.state, result.images, result.failed_images) == ("settled", expected[name][0], 0)
        assert only_finding(result)["probability"] == pytest.approx(expected[name][1])
    reopened = sum(result.revision for result in results.values()) - len(results)
    assert reopened > 0, "no Study was opened again: the test proved nothing"
