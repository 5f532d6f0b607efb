"""The whole platform as real processes that a test may kill: servers, API, workers, services, beat."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx2
from pydantic import SecretStr
from sqlalchemy import select

from core.errors import LucencyError
from core.settings import Settings
from core.vocabulary import JobEventKind, JobState, Scope
from db.repositories import sites
from db.session import make_database
from db.tables import Explanation, Finding, Job, JobEvent, Prediction, Worker
from lucency.stack.embedded import EmbeddedServers
from lucency.stack.environment import environment_of
from lucency.stack.ports import choose_ports
from lucency.stack.processes import child_environment, kill_process, launched, signal_group, spawn, tail
from lucency.stack.seaweed import BUCKET
from storage.s3 import make_store
from tests.data import encoded, generated_radiograph
from tests.worker.factories import publish, until
from tests.worker.inference.marked_app import Marks

# A lease that a busy machine does not lose by itself, and everything else as quick as it goes.
QUICK = {"lease": 4.0, "heartbeat": 0.8, "sweep": 0.5, "stale_hint": 0.5, "retry_base": 0.2, "retry_cap": 0.5}
WORKERS = ("worker-a", "worker-b")
NORMAL = ("api", "services", "beat", *WORKERS)
PATIENCE = 90.0


class Platform:
    """Start, kill and freeze by name; look into the database and the store as nobody else would."""

    def __init__(self, home: Path, bundle: Path, **overrides: Any) -> None:
        self.home = home
        self.servers = EmbeddedServers(home)
        self.servers.start()
        temporary = home / "temporary"
        temporary.mkdir()
        self.port = choose_ports(["api"])["api"]
        self.settings = Settings(
            home=home,
            temporary_folder=temporary,
            database_url=SecretStr(self.servers.postgres.url()),
            database_pool_size=5,
            broker_url=SecretStr(self.servers.valkey.url()),
            s3_endpoint=self.servers.seaweedfs.endpoint,
            s3_access_key=self.servers.credentials.s3_access_key,
            s3_secret_key=SecretStr(self.servers.credentials.s3_secret_key),
            identity_key=SecretStr(self.servers.credentials.identity_key),
            s3_bucket=BUCKET,
            api_port=self.port,
            worker_concurrency=1,
            **{**QUICK, **overrides},
        )
        self.marks = Marks(home)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        # Jobs of earlier tests on the same platform: `begin`.
        self.earlier: set[UUID] = set()
        self.database = make_database(self.settings, application_name="chaos", pool_size=2)
        self.store = make_store(self.settings)
        migrate = [str(Path(sysconfig.get_path("scripts")) / "lucency"), "db", "migrate"]
        subprocess.run(migrate, env=self.environment(), check=True, capture_output=True)
        publish(self.database, self.store, bundle)
        with self.database.unit_of_work() as session:
            site = sites.create_site(session, "Chaos")
            session.flush()
            self.key = sites.issue_key(session, site_id=site.id, name="chaos", scopes=list(Scope))[1]

    # --- Processes ----------------------------------------------------------------------------------------------

    def environment(self, **overrides: Any) -> dict[str, str]:
        return child_environment(self.home, environment_of(self.settings.model_copy(update=overrides)))

    def command(self, name: str) -> list[str]:
        celery = [sys.executable, "-m", "celery", "-A", "tests.worker.inference.marked_app"]
        quiet = ["--without-gossip", "--without-mingle", "-l", "INFO"]
        if name == "api":
            uvicorn = [sys.executable, "-m", "uvicorn", "api.app:create_app", "--factory", "--no-access-log"]
            return [*uvicorn, "--port", str(self.port)]
        if name == "beat":
            return [*celery, "beat", "-l", "INFO"]
        queue = "services" if name == "services" else "inference"
        return [*celery, "worker", "-Q", queue, "-n", f"{name}@%h", "-c", "1", *quiet]

    def log(self, name: str) -> Path:
        return self.home / "logs" / f"{name}.log"

    def launch(self, name: str, **overrides: Any) -> None:
        """Start a process unless it runs. `overrides` change its settings. Main thread only."""
        running = self.processes.get(name)
        if running is not None and running.poll() is None:
            return
        self.processes[name] = spawn(
            launched(self.command(name), death_signal=signal.SIGKILL),
            cwd=Path(__file__).parent.parent.parent,
            log=self.log(name),
            environment=self.environment(**overrides),
        )

    def start(self, *names: str) -> None:
        """Start processes that do not run yet, and wait until each does its work."""
        for name in names:
            self.launch(name)
        for name in names:
            self.until(lambda name=name: self.is_ready(name), what=f"{name} ready")

    def is_ready(self, name: str) -> bool:
        if name == "api":
            return self.status("/healthz") == 200
        if name in WORKERS:
            return self.child_of(name) is not None
        return True

    def kill(self, *names: str) -> None:
        """kill -9 of each one's whole process group."""
        for name in names:
            if (process := self.processes.pop(name, None)) is not None:
                kill_process(process)

    def signal(self, name: str, number: signal.Signals) -> None:
        signal_group(self.processes[name], number)

    def child_of(self, name: str) -> int | None:
        """The pid of a worker's ready child."""
        with self.database.unit_of_work() as session:
            ready = list(session.scalars(select(Worker.pid).where(Worker.state == "ready")))
        group = self.processes[name].pid
        return next((pid for pid in ready if _group_of(pid) == group), None)

    def empty_broker(self) -> None:
        """kill -9 of Valkey, and its data is gone. `servers.valkey.start` brings back an empty one on the same port."""
        self.servers.valkey.kill()
        for path in self.servers.valkey.folder.iterdir():
            if path.name not in {"ports.json", "valkey.conf"}:
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def close(self) -> None:
        self.kill(*self.processes)
        self.database.dispose()
        self.servers.kill()
        self.servers.seaweedfs.tidy()

    # --- Requests -----------------------------------------------------------------------------------------------

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def status(self, path: str) -> int:
        try:
            return httpx2.get(self.address + path, timeout=5).status_code
        except httpx2.TransportError:
            return 0

    def post(self, content: bytes, *, key: str | None = None, timeout: float = 30.0) -> httpx2.Response:
        """One upload. Raises httpx2.TransportError when there is no answer."""
        headers = {"Authorization": f"Bearer {self.key}", "Idempotency-Key": key or uuid4().hex}
        files = {"file": ("image.png", content)}
        return httpx2.post(f"{self.address}/v1/jobs", headers=headers, files=files, timeout=timeout)

    def submit(self, content: bytes) -> UUID:
        """An upload that must be accepted."""
        answer = self.post(content)
        assert answer.status_code == 202, answer.text
        return UUID(answer.json()["id"])

    # --- What is true -------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """From now on what is said of all jobs is said of those that come."""
        with self.database.unit_of_work() as session:
            self.earlier = set(session.scalars(select(Job.id)))

    def states(self) -> Counter[str]:
        with self.database.unit_of_work() as session:
            return Counter(session.scalars(select(Job.state).where(Job.id.not_in(self.earlier))))

    def jobs_in(self, state: JobState) -> set[UUID]:
        with self.database.unit_of_work() as session:
            return set(session.scalars(select(Job.id).where(Job.state == state.value)))

    def until(self, reached: Callable[[], bool], *, what: str, timeout: float = PATIENCE) -> float:
        """Wait for it, or fail with what the logs end with; the seconds it took. A server may be away meanwhile."""

        def tolerant() -> bool:
            try:
                return reached()
            except LucencyError:
                return False

        began = time.monotonic()
        try:
            until(tolerant, timeout=timeout)
        except AssertionError:
            logs = "\n".join(f"--- {name}\n{tail(self.log(name))}" for name in self.processes)
            raise AssertionError(f"{what}: not within {timeout:.0f} s\n{logs}") from None
        return time.monotonic() - began

    def assert_nothing_lost(self, accepted: set[UUID], *, timeout: float = PATIENCE) -> None:
        """Every job ends succeeded, with exactly one result, under the winning fence, and no object of any.

        `accepted`: the jobs that clients were told of; all of them exist.
        """
        self.until(lambda: set(self.states()) <= {JobState.SUCCEEDED}, what="all jobs succeeded", timeout=timeout)
        with self.database.unit_of_work() as session:
            late = Job.id.not_in(self.earlier)
            fences = {row.id: row.fence for row in session.execute(select(Job.id, Job.fence).where(late))}
            of_them = Prediction.job_id.in_(fences)
            results = list(session.execute(select(Prediction.job_id, Prediction.fence).where(of_them)))
            heatmaps = list(
                session.execute(
                    select(Prediction.job_id, Explanation.heatmap)
                    .join(Finding, Finding.prediction_id == Prediction.id)
                    .join(Explanation, Explanation.finding_id == Finding.id)
                    .where(of_them)
                )
            )
            succeeded = select(JobEvent.job_id).where(JobEvent.kind == JobEventKind.SUCCEEDED.value)
            ends = Counter(session.scalars(succeeded.where(JobEvent.job_id.in_(fences))))
        assert accepted <= set(fences)
        assert {row.job_id: row.fence for row in results} == fences
        assert len(results) == len(fences)
        assert ends == dict.fromkeys(fences, 1)
        assert {job_id for job_id, heatmap in heatmaps if heatmap} == set(fences)
        # A result is its transaction: no process of an attempt leaves an object.
        assert list(self.store.list("out/")) == []


