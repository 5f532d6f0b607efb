"""Claiming: which model is active, and which due jobs this process takes next."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from core.errors import LucencyError, NoActiveModel, Unavailable
from core.logs import logger
from db.repositories import jobs, model_versions
from db.repositories.jobs import Claim
from db.repositories.model_versions import Served
from db.session import Database
from worker.inference.control import WorkerControl
from worker.inference.leases import HeldLeases
from worker.inference.models import LoadedModel, Models

log = logger(__name__)

# After a model could not be loaded, hints find nothing for this long: each try costs a download. Where another model
# serves meanwhile, the next try may wait a little longer.
LOAD_PAUSE_S = 2.0
AGAIN_S = 8.0


@dataclass(frozen=True, slots=True)
class Batch:
    """Claimed jobs and the model that they are run on. `alone`: one job that has taken a process down before."""

    claims: tuple[Claim, ...]
    model: LoadedModel
    claimed_at: float

    @property
    def alone(self) -> bool:
        return any(claim.crash_count > 0 for claim in self.claims)


class ClaimSize:
    """How many jobs to ask for: doubles while claims come back full, falls to what was found when one does not.

    So a backlog is taken in full batches, and a few due jobs are shared by the children that look for them.
    """

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self.value = 1

    def record(self, found: int) -> None:
        if found >= self.value:
            self.value = min(self._largest, 2 * self.value)
        else:
            self.value = max(1, found // 2)


class Claimer:
    """Takes batches for one process, on the active ModelVersion.

    Where that one cannot be loaded, the process goes on with the one that it has, and tries again now and then.
    """

    def __init__(
        self,
        *,
        database: Database,
        models: Models,
        leases: HeldLeases,
        control: WorkerControl,
        owner: str,
        lease_s: float,
        largest: int,
    ) -> None:
        self._database = database
        self.models = models
        self._leases = leases
        self._control = control
        self._owner = owner
        self._lease = lease_s
        self._size = ClaimSize(largest)
        self._loading = threading.Lock()
        self._paused_until = 0.0

    def take(self, *, suspects: bool) -> Batch | None:
        """The next batch, or None where nothing is due, or nothing more is wanted of this process.

        `suspects`: whether it may be a job that crashed a process.

        Loads another ModelVersion first when the active one has changed. Raises DatabaseUnavailable, NoActiveModel, and
        what a model's loading raises where there is no other to go on with; nothing is claimed then.
        """
        if not self._control.may_claim or (self.models.current is None and self._is_paused):
            return None
        while True:
            with self._database.unit_of_work() as session:
                wanted, _ = model_versions.served(session)
                if wanted is None:
                    raise NoActiveModel
                model = self._usable(wanted)
                if model is not None:
                    claims = jobs.claim(
                        session, owner=self._owner, limit=self._size.value, lease_s=self._lease, suspects=suspects
                    )
                    break
            self._load(wanted)
        self._size.record(len(claims))
        if not claims:
            return None
        self._leases.add(claims)
        return Batch(tuple(claims), model, time.perf_counter())

    def follow(self) -> tuple[Served, ...]:
        """Load the active ModelVersion where another is loaded; returns the shadows.

        Raises NoActiveModel, and what loading raises where there is no model to go on with.
        """
        with self._database.unit_of_work() as session:
            wanted, shadows = model_versions.served(session)
        if wanted is None:
            raise NoActiveModel
        if self._usable(wanted) is None:
            self._load(wanted)
        return shadows

    @property
    def _is_paused(self) -> bool:
        return time.monotonic() < self._paused_until

    def _usable(self, wanted: Served) -> LoadedModel | None:
        """The loaded model, if it is the wanted one, or that one failed a moment ago."""
        model, failed = self.models.current, self.models.failed
        if model is None or model.version_id == wanted.id:
            return model
        return model if failed is not None and failed[0] == wanted.digest and self._is_paused else None

    def _load(self, wanted: Served) -> None:
        with self._loading:
            if self._usable(wanted) is not None:  # another thread was quicker
                return
            try:
                self.models.load(wanted.id, wanted.digest)
            except LucencyError as error:
                log.error("model_not_loaded", digest=wanted.digest, error_code=error.code, detail=error.detail)
                if self.models.current is None and not isinstance(error, Unavailable):
                    self._load_previous(wanted)
                self._paused_until = time.monotonic() + (LOAD_PAUSE_S if self.models.current is None else AGAIN_S)
                if self.models.current is None:
                    raise

    def _load_previous(self, wanted: Served) -> None:
        """A process that starts while the active version is broken serves the one before, as its neighbours do."""
        with self._database.unit_of_work() as session:
            before = model_versions.previous(session)
        if before is None or before.id == wanted.id:
            return
        failed = self.models.failed
        try:
            self.models.load(before.id, before.digest)
        except LucencyError as error:
            log.warning("previous_model_not_loaded", digest=before.digest, error_code=error.code)
        self.models.failed = failed
