"""What an API process holds open: the database, the object store, the broker, and the waiters for finished jobs."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass, field

import anyio
import anyio.to_thread
from celery import Celery
from fastapi import Request

from api.change_feed import ChangeFeed
from api.checks import Checks
from api.drawing import Drawing
from api.known_keys import KnownKeys
from api.long_polling import FinishedJobs
from api.site_rules import SiteRulebook
from core.errors import BrokerUnavailable, IdentityKeyMissing
from core.logs import logger
from core.queue import hint_inference, make_celery
from core.sealing import InstallationKey
from core.settings import Settings
from db.notifications import CHANGED, FINISHED, Listener
from db.session import Database, make_database
from imaging.sandbox.pool import DecoderPool
from reports.previews import Previews
from storage.pictures import PictureSource
from storage.s3 import make_store
from storage.store import DirectStore

log = logger(__name__)

# While the broker is away no request waits for it more than once in this time; the sweeper hints meanwhile.
BROKER_PAUSE = 2.0


@dataclass(frozen=True, slots=True)
class Limiters:
    """Threads by kind of work, so that no kind starves another: slow disks or stores must not stop a poll."""

    spool: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(4))
    # One upload each, from its pre-scan to its commit.
    submit: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(6))
    prescan: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(min(4, os.cpu_count() or 1)))
    store: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(6))
    broker: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(4))
    archive: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(2))
    # A hash takes 64 MiB.
    passwords: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(2))


class Broker:
    """Publishes hints, and remembers for a moment that the broker is away."""

    def __init__(self, celery: Celery) -> None:
        # kombu's default is to try again for seconds, on the connection that a publish needs, `retry=False` or not.
        celery.conf.broker_transport_options = {**celery.conf.broker_transport_options, "max_retries": 0}
        self._celery = celery
        self._paused_until = 0.0

    def hint(self) -> None:
        """Tell a worker that something is due. Never fails: an accepted job does not need the broker."""
        if time.monotonic() < self._paused_until:
            return
        try:
            hint_inference(self._celery)
        except BrokerUnavailable as error:
            self._paused_until = time.monotonic() + BROKER_PAUSE
            log.warning("hint_lost", code=error.code)

    def check(self) -> None:
        """Raises BrokerUnavailable."""
        try:
            with self._celery.connection_for_write(connect_timeout=2) as connection:
                connection.ensure_connection(max_retries=0, timeout=2)
                connection.default_channel.client.ping()
        except Exception as error:
            raise BrokerUnavailable from error

    def close(self) -> None:
        self._celery.close()


@dataclass(frozen=True, slots=True)
class Backends:
    """Made once per application, opened and closed by its lifespan. `identity` is None where no key is configured."""

    settings: Settings
    database: Database
    store: DirectStore
    broker: Broker
    finished: FinishedJobs
    changes: ChangeFeed
    checks: Checks
    limiters: Limiters
    drawing: Drawing
    decoders: DecoderPool
    pictures: PictureSource
    keys: KnownKeys
    rulebook: SiteRulebook
    identity: InstallationKey | None = None

    @property
    def installation(self) -> InstallationKey:
        """The key that opens the Sites' keys (`db.repositories.policies.site_key`). Raises IdentityKeyMissing."""
        if self.identity is None:
            raise IdentityKeyMissing
        return self.identity

    def listen(self, loop: asyncio.AbstractEventLoop) -> Listener:
        """The one connection by which this process hears of changes; a database that is away is tried again."""
        self.finished.start(loop)
        self.changes.start(loop)
        callbacks = {FINISHED: self.finished.heard, CHANGED: self.changes.heard}
        url = self.settings.database_url.get_secret_value()
        listener = Listener(url, callbacks, listening=self.changes.gap)
        listener.start()
        return listener


def make_backends(settings: Settings) -> Backends:
    """Connects to nothing yet, but for what the clients' constructors do. Raises SealBroken for a key that is none."""
    database = make_database(settings, application_name="lucency-api")
    changes = ChangeFeed(database)
    store, broker = make_store(settings), Broker(make_celery(settings))
    # For whoever wants pixels or pictures; a process is started when the first asks.
    decoders = DecoderPool.of(settings)
    identity = InstallationKey.of(settings) if settings.identity_key is not None else None
    return Backends(
        settings=settings,
        database=database,
        store=store,
        broker=broker,
        finished=FinishedJobs(),
        changes=changes,
        checks=Checks({"store": store.check, "broker": broker.check}),
        limiters=Limiters(),
        drawing=Drawing(),
        decoders=decoders,
        pictures=PictureSource(store, Previews(decoders), folder=settings.temporary_folder),
        keys=KnownKeys(),
        rulebook=SiteRulebook(database, identity),
        identity=identity,
    )


async def backends_of(request: Request) -> Backends:
    """The FastAPI dependency. None of these waits for anything: FastAPI gives one that is not `async` a thread."""
    backends: Backends = request.app.state.backends
    return backends
