"""Worker rows: who lives, for /readyz and the dashboard."""

from __future__ import annotations

from sqlalchemy import delete, func, select, text
from sqlalchemy.orm import Session

from db.tables import Worker

_BEAT = text("""
INSERT INTO worker (name, pid, engine, model_digest, failed_digest, failed_code, state)
VALUES (:name, :pid, :engine, :model_digest, :failed_digest, :failed_code, :state)
ON CONFLICT (name) DO UPDATE SET
    pid = excluded.pid, engine = excluded.engine, model_digest = excluded.model_digest,
    failed_digest = excluded.failed_digest, failed_code = excluded.failed_code, state = excluded.state,
    seen_at = now(),
    started_at = CASE WHEN worker.pid = excluded.pid THEN worker.started_at ELSE now() END,
    progress_at = CASE WHEN :progressed OR worker.pid <> excluded.pid THEN now() ELSE worker.progress_at END
""")


def beat(
    session: Session,
    *,
    name: str,
    pid: int,
    engine: str,
    model_digest: str | None,
    state: str,
    progressed: bool,
    failed: tuple[str, str] | None = None,
) -> None:
    """This worker lives; `progressed`: it polled or claimed since its last beat.

    `failed`: digest and error code of the active ModelVersion, where it could not be loaded.
    """
    session.execute(
        _BEAT,
        {
            "name": name,
            "pid": pid,
            "engine": engine,
            "model_digest": model_digest,
            "failed_digest": failed[0] if failed else None,
            "failed_code": failed[1] if failed else None,
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


def listing(session: Session, *, within_s: float | None = None) -> list[Worker]:
    """Rows by name: all, or those that were seen within `within_s` seconds."""
    query = select(Worker).order_by(Worker.name)
    if within_s is not None:
        query = query.where(Worker.seen_at > func.now() - func.make_interval(0, 0, 0, 0, 0, 0, within_s))
    return list(session.scalars(query))


def remove(session: Session, name: str) -> None:
    """This worker has ended; unknown is fine."""
    session.execute(delete(Worker).where(Worker.name == name))
