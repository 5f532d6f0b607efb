"""Recording outcomes, also when the database's answer is lost on the way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest

from core.errors import DatabaseUnavailable
from core.settings import Settings
from db.repositories import jobs
from db.repositories.jobs import Claim
from db.session import Database, Session
from tests.factories import make_job, make_model, make_outcome
from worker.inference.completer import JobCompleter
from worker.inference.leases import HeldLeases


class Mute(Database):
    """Commits, and then says that the server is away: as when the network is cut before the answer."""

    answered = True

    @contextmanager
    def unit_of_work(self, *, site_id: UUID | None = None) -> Iterator[Session]:
        with super().unit_of_work(site_id=site_id) as session:
            yield session
        if not self.answered:
            self.answered = True
            raise DatabaseUnavailable


@pytest.fixture
def mute(database: Database) -> Mute:
    return Mute(database.engine)


@pytest.fixture
def completer(settings: Settings, mute: Mute) -> JobCompleter:
    return JobCompleter(database=mute, leases=HeldLeases(bound_s=60), settings=settings)


def claimed(database: Database, site: UUID) -> tuple[Claim, UUID]:
    with database.unit_of_work() as session:
        make_job(session, site)
        model = make_model(session).id
        (claim,) = jobs.claim(session, owner="w", limit=1, lease_s=60)
        return claim, model


def test_a_job_is_finished_once(completer: JobCompleter, database: Database, site: UUID) -> None:
    claim, model = claimed(database, site)
    assert completer.succeed([claim], [make_outcome(claim, model)]) == {claim.job_id}
    assert completer.succeed([claim], [make_outcome(claim, model)]) == set()


def test_after_a_lost_answer_the_result_stands(
    completer: JobCompleter, mute: Mute, database: Database, site: UUID
) -> None:
    """The second try finds the job finished by the first, and changes nothing."""
    claim, model = claimed(database, site)
    mute.answered = False
    assert completer.succeed([claim], [make_outcome(claim, model)]) == set()
    with database.unit_of_work() as session:
        assert jobs.get(session, site_id=site, job_id=claim.job_id).state == "succeeded"
