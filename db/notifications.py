"""LISTEN for what the database tells (finished jobs, due deliveries), so that nobody asks again and again."""

from __future__ import annotations

import select
import threading
from collections.abc import Callable

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812 — a class with a function's name

from core.logs import logger

CHANNEL = "job_finished"
WAKE_S = 0.5
RECONNECT_S = 0.5

log = logger(__name__)


class Listener(threading.Thread):
    """Calls back with each notification's payload, in its own thread. Reconnects without end.

    Notifications sent while it is away are lost: whoever waits asks the database again now and then.
    """

    def __init__(self, database_url: str, callback: Callable[[str], None], *, channel: str = CHANNEL) -> None:
        super().__init__(name="listener", daemon=True)
        self._channel = channel
        self._url = database_url.replace("postgresql+psycopg2://", "postgresql://", 1)
        self._callback = callback
        self._stop_asked = threading.Event()
        self.connected = threading.Event()

    def run(self) -> None:
        while not self._stop_asked.is_set():
            try:
                connection = psycopg2.connect(self._url, application_name="listener", connect_timeout=3)
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
        if self.is_alive() and threading.current_thread() is not self:
            self.join(timeout=5)

    def _listen(self, connection: Connection) -> None:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"LISTEN {self._channel}")
        self.connected.set()
        while not self._stop_asked.is_set():
            readable, _, _ = select.select([connection], [], [], WAKE_S)
            if not readable:
                continue
            connection.poll()
            while connection.notifies:
                self._callback(connection.notifies.pop(0).payload)
