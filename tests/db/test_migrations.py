"""The migrations: up from nothing, no drift from the tables, down with rows in them."""

from __future__ import annotations

import time
from dataclasses import replace
from uuid import UUID

import pytest
from alembic import command
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from db.commands import alembic_config
from db.repositories import jobs, model_versions, shadow_predictions
from db.repositories.jobs import FindingRecord
from tests.factories import make_job, make_model, make_outcome, make_site


def test_up_check_down_up(empty_database_url: str) -> None:
    config = alembic_config(empty_database_url)
    command.upgrade(config, "head")
    command.check(config)
    engine = create_engine(empty_database_url)
    with Session(engine) as session:
        make_job(session, make_site(session).id)
        session.commit()
    command.upgrade(config, "head")
    command.downgrade(config, "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]
    engine.dispose()
    command.upgrade(config, "head")
    command.check(config)


def test_the_history_begins_with_what_is_known(empty_database_url: str) -> None:
    config = alembic_config(empty_database_url)
    command.upgrade(config, "0001")
    engine = create_engine(empty_database_url)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO model_version (id, name, version, digest, state, labels, explainable, manifest,"
                " created_at, activated_at) SELECT gen_random_uuid(), 'net', version, version, state, '{}', '{}', '{}',"
                " now() - made * interval '1 day', now() - active * interval '1 day' FROM (VALUES"
                " ('1', 'retired', 3, 2), ('2', 'active', 1, 0), ('3', 'candidate', 0, NULL))"
                " AS known (version, state, made, active)"
            )
        )
    command.upgrade(config, "head")
    with Session(engine) as session:
        history = session.execute(
            text(
                "SELECT version, kind FROM model_version_event JOIN model_version ON model_version.id ="
                " model_version_id ORDER BY model_version_event.id"
            )
        ).all()
        before = model_versions.previous(session)
        assert before is not None
        assert before.version == "1"
        model_versions.shadow(session, model_versions.find(session, "net@3").id, share=0.1)
        session.commit()
    assert [tuple(row) for row in history][:3] == [("1", "registered"), ("1", "activated"), ("2", "registered")]
    assert sorted(tuple(row) for row in history[3:]) == [("2", "activated"), ("3", "registered")]
    command.downgrade(config, "0001")
    command.upgrade(config, "head")
    command.check(config)
    engine.dispose()


def test_headlines_of_the_release_before(empty_database_url: str) -> None:
    """Jobs that succeeded before get the headline that they would get now."""
    config = alembic_config(empty_database_url)
    command.upgrade(config, "head")
    engine = create_engine(empty_database_url)
    lesion = FindingRecord("lesion", 0.9, 0.95, "negative", three_way={"decision": "refer"})
    with Session(engine) as session:
        site, model = make_site(session).id, make_model(session).id
        fracture = make_outcome(_claimed(session, site), model)
        several = (lesion, *fracture.findings, FindingRecord("leg", 0.99, 0.5, "positive"))
        made = [
            fracture,
            make_outcome(_claimed(session, site), model, findings=several),
            make_outcome(_claimed(session, site), model, findings=(lesion,)),
            make_outcome(_claimed(session, site), model, findings=(), probabilities={"x": 0.3, "y": 0.7}),
            make_outcome(_claimed(session, site), model, findings=()),
        ]
        assert len(jobs.succeed(session, made)) == 5
        make_job(session, site)
        session.commit()
    headlines = text(
        "SELECT model_version_id, result_label, result_probability, result_decision, result_three_way, result_region"
        " FROM job ORDER BY id"
    )
    with engine.connect() as connection:
        now = connection.execute(headlines).all()
    assert [row.result_label for row in now] == ["fracture", "fracture", "lesion", "y", "leg", None]
    command.downgrade(config, "0005")
    command.upgrade(config, "head")
    with engine.connect() as connection:
        assert connection.execute(headlines).all() == now
    engine.dispose()


def _claimed(session: Session, site: UUID) -> jobs.Claim:
    make_job(session, site)
    (claim,) = jobs.claim(session, owner="w", limit=1, lease_s=30)
    return claim


def test_down_from_a_result_without_region(empty_database_url: str) -> None:
    """The release before can read it: its column may not be null."""
    config = alembic_config(empty_database_url)
    command.upgrade(config, "head")
    engine = create_engine(empty_database_url)
    with Session(engine) as session:
        make_job(session, make_site(session).id, stability=True)
        model = make_model(session).id
        (claim,) = jobs.claim(session, owner="w", limit=1, lease_s=30)
        assert claim.stability
        outcome = make_outcome(claim, model, region=None, region_probability=None, region_probabilities={})
        assert jobs.succeed(session, [outcome])
        session.commit()
    command.downgrade(config, "0001")
    with engine.connect() as connection:
        assert connection.execute(text("SELECT region, region_probability FROM prediction")).one() == ("none", 0)
    engine.dispose()
    command.upgrade(config, "head")
    command.check(config)


def test_down_from_a_result_of_openvino(empty_database_url: str) -> None:
    """The release before has no such engine: the one that runs the same graph stands in its place."""
    config = alembic_config(empty_database_url)
    command.upgrade(config, "0007")
    engine = create_engine(empty_database_url)
    produced = {"engine": "openvino 2026.4.1"}
    with Session(engine) as session:
        made = make_outcome(_claimed(session, make_site(session).id), make_model(session).id)
        of_openvino = replace(made, engine="openvino", produced_by=produced)
        with pytest.raises(IntegrityError, match="ck_prediction_engine_known"), session.begin_nested():
            jobs.succeed(session, [of_openvino])
        session.commit()
    command.upgrade(config, "head")
    with Session(engine) as session:
        assert jobs.succeed(session, [of_openvino])
        shadow_predictions.record(
            session,
            job_id=made.job_id,
            model_version_id=made.model_version_id,
            engine="openvino",
            probabilities={},
            decisions={},
            infer_ms=1.0,
        )
        session.commit()
    command.downgrade(config, "0007")
    with engine.connect() as connection:
        assert connection.execute(text("SELECT engine, produced_by FROM prediction")).one() == ("onnxruntime", produced)
        assert connection.execute(text("SELECT engine FROM shadow_prediction")).scalar_one() == "onnxruntime"
    engine.dispose()
    command.upgrade(config, "head")
    command.check(config)


def test_a_migration_gives_up_waiting_for_a_lock(empty_database_url: str) -> None:
    """It must not stand in line, for all that comes after would stand behind it."""
    engine = create_engine(empty_database_url)
    with engine.begin() as other:
        other.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('lucency.migrate', 0))"))
        started = time.monotonic()
        with pytest.raises(OperationalError, match="lock timeout"):
            command.upgrade(alembic_config(empty_database_url), "head")
        assert time.monotonic() - started < 15
    assert inspect(engine).get_table_names() == []
    engine.dispose()
    command.upgrade(alembic_config(empty_database_url), "head")
