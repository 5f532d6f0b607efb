"""What shadows said: kept once, compared with what was given, gone with the job."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import text
from uuid_utils.compat import uuid7

from db.repositories import jobs, model_versions, shadow_predictions
from db.session import Database
from tests.factories import make_job, make_model, make_outcome


@pytest.fixture
def judged(database: Database, site: UUID) -> tuple[UUID, UUID, UUID]:
    """A finished job, its version, and a shadow."""
    with database.unit_of_work() as session:
        job_id = make_job(session, site).id
        active = make_model(session).id
        shadow = make_model(session, activate=False).id
        model_versions.shadow(session, shadow, share=1.0)
        (claim,) = jobs.claim(session, owner="w", limit=1, lease_s=30)
        outcome = make_outcome(claim, active, produced_by={"batch": 4}, timings_ms={"infer": 30.0})
        assert jobs.succeed(session, [outcome]) == {job_id}
    return job_id, active, shadow


def record(database: Database, job_id: UUID, shadow: UUID) -> bool:
    with database.unit_of_work() as session:
        return shadow_predictions.record(
            session,
            job_id=job_id,
            model_version_id=shadow,
            engine="onnxruntime",
            probabilities={"fracture": 0.4, "other": 0.9, "leg": 1.0},
            decisions={"fracture": "negative", "other": "positive"},
            infer_ms=9.5,
        )


def test_pairs_hold_what_both_judged(database: Database, judged: tuple[UUID, UUID, UUID]) -> None:
    job_id, active, shadow = judged
    assert record(database, job_id, shadow)
    assert not record(database, job_id, shadow)
    with database.unit_of_work() as session:
        (pair,) = shadow_predictions.pairs(session, shadow)
        assert shadow_predictions.count(session, shadow) == 1
        assert shadow_predictions.pairs(session, active) == []
    assert (pair.job_id, pair.active_id, pair.label) == (job_id, active, "fracture")
    assert (pair.probability, pair.decision) == (0.7, "positive")
    assert (pair.shadow_probability, pair.shadow_decision) == (0.4, "negative")
    assert (pair.infer_ms, pair.batch, pair.shadow_infer_ms) == (30.0, 4, 9.5)


def test_a_job_that_is_gone_leaves_nothing(database: Database, judged: tuple[UUID, UUID, UUID]) -> None:
    job_id, _, shadow = judged
    assert not record(database, uuid7(), shadow)
    assert record(database, job_id, shadow)
    with database.unit_of_work() as session:
        # Nothing else may stand in the way; only an erasure does this.
        session.execute(text("ALTER TABLE job_event DISABLE TRIGGER job_event_append_only"))
        for table in ("explanation", "finding", "prediction", "job_event", "job"):
            session.execute(text(f"DELETE FROM {table}"))
        assert shadow_predictions.count(session, shadow) == 0
