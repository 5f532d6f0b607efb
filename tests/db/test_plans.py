"""What the statements of the hot path read in a large queue: the real statements, explained on 200,000 jobs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy import TextClause, text

from core.settings import Settings
from core.vocabulary import JobState
from db.repositories import jobs
from db.repositories.jobs import claims, limits, queries, sweeping
from db.session import Database, Session, make_database
from db.tables import Base
from lucency.stack.embedded import EmbeddedServers
from tests.conftest import another_database
from tests.factories import make_image, make_site
from tests.servers import TEMPLATE

# Without foreign keys' checks (one image for all), so that it takes seconds.
FILL = text("""
SET LOCAL session_replication_role = replica;
INSERT INTO job (id, site_id, image_id, explain, request_hash, max_attempts, deadline_at, created_at, priority, state,
    crash_count, run_after, lease_owner, lease_expires_at, finished_at)
SELECT gen_random_uuid(), :site, :image, '{fracture}', 'h', 5, now() + interval '1 day',
    now() - n * interval '1 ms', n % 21 - 10, :state, :crash_count, now() + :wait * interval '1 s',
    CASE :state WHEN 'running' THEN 'w' END, CASE :state WHEN 'running' THEN now() + interval '900 s' END,
    CASE WHEN :state IN ('succeeded', 'failed') THEN now() END
