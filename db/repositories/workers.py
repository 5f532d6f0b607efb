"""Worker rows: who lives, for /readyz and the dashboard."""

from __future__ import annotations

from sqlalchemy import delete, func, select, text
from sqlalchemy.orm import Session

from db.tables import Worker

_BEAT = text("""
INSERT INTO worker (name, pid, engine, model_digest, state) VALUES (:name, :pid, :engine, :model_digest, :state)
ON CONFLICT (name) DO UPDATE SET
    pid = excluded.pid, engine = excluded.engine, model_digest = excluded.model_digest, state = excluded.state,
    seen_at = now(),
    started_at = CASE WHEN worker.pid = excluded.pid THEN worker.started_at ELSE now() END,
    progress_at = CASE WHEN :progressed OR worker.pid <> excluded.pid THEN now() ELSE worker.progress_at END
""")


def beat(
    session: Session, *, name: str, pid: int, engine: str, model_digest: str | None, state: str, progressed: bool
) -> None:
    """This worker lives; `progressed`: it polled or claimed since its last beat."""
    session.execute(
        _BEAT,
        {
            "name": name,
            "pid": pid,
            "engine": engine,
            "model_digest": model_digest,
            "state": state,
            "progressed": progressed,
        },
    )


def alive(session: Session, *, within_s: float = 30.0, prefix: str = "") -> int:
    """How many were seen *and* made progress within `within_s` seconds: a hung process has a heartbeat too.

    `prefix`: only those whose name starts so (one machine's).
    """
    oldest = func.now() - func.make_interval(0, 0, 0, 0, 0, 0, within_s)
    return session.scalars(
        select(func.count())
        .select_from(Worker)
        .where(Worker.seen_at > oldest, Worker.progress_at > oldest, Worker.name.startswith(prefix, autoescape=True))
    ).one()


def listing(session: Session) -> list[Worker]:
    """All rows, by name."""
    return list(session.scalars(select(Worker).order_by(Worker.name)))


def remove(session: Session, name: str) -> None:
    """This worker has ended; unknown is fine."""
    session.execute(delete(Worker).where(Worker.name == name))
