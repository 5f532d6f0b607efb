"""The tasks. A message is a hint: each may come twice, late or never. Each returns, whatever happened."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from core.errors import LucencyError
from core.logs import logger
from core.queue import EXPIRE_TASK, INFER_TASK, RECONCILE_TASK, SETTLE_TASK, SWEEP_TASK, hint_inference
from db.repositories import jobs, workers
from worker.app import celery, process, settings
from worker.maintenance import erasure, reconciler, studies, sweeper

if TYPE_CHECKING:
    from worker.inference.runtime import InferenceRuntime

log = logger(__name__)

# A task ends well before the soft time limit, and hints itself: so a shutdown or a change of code never waits long.
BUDGET_S = 20.0
PASS_ON_S = 0.2


@celery.task(name=INFER_TASK)  # type: ignore[untyped-decorator]
def infer() -> None:
    """Claim what is due and run it."""
    runtime = process.inference
    if runtime is None:
        return
    if not runtime.control.may_claim:
        _pass_on(runtime)
        return
    runtime.liveness.begin()
    more = False
    try:
        more = runtime.pipeline.drain(budget_s=BUDGET_S) and not process.stopping.is_set()
    except LucencyError as error:
        log.warning("drain_ended", error_code=error.code, detail=error.detail)
    except Exception:
        log.exception("drain_failed")
    finally:
        runtime.liveness.end()
    if more:
        _hint()


@celery.task(name=SWEEP_TASK)  # type: ignore[untyped-decorator]
def sweep() -> None:
    """Bring back jobs of dead workers, end those past their deadline, hint again about what is due."""
    if process.database is None:
        return
    try:
        hints = sweeper.sweep(process.database, settings)
    except LucencyError as error:
        log.warning("sweep_failed", error_code=error.code)
        return
    for _ in range(hints):
        if not _hint():
            return


@celery.task(name=RECONCILE_TASK)  # type: ignore[untyped-decorator]
def reconcile() -> None:
    """Compare object store and database."""
    if process.database is None or process.store is None:
        return
    try:
        reconciler.reconcile(process.database, process.store, settings)
    except LucencyError as error:
        log.warning("reconcile_failed", error_code=error.code)


@celery.task(name=SETTLE_TASK)  # type: ignore[untyped-decorator]
def settle() -> None:
    """Judge Studies together that were quiet for long enough."""
    if process.database is None:
        return
    try:
        studies.settle_due(process.database, settings)
    except LucencyError as error:
        log.warning("settle_failed", error_code=error.code)


@celery.task(name=EXPIRE_TASK)  # type: ignore[untyped-decorator]
def expire() -> None:
    """Remove what Sites no longer want kept."""
    if process.database is None or process.store is None:
        return
    try:
        erasure.expire(process.database, process.store, settings)
    except LucencyError as error:
        log.warning("expire_failed", error_code=error.code)


def _pass_on(runtime: InferenceRuntime) -> None:
    """A drained process got the hint: it is for another. Slowly, for it may come back here."""
    time.sleep(PASS_ON_S)
    try:
        with runtime.database.unit_of_work() as session:
            wanted = workers.alive(session, working=True) > 0 and jobs.due(session, stale_s=0.0, limit=1) > 0
    except LucencyError as error:
        log.warning("hint_dropped", error_code=error.code)  # the sweeper hints again
        return
    if wanted:
        _hint()


def _hint() -> bool:
    try:
        hint_inference(celery)
    except LucencyError as error:
        log.warning("hint_failed", error_code=error.code)  # the sweeper hints again
        return False
    return True
