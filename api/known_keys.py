"""API keys that opened something seconds ago: their uploads are read without asking the database first."""

from __future__ import annotations

import hashlib
import time
from threading import Lock

from db.repositories.sites import Principal

FRESH_S = 5.0
MOST = 1000


class KnownKeys:
    """By the hash of what was presented. Thread-safe."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[Principal, float]] = {}
        self._lock = Lock()

    def remember(self, presented: str, principal: Principal) -> None:
        """It was authenticated now."""
        name = _name(presented)
        with self._lock:
            self._known.pop(name, None)
            self._known[name] = principal, time.monotonic() + FRESH_S
            while len(self._known) > MOST:
                del self._known[next(iter(self._known))]

    def find(self, presented: str) -> Principal | None:
        """Whose it was at most FRESH_S ago. It may have been revoked since."""
        with self._lock:
            principal, until = self._known.get(_name(presented), (None, 0.0))
        return principal if time.monotonic() < until else None


def _name(presented: str) -> bytes:
    return hashlib.sha256(presented.encode("utf-8", "surrogatepass")).digest()
