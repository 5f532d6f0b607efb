"""Every way in which this process ends its hold on a job: each is one transaction, guarded by the fence."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar
from uuid import UUID

from core.errors import DatabaseUnavailable, LucencyError
from core.logs import logger
from core.settings import Settings
from db.repositories import jobs
from db.repositories.jobs import Claim, Outcome
from db.session import Database, Session
from worker.inference.leases import HeldLeases

log = logger(__name__)
T = TypeVar("T")

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 3.0


class JobCompleter:
    """Records outcomes. A database that is away is tried again for about as long as a lease lasts.

    After that the jobs are forgotten here: their leases end, and the sweeper brings them back.
    """

    def __init__(self, *, database: Database, leases: HeldLeases, settings: Settings) -> None:
        self._database = database
        self._leases = leases
        self._settings = settings

    def succeed(self, claims: Sequence[Claim], outcomes: Sequence[Outcome]) -> set[UUID]:
        """The jobs that were finished by this call.

        After a try whose COMMIT arrived though its answer did not, the next one finds the job finished already: it is
        not among them.
        """
        try:
            return self._persist(lambda session: jobs.succeed(session, outcomes))
        except DatabaseUnavailable:
            log.exception("results_not_recorded", jobs=[str(claim.job_id) for claim in claims])
            return set()
        finally:
            self._leases.drop(claims)

    def fail(self, claim: Claim, error: LucencyError) -> None:
        """Permanent errors end the job; retryable ones schedule another attempt, while there is one."""
        retry = self._settings.retry_base, self._settings.retry_cap
        try:
            state = self._persist(
                lambda session: jobs.fail(session, claim, error=error, retry_base=retry[0], retry_cap=retry[1])
            )
        except DatabaseUnavailable:
            log.exception("failure_not_recorded", **claim.log_context())
        else:
            log.warning(
                "job_failed",
                error_code=error.code,
                state=None if state is None else str(state),
                cause=repr(error.__cause__) if error.__cause__ is not None else None,
                **claim.log_context(),
            )
        finally:
            self._leases.drop([claim])

    def release(self, claims: Iterable[Claim]) -> None:
        """Give jobs back unharmed: the attempt does not count."""
        claims = list(claims)
        if not claims:
            return
        try:
            self._persist(lambda session: jobs.release(session, [(claim.job_id, claim.fence) for claim in claims]))
        except DatabaseUnavailable:
            log.exception("release_not_recorded", jobs=[str(claim.job_id) for claim in claims])
        else:
            log.info("jobs_released", count=len(claims))
        finally:
            self._leases.drop(claims)

    def _persist(self, work: Callable[[Session], T]) -> T:
        """Run `work` in a transaction of its own. Raises DatabaseUnavailable."""
        give_up, pause = time.monotonic() + self._settings.lease, FIRST_PAUSE_S
        while True:
            try:
                with self._database.unit_of_work() as session:
                    return work(session)
            except DatabaseUnavailable:
                if time.monotonic() + pause > give_up:
                    raise
                time.sleep(pause)
                pause = min(LONGEST_PAUSE_S, 2 * pause)
