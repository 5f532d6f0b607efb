"""A thread that sees when another ModelVersion is activated or shadowed, and what operators want, also while no job is
due.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from core.errors import LucencyError
from core.logs import logger
from core.vocabulary import WorkerWish
from worker.inference.claim import Claimer
from worker.inference.control import WorkerControl
from worker.inference.heartbeat import Heartbeat
from worker.inference.shadow import Shadow

log = logger(__name__)

# With the time that a model takes to load, the bound of 10 s holds.
LOOK_S = 2.0


class Watcher(threading.Thread):
    """Looks every LOOK_S seconds. A claim looks too: this one makes the change before there is one to claim."""

    def __init__(
        self,
        *,
        claimer: Claimer,
        shadow: Shadow,
        heartbeat: Heartbeat,
        control: WorkerControl,
        is_idle: Callable[[], bool],
        leave: Callable[[], None],
    ) -> None:
        super().__init__(name="watch", daemon=True)
        self._control = control
        self._is_idle = is_idle
        self._leave = leave
        self._claimer = claimer
        self._shadow = shadow
        self._heartbeat = heartbeat
        self._stop_asked = threading.Event()
        self._told: str | None = None
        self._idle = True
        self._seen: tuple[str | None, tuple[str, str] | None] = (None, None)

    def run(self) -> None:
        while not self._stop_asked.wait(LOOK_S):
            self.obey()
            self.look()

    def obey(self) -> None:
        """Do what is wanted: when the process is to end, it does as soon as it holds nothing."""
        try:
            changed = self._control.follow()
        except LucencyError as error:
            log.warning("wish_unknown", error_code=error.code)
            return
        if changed:
            log.info("wish_followed", wish=self._control.wish.value)
        idle = self._is_idle()
        if changed or (idle != self._idle and not self._control.may_claim):
            self._heartbeat.soon()
        self._idle = idle
        if self._control.wish is WorkerWish.RESTART and idle:
            self._leave()

    def look(self) -> None:
        """Load what is active, tell the shadows which they are, and have the Worker row say what changed."""
        try:
            self._shadow.follow(self._claimer.follow())
            self._told = None
        except LucencyError as error:
            if error.code != self._told:  # once, not every two seconds
                log.warning("no_model", error_code=error.code, detail=error.detail)
            self._told = error.code
        models = self._claimer.models
        now = (models.digest, models.failed)
        if now != self._seen:  # by this thread's doing or by a claim's
            self._heartbeat.soon()
        self._seen = now

    def stop(self) -> None:
        """End the thread; one that loads a model is not waited for."""
        self._stop_asked.set()
        if self.is_alive() and threading.current_thread() is not self:
            self.join(timeout=5)
