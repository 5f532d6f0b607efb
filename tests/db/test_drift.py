"""Drift is counted in the database: right, by Site, and quick at 100,000 predictions."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import TextClause, text

from core.drift import Quantity
from core.vocabulary import Decision
from db.repositories import drift, jobs
from db.repositories.jobs import FindingRecord
from db.session import Database, Session, bind
from tests.factories import make_image, make_job, make_model, make_outcome, make_site

QUANTITIES = (
    Quantity("score.fracture", (10, 10, 10), edges=(0.2, 0.6)),
    Quantity("input.mean", (10, 10), edges=(0.5,)),
    Quantity("region", (20, 10), words=("leg", "hip")),
    Quantity("sanity", (29, 1), words=("accepted", "flagged")),
)
COUNT = 100_000
# One image and no checks of foreign keys, so that it takes seconds. Over thirty days, two thirds of one Site.
FILL = text("""
SET LOCAL session_replication_role = replica;
CREATE TEMPORARY TABLE made ON COMMIT DROP AS
    SELECT gen_random_uuid() AS job_id, gen_random_uuid() AS id, now() - n * interval '25 s' AS at, n
    FROM generate_series(1, :count) AS n;
INSERT INTO job (id, site_id, image_id, explain, request_hash, max_attempts, deadline_at, created_at, state,
    finished_at)
    SELECT job_id, CASE n % 3 WHEN 0 THEN CAST(:other AS uuid) ELSE CAST(:site AS uuid) END, :image, '{fracture}', 'h',
        5, at + interval '1 day', at, 'succeeded', at FROM made;
INSERT INTO prediction (id, job_id, model_version_id, fence, engine, region, region_probability, region_probabilities,
    rows, columns, preview_key, "window", timings_ms, created_at, sanity, input_statistics)
    SELECT id, job_id, CASE n % 10 WHEN 0 THEN CAST(:old AS uuid) ELSE CAST(:model AS uuid) END, 1, 'onnxruntime',
        (ARRAY['leg', 'hand', 'hip'])[1 + n % 3], 0.9, '{"leg": 0.9, "hand": 0.1}', 640, 480, 'p', '{0,0,1,1}',
        '{"infer": 35.5, "decode": 12.1, "queued": 5.0}', at, '{"accepted": true, "flags": []}',
        jsonb_build_object('mean', n % 100 / 100.0, 'deviation', 0.15, 'p05', 0.01, 'p50', 0.1, 'p95', 0.6,
            'black', 0.01, 'white', 0, 'aspect', 0.8, 'longest_side', 2000) FROM made;
INSERT INTO finding (id, prediction_id, position, label, probability, threshold, decision)
    SELECT gen_random_uuid(), id, 0, 'fracture', n % 1000 / 1000.0, 0.5, 'negative' FROM made;
