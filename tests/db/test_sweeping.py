"""What time does: crashed jobs come back at the sweep, retries wait with jitter, one sweeper at a time."""

from __future__ import annotations

import statistics
from uuid import UUID

import pytest
from sqlalchemy import text

from core.errors import EngineFailed
from db.repositories import jobs
from db.repositories.locks import try_lock
from db.session import Database
from tests.factories import make_image, make_job


def lose_leases(database: Database) -> None:
    with database.unit_of_work() as session:
        session.execute(text("UPDATE job SET lease_expires_at = now() WHERE state = 'running'"))


def test_a_crashed_job_is_claimable_right_after_the_sweep(database: Database, site: UUID) -> None:
    """Lease + sweep is the whole wait (35 s are promised): no jitter comes on top, each time that it crashes."""
    with database.unit_of_work() as session:
        made = make_job(session, site, max_attempts=9).id
    for crashes in range(4):
        with database.unit_of_work() as session:
            (claim,) = jobs.claim(session, owner="w", limit=8, lease_s=30)
            assert (claim.job_id, claim.crash_count) == (made, crashes)
        lose_leases(database)
        with database.unit_of_work() as session:
            report = jobs.sweep(session, max_crashes=5)
            assert (report.recovered, report.died, report.due) == (1, 0, 1)
    with database.unit_of_work() as session:
        jobs.claim(session, owner="w", limit=8, lease_s=30)
    lose_leases(database)
    with database.unit_of_work() as session:
        report = jobs.sweep(session, max_crashes=5)
        assert (report.recovered, report.died, report.due) == (0, 1, 0)
        job = jobs.get(session, site_id=site, job_id=made)
        assert (job.state, job.error_code, job.crash_count) == ("dead", "worker_crashed", 5)


def test_crashed_jobs_come_first_and_each_alone(database: Database, site: UUID) -> None:
    with database.unit_of_work() as session:
        crashed = {make_job(session, site).id for _ in range(3)}
        assert len(jobs.claim(session, owner="w", limit=3, lease_s=30)) == 3
    lose_leases(database)
    with database.unit_of_work() as session:
        fresh = {make_job(session, site, priority=10).id for _ in range(4)}
        assert jobs.sweep(session).recovered == 3
    with database.unit_of_work() as session:
        # Who may not take suspects gets the others, and only them.
        (other,) = jobs.claim(session, owner="careful", limit=1, lease_s=30, suspects=False)
        assert other.job_id in fresh
        alone = [jobs.claim(session, owner="w", limit=8, lease_s=30) for _ in range(3)]
        assert [len(batch) for batch in alone] == [1, 1, 1]
        assert {batch[0].job_id for batch in alone} == crashed
        rest = jobs.claim(session, owner="w", limit=8, lease_s=30)
        assert {claim.job_id for claim in rest} == fresh - {other.job_id}


def test_a_living_lease_is_left_alone(database: Database, site: UUID) -> None:
    with database.unit_of_work() as session:
        make_job(session, site)
        jobs.claim(session, owner="w", limit=1, lease_s=30)
    with database.unit_of_work() as session:
        assert jobs.sweep(session) == jobs.SweepReport(0, 0, 0, 0)


@pytest.mark.parametrize(("attempt", "bound"), [(1, 2.0), (2, 4.0), (4, 16.0), (9, 30.0), (60, 30.0)])
def test_retries_wait_uniformly_up_to_their_bound(database: Database, site: UUID, attempt: int, bound: float) -> None:
    """Full jitter: between 0 and min(cap, base·2ⁿ⁻¹) seconds before attempt n + 1."""
    with database.unit_of_work() as session:
        image = make_image(session, site).id
        for _ in range(200):
            make_job(session, site, image_id=image, max_attempts=99)
        session.execute(text("UPDATE job SET attempt = :before"), {"before": attempt - 1})
        claims = jobs.claim(session, owner="w", limit=200, lease_s=30)
        for claim in claims:
            jobs.fail(session, claim, error=EngineFailed(), retry_base=2.0, retry_cap=30.0)
        found = session.scalars(text("SELECT extract(epoch FROM run_after - now()) FROM job"))
        waits = [float(wait) / bound for wait in found]
    assert len(waits) == 200
    assert min(waits) >= 0
    assert max(waits) <= 1
    # Five standard deviations of the mean of 200 uniform numbers; an end of a tenth stays empty once in 10⁹ runs.
    assert statistics.mean(waits) == pytest.approx(0.5, abs=0.1)
    assert min(waits) < 0.1
    assert max(waits) > 0.9


def test_a_retry_is_not_claimed_before_its_time(database: Database, site: UUID) -> None:
    with database.unit_of_work() as session:
        job = make_job(session, site).id
        (claim,) = jobs.claim(session, owner="w", limit=1, lease_s=30)
        jobs.fail(session, claim, error=EngineFailed())
        session.execute(text("UPDATE job SET run_after = now() + interval '1 s'"))
    with database.unit_of_work() as session:
        assert jobs.claim(session, owner="w", limit=1, lease_s=30) == []
        assert jobs.due(session, stale_s=0) == 0
        session.execute(text("UPDATE job SET run_after = now()"))
        assert jobs.due(session, stale_s=0) == 1
        assert [claim.job_id for claim in jobs.claim(session, owner="w", limit=1, lease_s=30)] == [job]


def test_a_queued_job_is_hinted_again_when_it_is_stale(database: Database, site: UUID) -> None:
    with database.unit_of_work() as session:
        make_job(session, site)
    with database.unit_of_work() as session:
        assert jobs.due(session, stale_s=60) == 0
        assert jobs.due(session, stale_s=0) == 1


def test_a_lock_is_held_by_one_until_its_transaction_ends(database: Database) -> None:
    with database.unit_of_work() as first:
        assert try_lock(first, "sweep")
        assert try_lock(first, "sweep")
        with database.unit_of_work() as second:
            assert not try_lock(second, "sweep")
            assert try_lock(second, "reconcile")
    with database.unit_of_work() as second:
        assert try_lock(second, "sweep")


def test_two_sweepers_count_each_job_once(database: Database, site: UUID) -> None:
    with database.unit_of_work() as session:
        make_job(session, site)
        jobs.claim(session, owner="w", limit=1, lease_s=30)
    lose_leases(database)
    with database.unit_of_work() as first, database.unit_of_work() as second:
        assert jobs.sweep(first).recovered == 1
        # The row is locked: skipped, not waited for.
        assert jobs.sweep(second).recovered == 0
    with database.unit_of_work() as session:
        assert jobs.sweep(session).recovered == 0
