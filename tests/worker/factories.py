"""Rows, objects and processes for the worker's tests."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import UUID, uuid4

from core.settings import Settings, inherited_environment
from core.vocabulary import JobState, MediaKind
from db.repositories import images, jobs, model_versions
from db.session import Database
from db.tables import Job
from lucency.stack.environment import environment_of
from networks.bundle import Bundle
from networks.manifest import MANIFEST_NAME
from storage.store import ObjectStore, bundle_prefix, image_key
from tests.data import encoded, generated_radiograph

ROOT = Path(__file__).parent.parent.parent
QUICK = {"lease": 3.0, "heartbeat": 0.7, "sweep": 0.5, "stale_hint": 0.5, "retry_base": 0.2, "retry_cap": 0.5}


def publish(database: Database, store: ObjectStore, folder: Path, *, activate: bool = True) -> UUID:
    """Put a Bundle into the store and make it the active ModelVersion, or a candidate."""
    bundle = Bundle.load(folder)
    prefix = bundle_prefix(bundle.digest)
    for name in (MANIFEST_NAME, *bundle.manifest.files):
        store.put_bytes(prefix + name, (bundle.path / name).read_bytes(), content_type="application/octet-stream")
    with database.unit_of_work() as session:
        return model_versions.register(
            session,
            name=bundle.manifest.name,
            version=bundle.manifest.version,
            digest=bundle.digest,
            labels=list(bundle.labels),
            explainable=list(bundle.explainable),
            manifest=bundle.manifest.model_dump(mode="json"),
            activate=activate,
        ).id


def add_job(
    database: Database,
    store: ObjectStore,
    site: UUID,
    *,
    seed: int = 0,
    content: bytes | None = None,
    stored: bytes | None = None,
    put: bool = True,
    max_attempts: int = 5,
) -> UUID:
    """A queued job on a PNG made from `seed`, or on `content`; `stored` is what the store gives instead."""
    data = content if content is not None else encoded(generated_radiograph(160, 120, seed=seed))
    sha256 = hashlib.sha256(data).hexdigest()
    if put:
        store.put_bytes(image_key(site, sha256), stored if stored is not None else data, content_type="image/png")
    with database.unit_of_work() as session:
        image = images.add(
            session,
            site_id=site,
            sha256=sha256,
            size_bytes=len(data),
            media_kind=MediaKind.PNG,
            rows=160,
            columns=120,
            bits_stored=8,
        )
        session.flush()
        return jobs.submit(
            session,
            site_id=site,
            image_id=image.id,
            request_hash=uuid4().hex,
            explain=["fracture"],
            max_attempts=max_attempts,
        ).job.id


def job(database: Database, job_id: UUID) -> Job:
    with database.unit_of_work() as session:
        row = session.get(Job, job_id)
        assert row is not None
        return row


def until(reached: Callable[[], bool], *, timeout: float = 60.0) -> None:
    """Wait for it, or fail."""
    end = time.monotonic() + timeout
    while not reached():
        assert time.monotonic() < end, "not reached in time"
        time.sleep(0.1)


def states(database: Database) -> dict[JobState, int]:
    with database.unit_of_work() as session:
        return {state: count for state, count in jobs.counts_by_state(session).items() if count}


class CeleryProcess:
    """A real `celery worker` or `celery beat` in a process of its own."""

    def __init__(self, settings: Settings, log: Path, *arguments: str, app: str = "worker.app") -> None:
        self.log = log
        environment = inherited_environment() | environment_of(settings)
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", app, *arguments],
                cwd=ROOT,
                env=environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def kill(self) -> None:
        """kill -9 of the whole group: the main process, its children, their decoders."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=10)


@contextmanager
def worker(settings: Settings, folder: Path, *, name: str = "one", app: str = "worker.app") -> Iterator[CeleryProcess]:
    """An inference worker; killed at the end."""
    arguments = ["worker", "-Q", "inference", "-n", f"{name}@%h", "-c", str(settings.worker_concurrency), "-l", "INFO"]
    running = CeleryProcess(settings, folder / f"{name}.log", *arguments, app=app)
    try:
        yield running
    finally:
        running.kill()


@contextmanager
def services(settings: Settings, folder: Path) -> Iterator[None]:
    """A services worker and a beat."""
    one = CeleryProcess(settings, folder / "services.log", "worker", "-Q", "services", "-n", "services@%h", "-c", "1")
    two = CeleryProcess(settings, folder / "beat.log", "beat", "-l", "INFO")
    try:
        yield
    finally:
        one.kill()
        two.kill()
