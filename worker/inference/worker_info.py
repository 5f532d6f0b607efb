"""What a worker process says of itself."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.vocabulary import WorkerWish

if TYPE_CHECKING:
    from worker.inference.control import WorkerControl
    from worker.inference.leases import HeldLeases
    from worker.inference.liveness import Liveness
    from worker.inference.models import Models


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """What the Worker row says of this process."""

    name: str
    engine: str
    models: Models
    liveness: Liveness
    control: WorkerControl
    leases: HeldLeases

    @property
    def state(self) -> str:
        """`ready` with a model loaded, else `waiting`: no model is active, or it cannot be loaded yet.

        `draining` while it finishes what it has, `drained` when it has nothing more; `restarting` when it will end.
        """
        if self.control.wish is WorkerWish.RESTART:
            return "restarting"
        if self.control.wish is WorkerWish.DRAIN:
            return "draining" if self.liveness.busy or self.leases.all() else "drained"
        return "waiting" if self.models.current is None else "ready"

    @property
    def device(self) -> str | None:
        """What the model runs on; None without one."""
        model = self.models.current
        return None if model is None else f"{model.engine.version}, {model.threads} CPU thread(s)"

    @property
    def host(self) -> str:
        return socket.gethostname()


def worker_name() -> str:
    """This process, for leases and the Worker row."""
    return f"{host_prefix()}{os.getpid()}"


def host_prefix() -> str:
    """What the names of this machine's worker processes start with."""
    return f"{socket.gethostname()}:"
