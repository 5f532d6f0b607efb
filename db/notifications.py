"""LISTEN for what the database tells (changes, finished jobs, due deliveries), so that nobody asks again and again."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812 — a class with a function's name

from core.logs import logger

# Channels. `job_finished`: a job's id. `delivery_due`: nothing. `changed`: `<site or *> <kind> <id>,<id>…`, where `*`
# for the ids means many; of kinds see migration 0005. No payload holds more than ids.
FINISHED = "job_finished"
DUE = "delivery_due"
CHANGED = "changed"
RECONNECT_S = 0.5
# A connection that is cut without a word is noticed within half a minute.
CONNECT: dict[str, Any] = {
    "application_name": "listener",
    "connect_timeout": 3,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}

log = logger(__name__)


class Listener(threading.Thread):
    """Calls back, by channel, with each notification's payload, in its own thread. Reconnects without end.

    Notifications sent while it is away are lost: whoever waits asks the database again now and then. `listening` is
    called whenever it begins to listen, so at its start and after each such gap.
    """

    def __init__(
        self,
        database_url: str,
        callbacks: Mapping[str, Callable[[str], None]],
        *,
        listening: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(name="listener", daemon=True)
        self._url = database_url.replace("postgresql+psycopg2://", "postgresql://", 1)
        self._callbacks = dict(callbacks)
        self._listening = listening
        self._stop_asked = threading.Event()
        # A byte into one end wakes the thread at the other.
        self._waker, self._woken = socket.socketpair()
        self.connected = threading.Event()

    def run(self) -> None:
        while not self._stop_asked.is_set():
            try:
                connection = psycopg2.connect(self._url, **CONNECT)
                try:
                    self._listen(connection)
                finally:
                    connection.close()
            except (psycopg2.Error, OSError) as error:
                log.warning("listener_lost", error=type(error).__name__)
            finally:
                self.connected.clear()
            self._stop_asked.wait(RECONNECT_S)

    def stop(self) -> None:
        """End the thread; returns when it has."""
        self._stop_asked.set()
        with contextlib.suppress(OSError):  # it was stopped before
            self._waker.send(b"\0")
        if self.is_alive() and threading.current_thread() is not self:
            self.join(timeout=5)
        if not self.is_alive():
            self._waker.close()
            self._woken.close()

    def _listen(self, connection: Connection) -> None:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for channel in self._callbacks:
                cursor.execute(f"LISTEN {channel}")
        self.connected.set()
        if self._listening is not None:
            self._listening()
        watched: list[Any] = [connection, self._woken]
        while not self._stop_asked.is_set():
            readable, _, _ = select.select(watched, [], [])
            if connection not in readable:
                continue
            connection.poll()
            while connection.notifies:
                told = connection.notifies.pop(0)
                self._callbacks[told.channel](told.payload)
