"""What lists read of 100,000 jobs: the real statements, for every filter, those that match nothing included."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event, text

from core.vocabulary import JobState, ThreeWay
from db.repositories import jobs
from db.repositories.jobs import Filter
from db.session import Database
from tests.db.test_plans import nodes
from tests.factories import make_model

JOBS = 100_000
# Of ten jobs seven succeeded; one each waits, failed and died. Without foreign keys' checks, so that it takes seconds.
FILL = text("""
SET LOCAL session_replication_role = replica;
INSERT INTO image (id, site_id, sha256, size_bytes, media_kind, rows, columns, bits_stored)
SELECT CAST(md5(n::text) AS uuid), :site, repeat(md5(n::text), 2), 1, 'png', 1, 1, 8
FROM generate_series(0, :count / 10) AS n;
INSERT INTO job (id, site_id, image_id, explain, request_hash, max_attempts, deadline_at, created_at, priority, state,
    finished_at, error_code, model_version_id, result_label, result_probability, result_decision, result_three_way,
    result_region)
SELECT gen_random_uuid(), :site, CAST(md5((n / 10)::text) AS uuid), '{fracture}', 'h', 5,
    now() + interval '1 day', now() - n * interval '1 s',
    n % 3, state, CASE WHEN state <> 'queued' THEN now() END,
    CASE WHEN state IN ('failed', 'dead') THEN (ARRAY['decode_failed', 'worker_crashed'])[1 + n / 10 % 2] END,
    CASE WHEN done THEN CAST(:model AS uuid) END, CASE WHEN done THEN 'fracture' END, CASE WHEN done THEN 0.5 END,
    CASE WHEN done THEN (ARRAY['positive', 'negative'])[1 + n / 10 % 2] END,
    CASE WHEN done THEN (ARRAY['positive', 'negative', 'refer'])[1 + n / 10 % 3] END,
    CASE WHEN done THEN (ARRAY['hand', 'leg', 'shoulder'])[1 + n / 10 % 3] END
FROM (SELECT n, (ARRAY['queued', 'failed', 'dead'])[n % 10 + 1] AS special FROM generate_series(1, :count) AS n) AS one,
    LATERAL (SELECT coalesce(special, 'succeeded') AS state, special IS NULL AS done) AS two;
INSERT INTO batch (id, site_id, request_hash, files, state, created_at, closed_at)
VALUES (:old, :site, 'h', 5000, 'closed', now() - interval '2 days', now() - interval '1 day'),
    (:whole, :site, 'h', 5000, 'open', now() - interval '2 days', NULL);
