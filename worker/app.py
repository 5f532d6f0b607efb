"""The Celery application: `celery -A worker.app worker -Q inference` (or `-Q services`), and `… beat`.

The main process only consumes hints. Connections, decoders and the engine are made in the forked children: none of them
survives a fork. A child that consumes no inference queue loads neither decoders nor an engine.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import billiard
from celery import signals

from core.logs import configure_logging, logger
from core.queue import INFERENCE_QUEUE, make_celery
from core.settings import limit_threads, load_settings
from db.session import Database, make_database
from storage.s3 import make_store
from storage.store import ObjectStore
from worker.inference.shutdown import ShutdownFlag

if TYPE_CHECKING:
    from worker.deliveries.dispatcher import Dispatcher
    from worker.inference.runtime import InferenceRuntime

log = logger(__name__)

settings = load_settings()
# Before numpy is loaded anywhere in this process.
limit_threads(settings.engine_threads)

celery = make_celery(settings, include=("worker.tasks",))


@dataclass
class Process:
    """This process: `infers` is decided in the main process and inherited; the rest is made in the child."""

    stopping: ShutdownFlag = field(default_factory=ShutdownFlag)
    infers: bool = False
    inference: InferenceRuntime | None = None
    database: Database | None = None
    store: ObjectStore | None = None
    dispatcher: Dispatcher | None = None


process = Process()


@signals.setup_logging.connect  # type: ignore[untyped-decorator]
def _configure_logging(**_: Any) -> None:
    configure_logging(settings, process="worker")


@signals.celeryd_after_setup.connect  # type: ignore[untyped-decorator]
def _see_queues(instance: Any, **_: Any) -> None:
    # Children inherit `process`. billiard's default on macOS is spawn, whatever Celery's own setting says (ADR 0005).
    billiard.set_start_method("fork", force=True)
    process.infers = INFERENCE_QUEUE in instance.app.amqp.queues.consume_from


@signals.worker_process_init.connect  # type: ignore[untyped-decorator]
def _start_child(**_: Any) -> None:
    if not process.infers:
        process.database = make_database(settings, application_name="services", pool_size=2)
        process.store = make_store(settings)
        from worker.deliveries.dispatcher import start_dispatcher  # noqa: PLC0415 - an HTTP client: not for inference

        process.dispatcher = start_dispatcher(settings)
        return
    from worker.inference.runtime import InferenceRuntime  # noqa: PLC0415 - loads the engine's library: not for services

    process.inference = InferenceRuntime(settings, stopping=process.stopping)
    process.inference.start()


@signals.worker_shutting_down.connect  # type: ignore[untyped-decorator]
def _tell_children(**_: Any) -> None:
    """In the main process, on the first signal to stop: children finish their batch and give back what is ahead."""
    process.stopping.set()


@signals.worker_process_shutdown.connect  # type: ignore[untyped-decorator]
def _end_child(**_: Any) -> None:
    if process.inference is not None:
        process.inference.close()
    if process.dispatcher is not None:
        process.dispatcher.stop()
    if process.database is not None:
        process.database.dispose()
