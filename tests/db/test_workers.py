"""Worker rows: alive is who was seen and made progress, within the window."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from db.repositories import workers
from db.session import Database, Session


def beat(session: Session, name: str, *, progressed: bool = True, pid: int = 7) -> None:
    workers.beat(
        session, name=name, pid=pid, engine="onnxruntime", model_digest=None, state="ready", progressed=progressed
    )


@pytest.mark.parametrize("column", ["seen_at", "progress_at"])
def test_alive_within_the_window(database: Database, column: str) -> None:
    with database.unit_of_work() as session:
        beat(session, "fresh")
        beat(session, "old")
    with database.unit_of_work() as session:
        session.execute(text(f"UPDATE worker SET {column} = now() - interval '31 s' WHERE name = 'old'"))
        assert workers.alive(session) == 1
        assert workers.alive(session, within_s=32) == 2
        assert workers.alive(session, within_s=32, prefix="ol") == 1
        assert workers.alive(session, within_s=32, prefix="%") == 0


def test_a_beat_without_progress_is_no_life(database: Database) -> None:
    with database.unit_of_work() as session:
        beat(session, "stuck")
        session.execute(text("UPDATE worker SET progress_at = now() - interval '1 h', seen_at = progress_at"))
    with database.unit_of_work() as session:
        beat(session, "stuck", progressed=False)
        assert workers.alive(session) == 0
        beat(session, "stuck", progressed=True)
        assert workers.alive(session) == 1
        session.execute(text("UPDATE worker SET progress_at = now() - interval '1 h'"))
        # A new process of the same name starts afresh.
        beat(session, "stuck", progressed=False, pid=8)
        assert workers.alive(session) == 1


def test_remove(database: Database) -> None:
    with database.unit_of_work() as session:
        beat(session, "b")
        beat(session, "a")
        assert [row.name for row in workers.listing(session)] == ["a", "b"]
        workers.remove(session, "a")
        workers.remove(session, "never")
        assert [row.name for row in workers.listing(session)] == ["b"]
