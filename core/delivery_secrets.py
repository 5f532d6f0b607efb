"""What a DeliveryRule keeps sealed: the key that signs its webhooks, or what its STOW requests present."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta

# Standard Webhooks: `whsec_` and 24 to 64 random bytes in base64.
PREFIX = "whsec_"
SIGNING_BYTES = 32
# So long the key before a rotation signs as well, so that a receiver may take its time.
OVERLAP = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class DeliverySecret:
    """`current`: a signing key, or an Authorization header. `previous` signs until `previous_until` (ISO 8601, UTC)."""

    current: str
    previous: str = ""
    previous_until: str = ""

    def __repr__(self) -> str:
        return "DeliverySecret(…)"

    @classmethod
    def new_signing_key(cls) -> DeliverySecret:
        """A random key for webhooks."""
        return cls(PREFIX + base64.b64encode(os.urandom(SIGNING_BYTES)).decode())

    def rotated(self, *, now: datetime) -> DeliverySecret:
        """A new signing key; this one signs on for OVERLAP."""
        until = (now + OVERLAP).astimezone(UTC).isoformat()
        return replace(self.new_signing_key(), previous=self.current, previous_until=until)

    def signing_keys(self, *, now: datetime) -> tuple[str, ...]:
        """The keys that sign at `now`, the current one first."""
        if self.previous and now < datetime.fromisoformat(self.previous_until):
            return self.current, self.previous
        return (self.current,)

    def to_bytes(self) -> bytes:
        """UTF-8 JSON, to be sealed."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> DeliverySecret:
        """What `to_bytes` gave."""
        known = json.loads(data)
        return cls(**{name: str(known.get(name, "")) for name in cls.__slots__})
