"""Advisory locks: one sweeper at a time."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.orm import Session


def try_lock(session: Session, name: str) -> bool:
    """Whether this transaction now holds the lock `name`; it ends with the transaction. Never waits."""
    return bool(
        session.execute(
            text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": f"lucency.{name}"}
        ).scalar_one()
    )
