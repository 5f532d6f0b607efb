"""Alembic's entry: runs the migrations on the settings' database, or on the connection that was handed in."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, create_engine, pool, text

from core.settings import load_settings
from db.tables import Base

LOCK_TIMEOUT = "5s"


def run(connection: Connection) -> None:
    # A migration that waits for a lock makes everything behind it wait: give up instead, and be run again.
    connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
    connection.commit()
    context.configure(connection=connection, target_metadata=Base.metadata, compare_server_default=True)
    with context.begin_transaction():
        # Two at once would both create: the second waits here, and finds nothing left to do.
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('lucency.migrate', 0))"))
        context.run_migrations()


url = context.config.attributes.get("database_url") or load_settings().database_url.get_secret_value()
engine = create_engine(url, poolclass=pool.NullPool)
with engine.connect() as opened:
    run(opened)
