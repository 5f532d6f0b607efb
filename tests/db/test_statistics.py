"""The overview's statements on a day of 150,000 jobs of two Sites: they read what is new, not what is there."""

from __future__ import annotations

import time
from uuid import UUID

import pytest
from sqlalchemy import text

from db.repositories import statistics
from db.session import Database
from tests.db.test_plans import Explained
from tests.factories import make_image, make_site

DAY = 150_000
QUEUED = 1_000
# Without foreign keys' checks (one image for all), so that it takes seconds.
FILL = text("""
SET LOCAL session_replication_role = replica;
INSERT INTO job (id, site_id, image_id, explain, request_hash, max_attempts, deadline_at, created_at, state,
    finished_at)
SELECT gen_random_uuid(), CASE n % 2 WHEN 0 THEN CAST(:site AS uuid) ELSE CAST(:other AS uuid) END, :image,
    '{fracture}', 'h', 5, now() + interval '1 day', now() - n * interval '86400 s' / :day,
    CASE WHEN n <= :queued THEN 'queued' WHEN n % 50 = 0 THEN 'failed' ELSE 'succeeded' END,
    CASE WHEN n > :queued THEN now() - n * interval '86400 s' / :day END
FROM generate_series(1, :day) AS n
""")

RESULTS = text("""
SET LOCAL session_replication_role = replica;
INSERT INTO prediction (id, job_id, model_version_id, fence, engine, region_probabilities, rows, columns, preview_key,
    "window", timings_ms)
SELECT gen_random_uuid(), id, id, 1, 'onnxruntime', '{}', 1, 1, '', '{0,0,1,1}', '{"infer": 7.5, "total": 20}'
FROM job WHERE state = 'succeeded' ORDER BY finished_at DESC LIMIT 5000
""")


@pytest.fixture
def day(database: Database, site: UUID) -> Database:
    with database.unit_of_work() as session:
        other, image = make_site(session).id, make_image(session, site).id
        session.execute(text("ALTER TABLE job SET (autovacuum_enabled = false)"))
        session.execute(FILL, {"site": site, "other": other, "image": image, "day": DAY, "queued": QUEUED})
        session.execute(RESULTS)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CHECKPOINT"))
        connection.execute(text("VACUUM ANALYZE job, prediction"))
    return database


def test_the_overview_reads_what_is_new(day: Database, site: UUID) -> None:
    """One test, since the day takes seconds to fill."""
    for bound in (True, False):
        last_minutes_read_the_last_minutes(day, site, bound=bound)
    a_whole_day_is_counted_from_the_index_alone(day, site)


def last_minutes_read_the_last_minutes(day: Database, site: UUID, *, bound: bool) -> None:
    of = {"site_id": site} if bound else {}
    a_minute = DAY / (24 * 60)
    with day.unit_of_work(site_id=site if bound else None) as session:
        minute = int(statistics.clock(session).timestamp() // 60)
        tallies = Explained(session, statistics._TALLIES[bound], since_minute=minute - 30, **of)
        assert not tallies.scans_whole_table()
        assert {"ix_job_finished", "ix_job_site"} <= tallies.indexes
        assert 0 < tallies.rows <= 2 * 32 * a_minute
        recent = Explained(session, statistics._PULSE[bound], recent_s=1200.0, within_s=30.0, **of)
        assert recent.indexes >= {"ix_job_finished"}
        assert 0 < recent.rows <= 22 * a_minute
        phases = Explained(session, statistics._PHASES[bound], latest=statistics.LATEST, **of)
        assert not phases.scans_whole_table()
        assert "ix_job_finished" in phases.indexes
        assert 0 < phases.rows <= 2 * 1.1 * statistics.LATEST
        waiting = Explained(session, statistics._WAITING[bound], **of)
        assert not waiting.scans_whole_table()
        assert 0 < waiting.rows <= QUEUED


def a_whole_day_is_counted_from_the_index_alone(day: Database, site: UUID) -> None:
    with day.unit_of_work(site_id=site) as session:
        minute = int(statistics.clock(session).timestamp() // 60)
        values = {"site_id": site, "since_minute": minute - 1439}
        plan = Explained(session, statistics._TALLIES[True], **values)
        reads = [node for node in plan.reads if node.get("Index Name") == "ix_job_finished"]
        assert [node["Node Type"] for node in reads] == ["Index Only Scan"]
        assert sum(node["Heap Fetches"] for node in reads) == 0
        started = time.perf_counter()
        counted = statistics.tallies(session, site_id=site, since_minute=minute - 1439)
        assert time.perf_counter() - started < 2
    assert sum(tally.count for tally in counted if tally.state is not None) == pytest.approx(DAY / 2, rel=0.02)