""")
WATCHED = (
    *(
        Quantity(name, (10,) * 10, edges=tuple(edge / 10 for edge in range(1, 10)))
        for name in ("score.fracture", *(f"input.{key}" for key in (
            "mean", "deviation", "p05", "p50", "p95", "black", "white", "aspect"
        )))
    ),
    *QUANTITIES[2:],
)  # fmt: skip


def predicted(session: Session, site: UUID, model: UUID, **values: Any) -> None:
    """One more result of the model, with these statistics and this probability."""
    job = make_job(session, site)
    (claim,) = jobs.claim(session, owner="w", limit=1, lease_s=30)
    assert claim.job_id == job.id
    probability = values.pop("probability")
    finding = FindingRecord("fracture", probability, 0.5, Decision.POSITIVE.value)
    assert jobs.succeed(session, [make_outcome(claim, model, findings=(finding,), **values)])


def test_counted_by_day_bin_and_site(database: Database, site: UUID) -> None:
    since = datetime.now(UTC) - timedelta(days=1)
    with database.unit_of_work() as session:
        other, model = make_site(session).id, make_model(session).id
        accepted: dict[str, Any] = {"sanity": {"accepted": True, "flags": []}}
        predicted(session, site, model, probability=0.2, input_statistics={"mean": 0.5}, **accepted)
        predicted(session, site, model, probability=0.1, input_statistics={"mean": 0.4}, region="hand")
        predicted(session, other, model, probability=0.9, sanity={"accepted": False, "flags": []})
    with database.unit_of_work() as session:
        found = drift.seen(session, model, QUANTITIES, since=since, site_id=None)
        (day,) = found.predictions
        assert found.predictions == {day: 3}
        assert found.counts == {
            (day, "score.fracture"): [1, 1, 1],
            (day, "input.mean"): [1, 1],
            (day, "region"): [2, 0, 1],  # the last: what the reference never said
            (day, "sanity"): [1, 1, 0],
        }
        own = drift.seen(session, model, QUANTITIES, since=since, site_id=site)
        assert own.predictions == {day: 2}
        assert own.counts[day, "score.fracture"] == [1, 1, 0]
        later = drift.seen(session, model, QUANTITIES, since=datetime.now(UTC) + timedelta(days=1), site_id=None)
        assert later == drift.Seen({}, {})
        assert drift.seen(session, make_model(session).id, QUANTITIES, since=since, site_id=None).predictions == {}
        bind(session, other)
        # A bound session sees its own Site's, whatever it asks.
        assert drift.seen(session, model, QUANTITIES, since=since, site_id=None).predictions == {day: 1}


@pytest.fixture
def large(database: Database, site: UUID) -> tuple[Database, UUID]:
    with database.unit_of_work() as session:
        image, other = make_image(session, site).id, make_site(session).id
        old, model = make_model(session).id, make_model(session).id
        values = {"count": COUNT, "site": site, "other": other, "image": image, "model": model, "old": old}
        for statement in filter(str.strip, FILL.text.split(";\n")):
            session.execute(text(statement), {k: v for k, v in values.items() if f":{k}" in statement})
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in ("job", "prediction", "finding"):
            connection.execute(text(f"VACUUM ANALYZE {table}"))
    return database, model


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def explained(session: Session, statement: TextClause, values: dict[str, Any]) -> list[dict[str, Any]]:
    asked = text("EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) " + statement.text)
    (found,) = session.execute(asked, values).scalar_one()
    return list(nodes(found["Plan"]))


def test_quick_at_a_hundred_thousand(large: tuple[Database, UUID], site: UUID) -> None:
    database, model = large
    since = datetime.now(UTC) - timedelta(days=40)
    with database.unit_of_work() as session:
        started = time.perf_counter()
        found = drift.seen(session, model, WATCHED, since=since, site_id=None)
        took = time.perf_counter() - started
        assert sum(found.predictions.values()) == 0.9 * COUNT
        assert sum(sum(counts) for (_, name), counts in found.counts.items() if name == "input.mean") == 0.9 * COUNT
        assert took < 10
    with database.unit_of_work() as session:
        bind(session, site)
        started = time.perf_counter()
        own = drift.seen(session, model, WATCHED, since=since, site_id=site)
        mine = time.perf_counter() - started
        assert sum(own.predictions.values()) == pytest.approx(0.6 * COUNT, abs=1)
        assert mine < 10
    # Few days do not read the whole table: what is older, or of another model, is stepped over by the index.
    values = drift.values_of(model, WATCHED, since=datetime.now(UTC) - timedelta(hours=6))
    with database.unit_of_work() as session:
        found = explained(session, drift.EVERYWHERE, dict(values))
        assert "ix_prediction_model" in {node.get("Index Name") for node in found}
        assert not any(node["Node Type"] == "Seq Scan" and node["Relation Name"] == "prediction" for node in found)
        read = max(node["Actual Rows"] for node in found if node.get("Relation Name") == "prediction")
        assert read == pytest.approx(0.9 * 6 * 3600 / 25, rel=0.02)
        session.rollback()
