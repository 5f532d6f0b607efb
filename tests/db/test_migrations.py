"""The migrations: up from nothing, no drift from the tables, down with rows in them."""

from __future__ import annotations

from alembic import command
from sqlalchemy import create_engine, inspect
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
