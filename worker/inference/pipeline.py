"""The one way through: claim → fetch → decode → infer and explain → finish, overlapped (ADR 0005).

The main thread runs the network. Meanwhile one thread prepares the next batch, and one explains and finishes the batch
before. So a process holds at most three batches, and each phase has the core whenever the others wait.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from core.errors import EngineFailed, LucencyError
from core.logs import logger
from db.repositories.jobs import Claim
from worker.inference.claim import Batch, Claimer
from worker.inference.completer import JobCompleter
from worker.inference.inputs import InputLoader, PreparedInput, RejectedInput
from worker.inference.leases import HeldLeases
from worker.inference.liveness import Liveness
from worker.inference.outputs import Explained, Inferred, explain, infer
from worker.inference.shadow import Shadow

log = logger(__name__)

Loaded = tuple[Batch, list[PreparedInput]]


class Pipeline:
    """Runs due jobs in one process. `drain` is called by one thread at a time."""

    def __init__(
        self,
        *,
        claimer: Claimer,
        inputs: InputLoader,
        completer: JobCompleter,
        leases: HeldLeases,
        liveness: Liveness,
        shadow: Shadow,
        stopping: Callable[[], bool],
    ) -> None:
        self._claimer = claimer
        self._inputs = inputs
        self._completer = completer
        self._leases = leases
        self._liveness = liveness
        self._shadow = shadow
        self._stopping = stopping
        self._ahead = ThreadPoolExecutor(1, thread_name_prefix="ahead")
        self._behind = ThreadPoolExecutor(1, thread_name_prefix="behind")
        self._finishing: Future[None] | None = None

    def drain(self, *, budget_s: float) -> bool:
        """Run what is due until nothing is, the budget is spent or the worker stops. True: more may be due.

        Raises what claiming raises. When it returns or raises, claimed jobs have an outcome or were released.
        """
        deadline = time.monotonic() + budget_s
        ahead: Future[Loaded | None] | None = None
        current: Loaded | None = None
        try:
            while True:
                if current is None:
                    # Nothing else may be held when a job that crashed a process is claimed.
                    self._settle()
                    if self._is_over(deadline):
                        return True
                    current = self._load(suspects=True)
                    if current is None:
                        return False
                if not current[0].alone and not self._is_over(deadline):
                    ahead = self._ahead.submit(self._load, suspects=False)
                self._run(*current)
                current, ahead = (None if ahead is None else ahead.result()), None
                if current is not None and self._stopping():
                    self._completer.release(entry.claim for entry in current[1])
                    return True
        except Exception as error:
            self._abandon(current, error)
            current = None
            raise
        finally:
            if ahead is not None:
                self._abandon_ahead(ahead)
            self._settle()

    def close(self) -> None:
        self._ahead.shutdown()
        self._behind.shutdown()

    def _is_over(self, deadline: float) -> bool:
        return self._stopping() or time.monotonic() > deadline

    def _load(self, *, suspects: bool) -> Loaded | None:
        """Claim and prepare the next batch; jobs that could not be prepared have their outcome."""
        batch = self._claimer.take(suspects=suspects)
        if batch is None:
            return None
        self._liveness.step()
        ready: list[PreparedInput] = []
        for entry in self._inputs.prepare(batch):
            if isinstance(entry, PreparedInput):
                ready.append(entry)
            elif isinstance(entry, RejectedInput):
                self._completer.fail(entry.claim, entry.error)
            else:
                self._completer.release([entry])
        self._liveness.step()
        return batch, ready

    def _run(self, batch: Batch, prepared: list[PreparedInput]) -> None:
        prepared = [entry for entry in prepared if self._leases.holds(entry.claim)]
        inferred = self._infer(batch, prepared) if prepared else []
        self._liveness.step()
        self._settle()
        if inferred:
            self._finishing = self._behind.submit(self._finish, inferred)

    def _infer(self, batch: Batch, prepared: list[PreparedInput]) -> list[Inferred]:
        """One pass over the batch. When it fails, one pass each, so that no input fails its neighbours."""
        try:
            return self._pass(batch, prepared)
        except Exception as error:  # noqa: BLE001 - becomes the jobs' outcome
            log.warning("engine_failed", batch=len(prepared), error=repr(error))
            if len(prepared) == 1:
                self._fail_engine(prepared[0].claim, error)
                return []
        return [row for entry in prepared for row in self._infer(batch, [entry])]

    def _pass(self, batch: Batch, prepared: list[PreparedInput]) -> list[Inferred]:
        rows = []
        for row in infer(batch.model, prepared, claimed_at=batch.claimed_at):
            if isinstance(row, Inferred):
                rows.append(row)
            else:
                self._completer.fail(row.claim, row.error)
        return rows

    def _fail_engine(self, claim: Claim, error: Exception) -> None:
        if not isinstance(error, LucencyError):
            failed = EngineFailed()
            failed.__cause__ = error
            error = failed
        self._completer.fail(claim, error)

    def _finish(self, inferred: list[Inferred]) -> None:
        """Explain and record. Every job has its outcome when this returns, whatever happened."""
        try:
            explained = [explain(entry) for entry in inferred if self._leases.holds(entry.prepared.claim)]
            self._record([entry.timed() for entry in explained])
        except Exception as error:
            if not isinstance(error, LucencyError):
                log.exception("finish_failed")
            for entry in inferred:
                if self._leases.holds(entry.prepared.claim):
                    self._fail_engine(entry.prepared.claim, error)
        self._liveness.step()

    def _record(self, explained: Sequence[Explained]) -> None:
        finished = self._completer.succeed(
            [entry.inferred.prepared.claim for entry in explained], [entry.outcome for entry in explained]
        )
        for entry in explained:
            if entry.outcome.job_id in finished:
                self._shadow.offer(entry.inferred)
            else:
                log.warning("result_refused", **entry.inferred.prepared.claim.log_context())

    def _settle(self) -> None:
        """Wait until the batch before is finished."""
        finishing, self._finishing = self._finishing, None
        if finishing is not None:
            finishing.result()

    def _abandon(self, current: Loaded | None, error: Exception) -> None:
        """The main thread was interrupted, by the soft time limit for one: its batch counts as failed."""
        for entry in current[1] if current is not None else []:
            if self._leases.holds(entry.claim) and self._finishing is None:
                self._fail_engine(entry.claim, error)

    def _abandon_ahead(self, ahead: Future[Loaded | None]) -> None:
        try:
            loaded = ahead.result()
        except LucencyError:
            return
        if loaded is not None:
            self._completer.release(entry.claim for entry in loaded[1])
