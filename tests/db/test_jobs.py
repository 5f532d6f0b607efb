"""Claims, submits, isolation and cost on the real Postgres."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

from core.errors import EngineFailed, IdempotencyMismatch, NotFound, QueueFull, QuotaExceeded, ResultNotReady
from db.repositories import images, jobs
from db.session import Database, Session
from tests.factories import make_image, make_job, make_model, make_outcome, make_site


def test_two_claimers_never_share(database: Database, site: UUID) -> None:
    with database.unit_of_work() as session:
        image_id = make_image(session, site).id
        made = {make_job(session, site, image_id=image_id).id for _ in range(120)}

    def take(owner: str) -> list[UUID]:
        got: list[UUID] = []
        while True:
            with database.unit_of_work() as session:
                claims = jobs.claim(session, owner=owner, limit=7, lease_s=30)
            if not claims:
                return got
            got += [claim.job_id for claim in claims]

    with ThreadPoolExecutor(3) as pool:
        taken = [job_id for part in pool.map(take, "abc") for job_id in part]
    assert len(taken) == 120
    assert set(taken) == made


def test_priority_then_age_and_not_before_run_after(database: Database, site: UUID) -> None:
    with database.unit_of_work() as session:
        ids = [make_job(session, site, priority=priority).id for priority in (0, 5, -3)]
    with database.unit_of_work() as session:
        (first,) = jobs.claim(session, owner="w", limit=1, lease_s=30)
        assert first.job_id == ids[1]
        jobs.fail(session, first, error=EngineFailed())
        session.execute(text("UPDATE job SET run_after = now() + interval '1 h' WHERE state = 'retry_wait'"))
        later = make_job(session, site).id
    with database.unit_of_work() as session:
        got = jobs.claim(session, owner="w", limit=9, lease_s=30)
        assert [claim.job_id for claim in got] == [ids[0], later, ids[2]]


def test_same_key_at_once_is_one_job(database: Database, site: UUID) -> None:
    with database.unit_of_work() as session:
        image_id = make_image(session, site).id

    def submit(number: int) -> tuple[UUID, bool]:
        with database.unit_of_work() as session:
            made = jobs.submit(session, site_id=site, image_id=image_id, request_hash="h", idempotency_key="k")
            return made.job.id, made.created

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(submit, range(24)))
    assert len({job_id for job_id, _ in answers}) == 1
    assert sum(created for _, created in answers) == 1
    with pytest.raises(IdempotencyMismatch), database.unit_of_work() as session:
        jobs.submit(session, site_id=site, image_id=image_id, request_hash="other", idempotency_key="k")


def test_a_key_is_its_sites(database: Database, site: UUID) -> None:
    with database.unit_of_work() as session:
        mine = make_job(session, site, idempotency_key="k")
        other = make_site(session).id
        theirs = make_job(session, other, idempotency_key="k", request_hash="another")
        assert (theirs.site_id, theirs.id != mine.id) == (other, True)
        asked: dict[str, Any] = {"idempotency_key": "k", "request_hash": "hash"}
        assert jobs.find_by_key(session, site_id=site, **asked) == mine
        assert jobs.find_by_key(session, site_id=make_site(session).id, **asked) is None


def test_a_lease_is_its_owners_and_lasts_as_long_as_asked(database: Database, site: UUID) -> None:
    def left(session: Session) -> float:
        seconds = text("SELECT extract(epoch FROM lease_expires_at - now()) FROM job WHERE state = 'running'")
        return float(session.scalars(seconds).one())

    with database.unit_of_work() as session:
        make_job(session, site)
        (claim,) = jobs.claim(session, owner="w", limit=1, lease_s=40)
        assert left(session) == pytest.approx(40)
    held = [(claim.job_id, claim.fence)]
    with database.unit_of_work() as session:
        assert jobs.heartbeat(session, owner="another", held=held, lease_s=70) == set()
        assert left(session) < 40
        assert jobs.heartbeat(session, owner="w", held=held, lease_s=70) == {claim.job_id}
        assert left(session) == pytest.approx(70)


def test_same_image_at_once_is_one_row(database: Database, site: UUID) -> None:
    def add(number: int) -> UUID:
        with database.unit_of_work() as session:
            return make_image(session, site, sha256="a" * 64, sop_instance_uid="1.2").id

    with ThreadPoolExecutor(5) as pool:
        assert len(set(pool.map(add, range(20)))) == 1


def test_limits(database: Database, site: UUID) -> None:
    with database.unit_of_work() as session:
        make_job(session, site, queue_limit=2, site_active_limit=1)
    with pytest.raises(QuotaExceeded), database.unit_of_work() as session:
        make_job(session, site, queue_limit=2, site_active_limit=1)
    with pytest.raises(QueueFull), database.unit_of_work() as session:
        make_job(session, site, queue_limit=1)


def test_another_site_sees_nothing(database: Database, site: UUID) -> None:
    with database.unit_of_work() as session:
        other = make_site(session).id
        job = make_job(session, site)
        ids: dict[str, Any] = {"site_id": other, "job_id": job.id}
        for ask in (jobs.get, jobs.events, jobs.result, jobs.cancel, jobs.replay):
            with pytest.raises(NotFound):
                ask(session, **ids)
        assert jobs.page(session, site_id=other) == []
        with pytest.raises(NotFound):
            images.get(session, site_id=other, image_id=job.image_id)
        with pytest.raises(NotFound):
            make_job(session, other, image_id=job.image_id)


def test_another_site_cancels_nothing_by_the_thousand(database: Database, site: UUID) -> None:
    with database.unit_of_work() as session:
        made = [make_job(session, site).id for _ in range(2)]
        assert jobs.cancel_many(session, site_id=make_site(session).id, job_ids=made) == 0
        assert jobs.cancel_many(session, site_id=site, job_ids=made) == 2


def test_only_ones_own_job_answers_for_an_image(database: Database, site: UUID) -> None:
    with database.unit_of_work() as session:
        job = make_job(session, site)
        asked: dict[str, Any] = {"image_id": job.image_id, "model_version_id": make_model(session).id, "explain": []}
        assert jobs.answering(session, site_id=site, **asked) == job.id
        assert jobs.answering(session, site_id=make_site(session).id, **asked) is None


def test_result_and_events_are_kept(database: Database, site: UUID) -> None:
    with database.unit_of_work() as session:
        job = make_job(session, site)
        with pytest.raises(ResultNotReady):
            jobs.result(session, site_id=site, job_id=job.id)
        model = make_model(session)
        (claim,) = jobs.claim(session, owner="w", limit=1, lease_s=30)
        assert jobs.succeed(session, [make_outcome(claim, model.id)]) == {job.id}
    with database.unit_of_work() as session:
        found = jobs.result(session, site_id=site, job_id=job.id)
        assert [finding.label for finding in found.findings] == ["fracture"]
        assert found.findings[0].explanation is not None
        assert found.findings[0].explanation.regions[0]["x"] == 10.0
        # The largest JSON there is, which no result shows.
        assert "manifest" in inspect(found.model_version).unloaded
        assert found.model_version.name == model.name
    for statement in ("DELETE FROM job_event", "UPDATE job_event SET code = 'x'", "UPDATE job SET state = 'dead'"):
        with pytest.raises(DBAPIError), database.unit_of_work() as session:
            session.execute(text(statement))