FROM generate_series(1, :count) AS n
""")
FILLED = (
    # state, crash_count, seconds until due, count
    ("queued", 0, 0, 100_000),
    ("retry_wait", 0, 3600, 50_000),
    ("retry_wait", 1, 3600, 5_000),
    ("running", 0, 0, 2_000),
    ("succeeded", 0, 0, 43_000),
    ("failed", 0, 0, 40),
)
LIMIT = 8


def fill(database: Database, site: UUID, *, analyse: bool) -> None:
    with database.unit_of_work() as session:
        image = make_image(session, site).id
        # Statistics come when the test says so.
        session.execute(text("ALTER TABLE job SET (autovacuum_enabled = false)"))
        for state, crash_count, wait, count in FILLED:
            values = {"state": state, "crash_count": crash_count, "wait": wait, "count": count}
            session.execute(FILL, {"site": site, "image": image, **values})
    if analyse:
        # And the visibility map, as autovacuum keeps both. The tests' server commits asynchronously, and what is not
        # flushed yet is not marked visible: hence the checkpoint.
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("CHECKPOINT"))
            connection.execute(text("VACUUM ANALYZE job"))


@pytest.fixture(scope="module")
def filled(servers: EmbeddedServers) -> Iterator[tuple[str, UUID]]:
    """The name of a database with a Site of these jobs, and the Site. It takes seconds: tests get a copy each."""
    with another_database(servers, TEMPLATE) as name:
        made = make_database(Settings(database_url=SecretStr(servers.postgres.url(name))), application_name="fill")
        with made.unit_of_work() as session:
            site = make_site(session).id
        fill(made, site, analyse=True)
        made.dispose()
        yield name, site


@pytest.fixture
def large(servers: EmbeddedServers, settings: Settings, filled: tuple[str, UUID]) -> Iterator[Database]:
    with another_database(servers, filled[0]) as name:
        url = SecretStr(servers.postgres.url(name))
        made = make_database(settings.model_copy(update={"database_url": url}), application_name="tests")
        yield made
        made.dispose()


@pytest.fixture
def site(filled: tuple[str, UUID]) -> UUID:
    return filled[1]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


class Explained:
    """A plan as it was executed (and rolled back)."""

    def __init__(self, session: Session, statement: TextClause, **values: Any) -> None:
        explain = text("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) " + statement.text)
        (found,) = session.execute(explain, values).scalar_one()
        self.nodes = list(nodes(found["Plan"]))
        self.reads = [node for node in self.nodes if node.get("Relation Name") == "job" and "Scan" in node["Node Type"]]
        self.buffers = found["Plan"]["Shared Hit Blocks"] + found["Plan"]["Shared Read Blocks"]

    @property
    def indexes(self) -> set[str]:
        return {node["Index Name"] for node in self.nodes if "Index Name" in node}

    @property
    def rows(self) -> float:
        """Rows of `job` that were looked at, those that a filter threw away included."""
        return sum(
            float((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"])
            for node in self.reads
        )

    def scans_whole_table(self) -> bool:
        return any(node["Node Type"] == "Seq Scan" for node in self.reads)


def active_all(session: Session) -> TextClause:
    """What the function of migration 0005 counts with, as a statement that can be explained."""
    body = str(session.scalar(text("SELECT prosrc FROM pg_proc WHERE proname = 'active_jobs'")))
    assert "LIMIT most" in body
    return text(body.replace("LIMIT most", "LIMIT :limit"))


CLAIM = {"owner": "w", "limit": LIMIT, "lease_s": 30.0, "suspects": True}


def test_a_claim_reads_what_it_takes(large: Database) -> None:
    """No job that is not due is stepped over, whatever waits; the cost of a claim is that of its batch."""
    with large.unit_of_work() as session:
        plan = Explained(session, claims._CLAIM, **CLAIM)
        assert not plan.scans_whole_table()
        assert {"ix_job_claim", "ix_job_retry", "ix_job_suspect"} <= plan.indexes
        # The candidates, and the same again for the update; twice as many retries as are taken may be looked at.
        assert plan.rows <= 5 * LIMIT
        # 8 rows × (fetch, lock, update, up to eleven indexes of three levels), the events, the image; 21 priorities.
        assert plan.buffers <= 150 * LIMIT
        session.rollback()
    with large.unit_of_work() as session:
        session.execute(text("UPDATE job SET run_after = now() WHERE state = 'retry_wait' AND crash_count = 0"))
    with large.unit_of_work() as session:
        again = Explained(session, claims._CLAIM, **CLAIM)
        assert not again.scans_whole_table()
        assert again.rows <= 21 * LIMIT + 5 * LIMIT  # at most a batch of each priority, should all be due at once
        session.rollback()


def test_a_claim_just_after_a_flood(database: Database) -> None:
    """The statistics still say that there is next to nothing: the plan must not rest on them."""
    with database.unit_of_work() as session:
        site = make_site(session).id
        session.execute(text("ANALYZE job"))
    fill(database, site, analyse=False)
    with database.unit_of_work() as session:
        plan = Explained(session, claims._CLAIM, **CLAIM)
        assert not plan.scans_whole_table()
        assert plan.rows <= 5 * LIMIT
        asked: list[tuple[TextClause, dict[str, Any]]] = [
            (limits._ACTIVE_SITE, {"site_id": site, "limit": 1000}),
            (active_all(session), {"limit": 1000}),
            (sweeping._DUE, {"stale_s": 0.0, "limit": 1000}),
        ]
        for statement, values in asked:
            assert Explained(session, statement, **values).rows <= 1000
        session.rollback()


def test_a_suspect_is_found_without_reading_the_queue(large: Database) -> None:
    with large.unit_of_work() as session:
        session.execute(
            text(
                "UPDATE job SET run_after = now() WHERE id ="
                " (SELECT id FROM job WHERE state = 'retry_wait' AND crash_count > 0 LIMIT 1)"
            )
        )
    with large.unit_of_work() as session:
        plan = Explained(session, claims._CLAIM, **CLAIM)
        assert not plan.scans_whole_table()
        assert plan.rows <= 5
        session.rollback()
    with large.unit_of_work() as session:
        (alone,) = jobs.claim(session, owner="w", limit=LIMIT, lease_s=30)
        assert alone.crash_count == 1


def test_everything_asked_often_stays_in_an_index(large: Database, site: UUID) -> None:
    crashed = {"code": "c", "detail": "d"}
    asked: dict[str, tuple[TextClause, dict[str, Any]]] = {
        "ix_job_lease": (sweeping._RECOVER, {"max_crashes": 3, "limit": 1000, **crashed}),
        "ix_job_deadline": (sweeping._EXPIRE, {"limit": 1000, **crashed}),
        "ix_job_site_active": (limits._ACTIVE_SITE, {"site_id": site, "limit": 1000}),
        "ix_job_claim": (sweeping._DUE, {"stale_s": 0.0, "limit": 1000}),
    }
    with large.unit_of_work() as session:
        for index, (statement, values) in asked.items():
            plan = Explained(session, statement, **values)
            assert not plan.scans_whole_table(), index
            assert index in plan.indexes
            assert plan.rows <= 1000
        oldest = Explained(session, queries._OLDEST_DUE)
        assert not oldest.scans_whole_table()
        assert oldest.rows <= 3 * 21
        assert oldest.buffers <= 1000
        session.rollback()


def test_the_large_limits_count_an_index_alone(large: Database, site: UUID) -> None:
    with large.unit_of_work() as session:
        asked: list[tuple[TextClause, dict[str, Any]]] = [
            (active_all(session), {}),
            (limits._ACTIVE_SITE, {"site_id": site}),
        ]
        for statement, values in asked:
            plan = Explained(session, statement, **values, limit=1_000_000)
            (read,) = plan.reads
            assert read["Node Type"] == "Index Only Scan"
            assert read["Actual Rows"] == 157_000
            # Some 200 entries a page of an index, against 30 rows a page of the table.
            assert plan.buffers <= 157_000 / 50  # some 70 entries a page


def test_counts_of_a_large_table(large: Database) -> None:
    exact = {JobState.RUNNING: 2_000}
    with large.unit_of_work() as session:
        counts = jobs.counts_by_state(session)
        plan = Explained(session, queries._ACTIVE, limit=50_001)
    assert {state: counts[state] for state in exact} == exact
    assert not plan.scans_whole_table()
    assert plan.rows <= 2 * 50_001 + 5_000 + 2_000
    for state, count in (("queued", 100_000), ("retry_wait", 55_000), ("succeeded", 43_000)):
        assert counts[JobState(state)] == pytest.approx(count, rel=0.1)
    assert counts[JobState.CANCELLED] == 0


def test_a_list_of_the_few_that_failed(large: Database, site: UUID) -> None:
    """Not by reading the many that succeeded."""
    states = [JobState.FAILED, JobState.RUNNING]

    def read() -> int:
        with large.unit_of_work() as session:
            session.execute(text("SELECT pg_stat_force_next_flush()"))
            return int(
                session.scalar(
                    text("SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'job'")
                )
                or 0
            )

    before = read()
    with large.unit_of_work() as session:
        found = jobs.page(session, site_id=site, wanted=jobs.Filter(states=states), limit=50)
        last = jobs.page(
            session,
            site_id=site,
            wanted=jobs.Filter(states=[JobState.FAILED]),
            limit=50,
            before=(found[-1].created_at, found[-1].id),
        )
        session.execute(text("SELECT pg_stat_force_next_flush()"))
    # 50 + 50 rows, and the 2,000 that run now at most: not the 43,000 that succeeded, nor the queue.
    assert read() - before <= 2_200
    assert len(found) == 50
    assert {job.state for job in found} == {"failed", "running"}
    order = [(job.created_at, job.id) for job in found + last]
    assert order == sorted(order, reverse=True)
    assert sum(job.state == "failed" for job in found + last) == 40


def test_a_bound_session_reads_no_more(large: Database, site: UUID) -> None:
    """Row-level security adds a comparison, not a way through the table: a list's page costs what it did."""
    page = text("SELECT * FROM job WHERE site_id = :site ORDER BY created_at DESC, id DESC LIMIT 50")
    with large.unit_of_work() as session:
        free = Explained(session, page, site=site)
        one = session.scalar(text("SELECT id FROM job LIMIT 1"))
    with large.unit_of_work(site_id=site) as session:
        bound = Explained(session, page, site=site)
        assert bound.indexes == free.indexes == {"ix_job_site"}
        assert (bound.rows, bound.buffers) == (free.rows, free.buffers)
        child = Explained(session, text("SELECT * FROM job_event WHERE job_id = :job"), job=one)
        assert child.indexes == {"ix_job_event_job", "pk_job"}
        # Unfiltered, it is the policy that finds the Site's index.
        alone = Explained(session, text("SELECT * FROM job ORDER BY created_at DESC, id DESC LIMIT 50"))
        assert not alone.scans_whole_table()


def test_no_index_is_idle() -> None:
    """Each index of `job` has the statement above that reads it; an index that nobody reads only costs writes."""
    assert {index.name for index in Base.metadata.tables["job"].indexes} == {
        "ix_job_claim", "ix_job_retry", "ix_job_suspect", "ix_job_lease", "ix_job_deadline",
        "ix_job_site", "ix_job_site_active", "ix_job_site_unsuccessful",
        # ix_job_image: duplicates, studies, erasure; ix_job_finished: test_figures; the rest: test_list_plans.
        "ix_job_image", "ix_job_finished", "ix_job_held", "ix_job_site_succeeded", "ix_job_replay",
    }  # fmt: skip
