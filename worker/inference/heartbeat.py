"""The heartbeat: a thread with its own connection that extends leases and says that this process lives."""

from __future__ import annotations

import os
import threading

from core.errors import DatabaseUnavailable
from core.logs import logger
from db.repositories import jobs, workers
from db.session import Database
from worker.inference.leases import HeldLeases
from worker.inference.worker_info import WorkerInfo

log = logger(__name__)


class Heartbeat(threading.Thread):
    """Every `interval_s`: extend every held lease by `lease_s`, forget what was lost, write the Worker row."""

    def __init__(
        self, *, database: Database, leases: HeldLeases, info: WorkerInfo, interval_s: float, lease_s: float
    ) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self._database = database
        self._leases = leases
        self._info = info
        self._interval = interval_s
        self._lease = lease_s
        self._stop_asked = threading.Event()
        self._wake = threading.Event()

    def run(self) -> None:
        while True:
            self._wake.wait(self._interval)
            self._wake.clear()
            if self._stop_asked.is_set():
                return
            self.beat()

    def soon(self) -> None:
        """Beat without waiting for the interval: there is something new to tell."""
        self._wake.set()

    def beat(self) -> None:
        """One beat. A database that is away is logged: the next beat comes well before the lease ends."""
        asked = self._leases.extendable()
        info = self._info
        try:
            with self._database.unit_of_work() as session:
                kept = jobs.heartbeat(session, owner=info.name, held=asked, lease_s=self._lease) if asked else set()
                workers.beat(
                    session,
                    name=info.name,
                    pid=os.getpid(),
                    engine=info.engine,
                    model_digest=info.models.digest,
                    state=info.state,
                    progressed=info.liveness.progressed,
                    failed=info.models.failed,
                    device=info.device,
                    host=info.host,
                )
        except DatabaseUnavailable:
            log.warning("heartbeat_failed", held=len(asked))
            return
        for job_id, fence in self._leases.keep_only(asked, kept):
            log.warning("lease_lost", job_id=str(job_id), fence=fence)

    def stop(self) -> None:
        """End the thread and remove the Worker row."""
        self._stop_asked.set()
        self._wake.set()
        if self.is_alive():
            self.join(timeout=5)
        try:
            with self._database.unit_of_work() as session:
                workers.remove(session, self._info.name)
        except DatabaseUnavailable:
            log.warning("worker_row_left", name=self._info.name)