@dataclass
class Uploads:
    """Clients that upload one radiograph after the other, each with its own key, until told to stop.

    A try without an answer, or with 503, is made again with the same key, as the guarantees tell a client to.
    """

    platform: Platform
    pause: float = 0.1
    clients: int = 1
    seed: int = 0
    accepted: dict[str, UUID] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)

    def __enter__(self) -> Uploads:
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(self.clients)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, client: int) -> None:
        number = client
        while not self._stop.is_set():
            picture = generated_radiograph(160, 120, seed=self.seed + number)
            self._upload(f"{self.seed}-{number}", encoded(picture))
            number += self.clients
            self._stop.wait(self.pause)

    def _upload(self, key: str, content: bytes) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                answer = self.platform.post(content, key=key)
            except httpx2.TransportError:
                self.statuses[0] += 1
                time.sleep(0.2)
                continue
            self.statuses[answer.status_code] += 1
            if answer.status_code in {200, 202}:
                self.accepted[key] = UUID(answer.json()["id"])
                return
            if answer.status_code != 503:
                self.errors.append(answer.text)
                return
            time.sleep(0.2)
        self.errors.append(f"{key} was never accepted")


class BlackHole:
    """A server that takes every connection and never says a word."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._held: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"

    @property
    def connections(self) -> int:
        return len(self._held)

    def _accept(self) -> None:
        while True:
            try:
                self._held.append(self._listener.accept()[0])
            except OSError:
                return

    def __enter__(self) -> BlackHole:
        return self

    def __exit__(self, *_: object) -> None:
        # Without the shutdown, `accept` would go on waiting on a closed socket.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        for connection in self._held:
            connection.close()


def _group_of(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None
