"""The gateway's process: spool, listener and forwarders from the start to a signal."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from typing import Any

import stamina

from core.errors import GatewayFailed
from core.logs import configure_logging, logger
from core.settings import Settings
from gateway.backlog import Backlog
from gateway.forwarder import Forwarder
from gateway.listener import Listener, sop_classes
from gateway.spool import Spool
from gateway.state import BEAT_S, spool_folder, write_state
from gateway.storage_scp import StorageScp
from lucency.client import Client
from lucency.stack.state import supervisor_lock

log = logger(__name__)

# People may put refused instances back, or remove files.
RESCAN_S = 10.0
ASSOCIATIONS_PATIENCE = 10.0
UPLOADS_PATIENCE = 10.0


def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT. Raises GatewayFailed where it cannot start."""
    configure_logging(settings, process="gateway")
    # Each upload has a line of ours already.
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    if settings.api_key is None:
        raise GatewayFailed("The gateway needs an API key with the scope `submit`: LUCENCY_API_KEY.")
    # What the spool holds names patients.
    os.umask(0o077)
    folder = spool_folder(settings)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with supervisor_lock(folder, patience=1.0) as free:
        if not free:
            raise GatewayFailed("Another gateway runs on this spool.")
        Gateway(settings).run()


class Gateway:
    """One spool with its listener and forwarders."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stop = threading.Event()
        self._spool = Spool(
            spool_folder(settings),
            free_bytes=settings.gateway_free_bytes,
            bound_bytes=settings.gateway_spool_bytes,
        )
        self._backlog = Backlog(retry_cap=settings.gateway_retry_cap)

    def run(self) -> None:
        """Serve until a signal, then end what is under way."""
        settings = self._settings
        # The backlog knows when to try again; a client that waits by itself would hold up the end.
        stamina.set_active(False)
        self._spool.prepare()
        self._backlog.put(self._spool.owed())
        scp = StorageScp(
            self._spool,
            limit=settings.upload_bytes,
            sop_classes=sop_classes(settings),
            kept=lambda name: self._backlog.put([name]),
        )
        key = settings.api_key.get_secret_value() if settings.api_key else None
        with Client(settings.api_url, key, timeout=settings.gateway_timeout) as client:
            forwarder = Forwarder(client, self._spool, self._backlog, threads=settings.gateway_forwarders)
            listener = Listener(settings, scp)
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: self._stop.set())
            forwarder.start()
            log.info("gateway_started", port=listener.port, owed=len(self._backlog), api=settings.api_url)
            self._watch(listener, forwarder)
            listener.stop(patience=ASSOCIATIONS_PATIENCE)
            forwarder.stop(patience=UPLOADS_PATIENCE)
            self._write(listener, forwarder, healthy=False)
        log.info("gateway_stopped", owed=len(self._spool.owed()), **forwarder.counts)

    def _watch(self, listener: Listener, forwarder: Forwarder) -> None:
        rescan_at = time.monotonic() + RESCAN_S
        while True:
            self._write(listener, forwarder, healthy=listener.alive() and forwarder.alive())
            if self._stop.wait(BEAT_S):
                return
            if time.monotonic() >= rescan_at:
                self._spool.measure()
                self._backlog.put(self._spool.owed())
                rescan_at = time.monotonic() + RESCAN_S

    def _write(self, listener: Listener, forwarder: Forwarder, *, healthy: bool) -> None:
        settings = self._settings
        state: dict[str, Any] = {
            "pid": os.getpid(),
            "healthy": healthy,
            "ae_title": settings.gateway_ae_title,
            "host": settings.gateway_host,
            "port": listener.port,
            "api_out": self._backlog.out,
            "counts": dict(forwarder.counts),
            "last_error": forwarder.last_error,
        }
        try:
            write_state(self._spool.folder, state)
        except OSError as error:
            # A full disk must not end the forwarding that empties it.
            log.warning("state_unwritten", error=type(error).__name__, errno=error.errno)
