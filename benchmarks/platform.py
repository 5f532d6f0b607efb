"""The platform under measurement: real servers in a temporary folder, one inference worker, one API process."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

from pydantic import SecretStr
from sqlalchemy import text

from benchmarks.inputs import COLUMNS, ROWS, Source
from benchmarks.processes import ROOT, running, until
from core.queue import hint_inference, make_celery
from core.settings import Settings
from core.vocabulary import Scope
from db.repositories import images, jobs
from db.repositories.sites import create_site, issue_key
from db.session import Database, make_database
from imaging import reduced
from imaging.decode import decode
from lucency.stack.embedded import EmbeddedServers
from lucency.stack.environment import environment_of
from storage.s3 import make_store
from storage.store import ObjectStore, image_key, reduced_key
from trainer.shipping.publishing import publish


@dataclass(frozen=True, slots=True)
class Started:
    """A worker, and the seconds from its start until all its children were ready."""

    pid: int
    ready_s: float


@dataclass(frozen=True, slots=True)
class Platform:
    """Everything that the measurements share. `environment` is for child processes."""

    settings: Settings
    environment: Mapping[str, str]
    database: Database
    store: ObjectStore
    site: UUID
    api_key: str
    folder: Path

    def add_images(self, sources: Sequence[Source], count: int, *, first: int, copies: bool = False) -> list[UUID]:
        """`count` variants of `sources`, in the store and as Images; `copies`: each with its reduced copy."""
        added = []
        for number in range(first, first + count):
            source = sources[number % len(sources)]
            data = b"".join(source.variant(number))
            sha256 = hashlib.sha256(data).hexdigest()
            copy = reduced.encode(decode(data, longest_side=reduced.LONGEST_SIDE)) if copies else None
            if copy is not None:
                self.store.put_bytes(reduced_key(self.site, sha256), copy, content_type="application/octet-stream")
            self.store.put_bytes(image_key(self.site, sha256), data, content_type=source.kind.content_type)
            with self.database.unit_of_work() as session:
                image = images.add(
                    session,
                    site_id=self.site,
                    sha256=sha256,
                    size_bytes=len(data),
                    media_kind=source.kind,
                    rows=ROWS,
                    columns=COLUMNS,
                    bits_stored=8,
                    reduced=None
                    if copy is None
                    else images.Reduced(reduced.revision(), hashlib.sha256(copy).hexdigest()),
                )
                added.append(image.id)
        return added

    def add_jobs(self, image_ids: Sequence[UUID]) -> list[UUID]:
        """A queued job for each; nobody is told."""
        added = []
        with self.database.unit_of_work() as session:
            for image_id in image_ids:
                submission = jobs.submit(
                    session, site_id=self.site, image_id=image_id, request_hash=uuid4().hex, explain=["fracture"]
                )
                added.append(submission.job.id)
        return added

    def hint(self, count: int = 0) -> None:
        """As many hints as there are worker children."""
        celery = make_celery(self.settings)
        for _ in range(count or self.settings.worker_concurrency):
            hint_inference(celery)
        celery.close()

    def unfinished(self) -> int:
        with self.database.unit_of_work() as session:
            query = text("SELECT count(*) FROM job WHERE state IN ('queued', 'running', 'retry_wait')")
            return int(session.scalar(query) or 0)

    def rate(self, job_ids: Sequence[UUID]) -> float:
        """Jobs per second from the first claim to the last finish. Raises RuntimeError unless all succeeded."""
        with self.database.unit_of_work() as session:
            done, seconds = session.execute(
                text(
                    "SELECT count(*) FILTER (WHERE state = 'succeeded'), "
                    "extract(epoch FROM max(finished_at) - min(started_at)) FROM job WHERE id = ANY(:ids)"
                ),
                {"ids": list(job_ids)},
            ).one()
        if done != len(job_ids):
            raise RuntimeError(f"{done} of {len(job_ids)} jobs succeeded")
        return len(job_ids) / float(seconds)

    def phases_ms(self, job_ids: Sequence[UUID]) -> dict[str, float]:
        """The median of each phase that the worker noted."""
        with self.database.unit_of_work() as session:
            rows = session.execute(
                text(
                    "SELECT phase.key, percentile_cont(0.5) WITHIN GROUP (ORDER BY phase.value::float8) "
                    "FROM prediction CROSS JOIN LATERAL jsonb_each_text(timings_ms) AS phase "
                    "WHERE job_id = ANY(:ids) GROUP BY 1"
                ),
                {"ids": list(job_ids)},
            ).all()
        return {name: round(value, 2) for name, value in rows}

    def workers_ready(self) -> list[int]:
        """The ids of the worker's processes that are ready."""
        with self.database.unit_of_work() as session:
            return [int(pid) for pid in session.scalars(text("SELECT pid FROM worker WHERE state = 'ready'"))]

    @contextmanager
    def worker(
        self, *, application: str = "worker.app", children: int = 0, extra: Mapping[str, str] | None = None
    ) -> Iterator[Started]:
        """An inference worker with all its children ready: as many as there are cores, if not said otherwise."""
        children = children or self.settings.worker_concurrency
        with self.database.unit_of_work() as session:
            session.execute(text("DELETE FROM worker"))
        command = [sys.executable, "-m", "celery", "-A", application, "worker", "-Q", "inference", "-l", "WARNING"]
        command += ["-n", f"benchmark-{uuid4().hex[:8]}@%h", "-c", str(children)]
        log, started = self.folder / "worker.log", time.monotonic()
        environment = dict(self.environment) | dict(extra or {})
        with running(command, environment=environment, log=log, number=signal.SIGTERM) as process:
            until(
                lambda: len(self.workers_ready()) >= children,
                what="the worker is ready",
                process=process,
                log=log,
                timeout=120,
            )
            yield Started(process.pid, time.monotonic() - started)


@contextmanager
def platform(folder: Path, bundle: Path, *, inherited: Mapping[str, str]) -> Iterator[Platform]:
    """Servers, schema, Bundle, site and key, in `folder`; all of it durable, as `lucency up` has it."""
    with EmbeddedServers(folder / "servers") as servers:
        settings = settings_of(servers, folder)
        environment = dict(inherited) | environment_of(settings)
        lucency = str(Path(sys.executable).parent / "lucency")
        subprocess.run([lucency, "db", "migrate"], cwd=ROOT, env=environment, check=True, capture_output=True)
        database, store = make_database(settings, application_name="benchmarks"), make_store(settings)
        store.ensure()
        publish(bundle, database=database, store=store, activate=True)
        with database.unit_of_work() as session:
            site = create_site(session, "Benchmark").id
            _, key = issue_key(session, site_id=site, name="benchmark", scopes=list(Scope))
        try:
            yield Platform(settings, environment, database, store, site, key, folder)
        finally:
            database.dispose()


def settings_of(servers: EmbeddedServers, folder: Path) -> Settings:
    plain: dict[str, object] = {
        name.removeprefix("LUCENCY_").lower(): value for name, value in servers.settings().items()
    }
    for name in ("database_url", "broker_url", "s3_secret_key", "identity_key"):
        plain[name] = SecretStr(str(plain[name]))
    return Settings(home=folder / "home", worker_concurrency=os.cpu_count() or 1, **plain)  # type: ignore[arg-type]
