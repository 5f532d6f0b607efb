"""The migrations: up from nothing, no drift from the tables, down with rows in them."""

from __future__ import annotations

import time

import pytest
from alembic import command
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from db.commands import alembic_config
from tests.factories import make_job, make_site


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
