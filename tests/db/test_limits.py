"""Both limits, small (counted each time) and large (counted now and then), for submits and replays."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import text

from core.errors import QueueFull, QuotaExceeded
from db.repositories import jobs
from db.repositories.jobs import limits
from db.session import Database
from tests.factories import make_image, make_job, make_site

LARGE = limits.COUNT_EXACT + 500


def fill(database: Database, site: UUID, count: int) -> None:
    """`count` queued jobs of the Site, as other processes would add them: unseen by this one's counts."""
    with database.unit_of_work() as session:
        session.execute(
            text(
                "INSERT INTO job (id, site_id, image_id, explain, request_hash, max_attempts, deadline_at)"
                " SELECT gen_random_uuid(), :site, :image, '{}', 'h', 5, now() + interval '1 h'"
                " FROM generate_series(1, :count)"
            ),
            {"site": site, "image": make_image(session, site).id, "count": count},
        )


def submit(database: Database, site: UUID, **limit: int) -> None:
    with database.unit_of_work() as session:
        make_job(session, site, **limit)


def other_site(database: Database) -> UUID:
    with database.unit_of_work() as session:
        return make_site(session).id


def test_small_limits_are_exact(database: Database, site: UUID) -> None:
    other = other_site(database)
    for _ in range(3):
        submit(database, site, site_active_limit=3)
    with pytest.raises(QuotaExceeded) as refused:
        submit(database, site, site_active_limit=3)
    assert refused.value.retry_after == limits.RETRY_AFTER_S
    submit(database, other, site_active_limit=3, queue_limit=4)
    with pytest.raises(QueueFull):
        submit(database, other, site_active_limit=3, queue_limit=4)
    with database.unit_of_work() as session:
        jobs.cancel(session, site_id=site, job_id=jobs.page(session, site_id=site)[0].id)
    submit(database, site, site_active_limit=3, queue_limit=4)


@pytest.mark.parametrize(("name", "error"), [("queue_limit", QueueFull), ("site_active_limit", QuotaExceeded)])
def test_large_limits_refuse(database: Database, site: UUID, name: str, error: type[Exception]) -> None:
    fill(database, site, LARGE - 2)
    submit(database, site, **{name: LARGE})
    submit(database, site, **{name: LARGE})
    with pytest.raises(error):
        submit(database, site, **{name: LARGE})
    with database.unit_of_work() as session:
        assert session.scalar(text("SELECT count(*) FROM job")) == LARGE


def test_a_large_limit_is_counted_again_when_its_count_is_old(
    database: Database, site: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "COUNT_FRESH_S", 60.0)
    submit(database, site, queue_limit=LARGE)
    fill(database, site, LARGE)
    submit(database, site, queue_limit=LARGE)  # approximate: what others added is not seen yet
    monkeypatch.setattr("db.repositories.jobs.limits.time.monotonic", lambda: 10**9)
    with pytest.raises(QueueFull):
        submit(database, site, queue_limit=LARGE)


def test_refusals_of_one_site_fill_nobodys_queue(database: Database, site: UUID) -> None:
    other = other_site(database)
    fill(database, site, 5)
    for _ in range(20):
        with pytest.raises(QuotaExceeded):
            submit(database, site, queue_limit=LARGE, site_active_limit=5)
    fill(database, other, LARGE - 5 - 1)
    limits._counts.clear()
    for _ in range(20):
        with pytest.raises(QuotaExceeded):
            submit(database, site, queue_limit=LARGE, site_active_limit=5)
    submit(database, other, queue_limit=LARGE)
    with pytest.raises(QueueFull):
        submit(database, other, queue_limit=LARGE)


def test_replay_is_limited_too(database: Database, site: UUID) -> None:
    with database.unit_of_work() as session:
        job = make_job(session, site).id
        jobs.cancel(session, site_id=site, job_id=job)
        make_job(session, site)
    for limit, error in ({"queue_limit": 1}, QueueFull), ({"site_active_limit": 1}, QuotaExceeded):
        with pytest.raises(error), database.unit_of_work() as session:
            jobs.replay(session, site_id=site, job_id=job, **limit)
    with database.unit_of_work() as session:
        assert jobs.replay(session, site_id=site, job_id=job, site_active_limit=2).replay_of == job


def test_a_repeated_submit_is_answered_however_full(database: Database, site: UUID) -> None:
    with database.unit_of_work() as session:
        image = make_image(session, site).id
        first = make_job(session, site, image_id=image, idempotency_key="k").id
    with database.unit_of_work() as session:
        assert make_job(session, site, image_id=image, idempotency_key="k", queue_limit=1).id == first
