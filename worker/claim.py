"""Claiming: which model is active, and which due jobs this process takes next."""

from __future__ import annotations

import time
from dataclasses import dataclass
from uuid import UUID

from core.errors import LucencyError, NoActiveModel
from core.logs import logger
from db.repositories import jobs, model_versions
from db.repositories.jobs import Claim
from db.session import Database
from worker.holdings import Holdings
from worker.models import LoadedModel, Models

log = logger(__name__)

# After a model could not be loaded, hints find nothing for this long: each try costs a download.
LOAD_PAUSE_S = 2.0


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
    """Takes batches for one process."""

    def __init__(
        self, *, database: Database, models: Models, holdings: Holdings, owner: str, lease_s: float, largest: int
    ) -> None:
        self._database = database
        self.models = models
        self._holdings = holdings
        self._owner = owner
        self._lease = lease_s
        self._size = ClaimSize(largest)
        self._paused_until = 0.0

    def take(self, *, suspects: bool) -> Batch | None:
        """The next batch, or None where nothing is due. `suspects`: whether it may be a job that crashed a process.

        Loads another ModelVersion first when the active one has changed. Raises DatabaseUnavailable, and what a model's
        loading raises; nothing is claimed then.
        """
        if time.monotonic() < self._paused_until:
            return None
        while True:
            with self._database.unit_of_work() as session:
                active = model_versions.active(session)
                if active is None:
                    raise NoActiveModel
                wanted = (active.id, active.digest)
                model = self.models.current
                if model is not None and model.version_id == wanted[0]:
                    claims = jobs.claim(
                        session, owner=self._owner, limit=self._size.value, lease_s=self._lease, suspects=suspects
                    )
                    break
            self._load(*wanted)
        self._size.record(len(claims))
        if not claims:
            return None
        self._holdings.add(claims)
        return Batch(tuple(claims), model, time.perf_counter())

    def ensure_model(self) -> None:
        """Load the active ModelVersion now. Raises NoActiveModel and what loading raises."""
        with self._database.unit_of_work() as session:
            active = model_versions.active(session)
            if active is None:
                raise NoActiveModel
            wanted = (active.id, active.digest)
        if self.models.current is None or self.models.current.version_id != wanted[0]:
            self._load(*wanted)

    def _load(self, version_id: UUID, digest: str) -> None:
        try:
            self.models.load(version_id, digest)
        except LucencyError:
            self._paused_until = time.monotonic() + LOAD_PAUSE_S
            raise