INSERT INTO batch_item (id, batch_id, position, sealed_path, sha256, state, job_id)
SELECT gen_random_uuid(), :old, row_number() OVER (), 'x', repeat('a', 64), 'job', id
FROM (SELECT id FROM job ORDER BY created_at LIMIT 5000) AS oldest;
INSERT INTO batch_item (id, batch_id, position, sealed_path, sha256, state, job_id)
SELECT gen_random_uuid(), :whole, row_number() OVER (), 'x', repeat('a', 64), 'job', id FROM job;
""")


@contextmanager
def statements(database: Database) -> Iterator[list[tuple[str, Any]]]:
    """What is executed meanwhile, with its values."""
    found: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        found.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(database.engine, "before_cursor_execute", note)


class Large:
    """A Site of 100,000 jobs, and how its lists are read."""

    def __init__(self, database: Database, site: UUID) -> None:
        self.database, self.site = database, site
        self.old, self.whole = uuid4(), uuid4()
        with database.unit_of_work() as session:
            self.model, self.other = make_model(session).id, make_model(session).id
            session.execute(text("ALTER TABLE job SET (autovacuum_enabled = false)"))
            values = {"site": site, "model": self.model, "old": self.old, "whole": self.whole}
            session.execute(FILL, {**values, "count": JOBS})

    def analyse(self) -> None:
        with self.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("CHECKPOINT"))
            for table in ("job", "image", "batch_item"):
                connection.execute(text(f"VACUUM ANALYZE {table}"))

    def read(self, wanted: Filter, *, counted: bool) -> tuple[int, int, list[dict[str, Any]]]:
        """How many jobs a page of 50, or the count, finds; pages of 8 kB that it reads; and its reads of `job`."""
        with self.database.unit_of_work(site_id=self.site) as session:
            with statements(self.database) as made:
                if counted:
                    found = jobs.count(session, site_id=self.site, wanted=wanted)[0]
                else:
                    found = len(jobs.ids(session, site_id=self.site, wanted=wanted))
            buffers, reads = 0, []
            for statement, values in made:
                explain = "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) " + statement
                ((plan,),) = session.connection().exec_driver_sql(explain, values).one()
                buffers += plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]
                reads += [
                    node for node in nodes(plan["Plan"]) if node.get("Relation Name") == "job" and node["Actual Loops"]
                ]
            return found, buffers, reads

    def filters(self) -> dict[str, tuple[Filter, int]]:
        """Every filter alone and some together, and how many jobs it matches."""
        past = datetime(2020, 1, 1, tzinfo=UTC)
        return {
            "none": (Filter(), JOBS),
            "state": (Filter(states=[JobState.SUCCEEDED]), 70_000),
            "state, few": (Filter(states=[JobState.FAILED, JobState.HELD]), 10_000),
            "state, nothing": (Filter(states=[JobState.CANCELLED]), 0),
            "model": (Filter(models=[self.model]), 70_000),
            "model, nothing": (Filter(models=[self.other]), 0),
            "region, nothing": (Filter(regions=["hip"]), 0),
            "decision": (Filter(decisions=[ThreeWay.REFER]), 23_331),
            "region and decision, nothing": (Filter(regions=["hand"], decisions=[ThreeWay.REFER]), 0),
            "priority": (Filter(priorities=[1]), 33_334),
            "priority, nothing": (Filter(priorities=[5]), 0),
            "code": (Filter(codes=["decode_failed"]), 10_000),
            "code, nothing": (Filter(codes=["nothing"]), 0),
            "dead by cause": (Filter(states=[JobState.DEAD], codes=["decode_failed"], replayed=False), 5_000),
            "replayed, nothing": (Filter(replayed=True), 0),
            "replay of, nothing": (Filter(replay_of=uuid4()), 0),
            "label": (Filter(text="frac"), 70_000),
            "label, nothing": (Filter(text="nothing"), 0),
            "id, nothing": (Filter(text=str(uuid4())), 0),
            "id's beginning, nothing": (Filter(text="0198aaaa11bb"), 0),
            "old batch": (Filter(batch=self.old), 5_000),
            "old batch, nothing": (Filter(batch=self.old, regions=["hip"]), 0),
            "batch of all": (Filter(batch=self.whole), JOBS),
            "batch of all, nothing": (Filter(batch=self.whole, regions=["hip"]), 0),
            "no such batch": (Filter(batch=uuid4()), 0),
            "made, nothing": (Filter(created_from=past, created_to=past), 0),
        }


@pytest.fixture
def large(database: Database, site: UUID) -> Large:
    return Large(database, site)


# A page of an index has some 60 entries of 100 bytes. A batch's members are looked up, or met on the way down the list
# from where the batch was closed: some four pages a look.
LONGEST = JOBS // 40
MEMBERS = 4 * 15_000


def allowed(name: str, number: int, *, counted: bool) -> int:
    """Pages of 8 kB that reading it may cost: 100,000 jobs have some 3,500 of the table's."""
    if name == "batch of all" and counted:
        return 10 * JOBS
    if "batch" in name:
        return MEMBERS + LONGEST
    if counted or number == 0:
        return LONGEST
    return 800


def test_no_list_reads_the_table(large: Large) -> None:
    """Whatever it is filtered by, matching or not: a page and its count come from an index in the list's order."""
    # Just after a flood the planner believes that there is next to nothing, and nothing is marked visible yet: what an
    # index finds is looked at in the table.
    for name, (wanted, number) in large.filters().items():
        found, buffers, _reads = large.read(wanted, counted=False)
        assert found == min(number, 50), name
        assert buffers <= 3 * JOBS, (name, buffers)
    large.analyse()
    for name, (wanted, number) in large.filters().items():
        for counted in (False, True):
            found, buffers, reads = large.read(wanted, counted=counted)
            assert found == (number if counted else min(number, 50)), name
            assert buffers <= allowed(name, number, counted=counted), (name, counted, buffers)
            if "batch" not in name:
                assert not [read for read in reads if read["Node Type"] == "Seq Scan"], name
                # All was marked visible, so that an index alone was enough.
                assert sum(read.get("Heap Fetches", 0) for read in reads) == 0, name
    one_page(large)


def one_page(large: Large) -> None:
    """A page of 50 with images and headlines is two statements, however many jobs there are."""
    with large.database.unit_of_work(site_id=large.site) as session, statements(large.database) as made:
        found = jobs.page(session, site_id=large.site, wanted=Filter(models=[large.model]), limit=50)
        assert {job.image.rows for job in found} == {1}
        assert {job.result_label for job in found} == {"fracture"}
    assert len(found) == 50
    assert len(made) == 2
