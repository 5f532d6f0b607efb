"""What an upload must know of its Site before a byte is stored, kept for seconds by each process.

Its transaction asks again (`db.repositories.intake`): what has changed meanwhile is seen there, before anything is
recorded.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from threading import Lock
from uuid import UUID

from core.errors import IdentityKeyMissing
from core.sealing import InstallationKey, SiteKey
from core.vocabulary import BurnedInPolicy
from db.repositories import model_versions, policies
from db.repositories.model_versions import Explainable
from db.session import Database

FRESH_S = 5.0
# So many Sites are remembered; beyond, those that were asked longest ago are asked again.
MOST = 1000


@dataclass(frozen=True, slots=True)
class SiteRules:
    """One Site's, and the active model's. `key` is None where the installation has no identity key."""

    burned_in: BurnedInPolicy
    key: SiteKey | None
    model: Explainable | None

    def required_key(self) -> SiteKey:
        """Raises IdentityKeyMissing."""
        if self.key is None:
            raise IdentityKeyMissing
        return self.key


class SiteRulebook:
    """The rules of Sites as this process knows them. Thread-safe.

    `taken_back`: the largest `intake.Entered.taken_back` seen, None before the first.
    """

    def __init__(self, database: Database, installation: InstallationKey | None) -> None:
        self._database = database
        self._installation = installation
        self._known: dict[UUID, tuple[SiteRules, float]] = {}
        self._lock = Lock()
        self.taken_back: int | None = None

    def of(self, site_id: UUID) -> SiteRules:
        """At most FRESH_S old. Raises SealBroken, DatabaseUnavailable."""
        with self._lock:
            rules, until = self._known.get(site_id, (None, 0.0))
        if rules is not None and time.monotonic() < until:
            return rules
        rules = self._asked(site_id)
        with self._lock:
            self._known.pop(site_id, None)
            self._known[site_id] = rules, time.monotonic() + FRESH_S
            while len(self._known) > MOST:
                del self._known[next(iter(self._known))]
        return rules

    def forget(self, site_id: UUID) -> None:
        with self._lock:
            self._known.pop(site_id, None)

    def seen(self, taken_back: int) -> bool:
        """Take note of the count; whether it is the one that was known before."""
        with self._lock:
            before, self.taken_back = self.taken_back, max(taken_back, self.taken_back or 0)
            return before == taken_back

    def _asked(self, site_id: UUID) -> SiteRules:
        with self._database.unit_of_work(site_id=site_id) as session:
            return SiteRules(
                burned_in=BurnedInPolicy(policies.policy(session, site_id=site_id).burned_in),
                key=None
                if self._installation is None
                else policies.site_key(session, site_id=site_id, installation=self._installation),
                model=model_versions.explainable(session),
            )
