"""Worker rows: who lives, for /readyz and the dashboard."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete, func, select, text, true, update
from sqlalchemy.orm import Session

from core.errors import NotFound
from core.vocabulary import JobState, WorkerWish
from db.tables import Job, Worker

_BEAT = text("""
INSERT INTO worker (name, pid, engine, device, host, model_digest, failed_digest, failed_code, state)
VALUES (:name, :pid, :engine, :device, :host, :model_digest, :failed_digest, :failed_code, :state)
ON CONFLICT (name) DO UPDATE SET
    pid = excluded.pid, engine = excluded.engine, device = excluded.device, host = excluded.host,
    model_digest = excluded.model_digest, failed_digest = excluded.failed_digest,
    failed_code = excluded.failed_code, state = excluded.state,
    seen_at = now(),
    started_at = CASE WHEN worker.pid = excluded.pid THEN worker.started_at ELSE now() END,
    progress_at = CASE WHEN :progressed OR worker.pid <> excluded.pid THEN now() ELSE worker.progress_at END
""")


def beat(  # noqa: PLR0913 — one keyword a column
    session: Session,
    *,
    name: str,
    pid: int,
    engine: str,
    model_digest: str | None,
    state: str,
    progressed: bool,
    failed: tuple[str, str] | None = None,
    device: str | None = None,
    host: str | None = None,
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
            "device": device,
            "host": host,
            "model_digest": model_digest,
            "failed_digest": failed[0] if failed else None,
            "failed_code": failed[1] if failed else None,
            "state": state,
            "progressed": progressed,
        },
    )


def alive(session: Session, *, within_s: float = 30.0, prefix: str = "", working: bool = False) -> int:
    """How many were seen *and* made progress within `within_s` seconds: a hung process has a heartbeat too.

    `prefix`: only those whose name starts so (one machine's). `working`: only those that are to claim jobs.
    """
    oldest = func.now() - func.make_interval(0, 0, 0, 0, 0, 0, within_s)
    return session.scalars(
        select(func.count())
        .select_from(Worker)
        .where(Worker.seen_at > oldest, Worker.progress_at > oldest, Worker.name.startswith(prefix, autoescape=True))
        .where(Worker.wish == WorkerWish.RUN.value if working else true())
    ).one()


def listing(session: Session, *, within_s: float | None = None, prefix: str = "") -> list[Worker]:
    """Rows by name: all, or those that were seen within `within_s` seconds; whose name starts with `prefix`."""
    query = select(Worker).where(Worker.name.startswith(prefix, autoescape=True)).order_by(Worker.name)
    if within_s is not None:
        query = query.where(Worker.seen_at > func.now() - func.make_interval(0, 0, 0, 0, 0, 0, within_s))
    return list(session.scalars(query))


def remove(session: Session, name: str) -> None:
    """This worker has ended; unknown is fine."""
    session.execute(delete(Worker).where(Worker.name == name))


def wish(session: Session, name: str) -> WorkerWish:
    """What is wanted of the worker; of one without a row, to go on."""
    found = session.scalars(select(Worker.wish).where(Worker.name == name)).one_or_none()
    return WorkerWish(found) if found is not None else WorkerWish.RUN


def reset_wish(session: Session, name: str) -> None:
    """The process of this name has just started."""
    session.execute(update(Worker).where(Worker.name == name).values(wish=WorkerWish.RUN.value))


def set_wish(session: Session, name: str, wanted: WorkerWish) -> Worker:
    """The worker follows within seconds. Raises NotFound."""
    worker = session.scalars(select(Worker).where(Worker.name == name).with_for_update()).one_or_none()
    if worker is None:
        raise NotFound("There is no such worker.")
    worker.wish = wanted.value
    return worker


@dataclass(frozen=True, slots=True)
class Held:
    """A Job that a worker holds a lease on."""

    job_id: UUID
    site_id: UUID


def held(session: Session, names: Sequence[str]) -> dict[str, list[Held]]:
    """What these workers are at, by their names, in the order of the jobs."""
    found = session.execute(
        select(Job.lease_owner, Job.id, Job.site_id)
        .where(Job.state == JobState.RUNNING.value, Job.lease_owner.in_(names))
        .order_by(Job.id)
    )
    by_name: defaultdict[str, list[Held]] = defaultdict(list)
    for owner, job_id, site_id in found:
        by_name[str(owner)].append(Held(job_id, site_id))
    return dict(by_name)
