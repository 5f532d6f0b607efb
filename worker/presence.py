"""What a worker process says of itself."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from worker.activity import Activity
    from worker.models import Models


@dataclass(frozen=True, slots=True)
class Presence:
    """What the Worker row says of this process."""

    name: str
    engine: str
    models: Models
    activity: Activity

    @property
    def state(self) -> str:
        """`ready` with a model loaded, else `waiting`: no model is active, or it cannot be loaded yet."""
        return "waiting" if self.models.current is None else "ready"


def worker_name() -> str:
    """This process, for leases and the Worker row."""
    return f"{host_prefix()}{os.getpid()}"


def host_prefix() -> str:
    """What the names of this machine's worker processes start with."""
    return f"{socket.gethostname()}:"
