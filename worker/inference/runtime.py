"""What one process of the worker holds: connections, and for inference the model, the decoders and the heartbeat."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress

from core.errors import DatabaseUnavailable
from core.logs import logger
from core.queue import HARD_TIME_LIMIT
from core.settings import Settings
from db.session import Database, make_database
from imaging.sandbox.pool import DecoderPool
from storage.s3 import make_store
from worker.inference.claim import Claimer
from worker.inference.completer import JobCompleter
from worker.inference.control import WorkerControl
from worker.inference.heartbeat import Heartbeat
from worker.inference.inputs import InputLoader
from worker.inference.leases import HeldLeases
from worker.inference.liveness import Liveness
from worker.inference.models import BundleCache, Models
from worker.inference.pipeline import Pipeline
from worker.inference.shadow import Shadow
from worker.inference.shutdown import ShutdownFlag
from worker.inference.watcher import Watcher
from worker.inference.worker_info import WorkerInfo, worker_name

log = logger(__name__)

# A batch whose decoding takes longer gives the rest of its jobs back: hopeless images would outlast the time limit.
INPUT_BOUND_S = 30.0
PATIENCE_S = 30.0


class InferenceRuntime:
    """Everything an inference process has. Make it after the fork; `close` gives it back.

    `leave`: how it ends when an operator wants it started anew; by default the process does.
    """

    def __init__(self, settings: Settings, *, stopping: ShutdownFlag, leave: Callable[[], None] | None = None) -> None:
        name = worker_name()
        self.database: Database = make_database(settings, application_name="worker", pool_size=6)
        self._own: Database = make_database(settings, application_name="worker heartbeat", pool_size=1)
        store = make_store(settings)
        self._decoders = DecoderPool.of(settings)
        folder = settings.bundle_cache or settings.home / "bundles"
        models = Models(cache=BundleCache(folder, store), settings=settings)
        leases = HeldLeases(bound_s=HARD_TIME_LIMIT)
        self.name = name
        self.control = WorkerControl(database=self.database, name=name)
        self.stopping = stopping
        self.liveness = Liveness(patience_s=PATIENCE_S)
        self.claimer = Claimer(
            database=self.database,
            models=models,
            leases=leases,
            control=self.control,
            owner=name,
            lease_s=settings.lease,
            largest=settings.claim_batch,
        )
        self._inputs = InputLoader(store=store, decoders=self._decoders, size=settings.decoders, bound_s=INPUT_BOUND_S)
        self.shadow = Shadow(
            database=self.database,
            models=models,
            inputs=self._inputs,
            is_busy=lambda: self.liveness.busy,
            is_stopping=stopping.is_set,
        )
        self.pipeline = Pipeline(
            claimer=self.claimer,
            inputs=self._inputs,
            completer=JobCompleter(database=self.database, leases=leases, settings=settings),
            leases=leases,
            liveness=self.liveness,
            shadow=self.shadow,
            stopping=stopping.is_set,
        )
        self._heartbeat = Heartbeat(
            database=self._own,
            leases=leases,
            info=WorkerInfo(name, str(settings.engine), models, self.liveness, self.control, leases),
            interval_s=settings.heartbeat,
            lease_s=settings.lease,
        )
        self._watch = Watcher(
            claimer=self.claimer,
            shadow=self.shadow,
            heartbeat=self._heartbeat,
            control=self.control,
            is_idle=lambda: not self.liveness.busy and not leases.all(),
            leave=leave or self._leave,
        )

    def start(self) -> None:
        """Load the active model, say so in the Worker row, start the heartbeat.

        Where there is no model yet, or a server is away, the process starts all the same: each hint tries again.
        """
        with suppress(DatabaseUnavailable):
            self.control.begin()
        self._watch.look()
        self._decoders.warm_up()
        self._heartbeat.beat()
        self._heartbeat.start()
        self._watch.start()
        self.shadow.start()

    def _leave(self) -> None:
        """Whoever started this process (Celery's pool for its children) starts another in its place."""
        log.info("leaving", name=self.name)
        self.close()
        # Not sys.exit: this is a thread, and the main thread waits for hints.
        os._exit(0)

    def close(self) -> None:
        self._watch.stop()
        self.shadow.stop()
        self._heartbeat.stop()
        self.pipeline.close()
        self._inputs.close()
        self._decoders.close()
        self.database.dispose()
        self._own.dispose()
