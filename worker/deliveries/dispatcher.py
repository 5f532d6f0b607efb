"""The dispatcher: a thread of a services process that claims due deliveries and sends them in a few others.

Sending is not a Celery task's work: a target may take long, and the sweeper shares the process. The database wakes the
dispatcher when deliveries are made (`delivery_due`); it looks by itself now and then, and when a retry comes due.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

from core.errors import LucencyError
from core.logs import logger
from core.settings import Settings
from db.notifications import DUE, Listener
from db.repositories import deliveries
from db.session import Database, make_database
from imaging.sandbox.pool import DecoderPool
from reports.previews import Previews
from storage.pictures import PictureSource
from storage.s3 import make_store
from worker.deliveries.delivery import Deliverer, lease_of

log = logger(__name__)

# Deliveries under way at once; one is a few files in memory and mostly waiting.
ABREAST = 8
# Transactions at once: each is short, before and after the sending.
POOL = 4
# After a look that found the database away.
PAUSE_S = 2.0


class Dispatcher:
    """Start it after the fork, with a Database of its own; `stop` lets what is under way end, and claims no more."""

    def __init__(
        self, *, database: Database, pictures: PictureSource, decoders: DecoderPool, settings: Settings
    ) -> None:
        self._database = database
        self._decoders = decoders
        self._settings = settings
        self._deliverer = Deliverer(database, pictures, settings)
        self._pool = ThreadPoolExecutor(ABREAST, thread_name_prefix="delivery")
        self._under_way: set[Future[None]] = set()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dispatcher", daemon=True)
        url = settings.database_url.get_secret_value()
        self._listener = Listener(url, {DUE: lambda _payload: self._wake.set()})

    def start(self) -> None:
        """Connects to nothing yet: a database that is away is waited for."""
        self._listener.start()
        self._thread.start()

    def stop(self) -> None:
        """Returns when the last delivery under way has ended, which is within a lease."""
        self._stopping.set()
        self._wake.set()
        self._listener.stop()
        self._thread.join()
        self._pool.shutdown(wait=True)
        self._decoders.close()
        self._database.dispose()

    def _run(self) -> None:
        while not self._stopping.is_set():
            # Cleared before looking: what comes meanwhile is looked for again.
            self._wake.clear()
            try:
                wait = self._look()
            except LucencyError as error:
                log.warning("dispatcher_idle", error_code=error.code)
                wait = PAUSE_S
            except Exception:
                log.exception("dispatcher_broke")
                wait = PAUSE_S
            self._wake.wait(wait)

    def _look(self) -> float:
        """Claim what there are threads for; the seconds until the next look."""
        self._under_way = {future for future in self._under_way if not future.done()}
        free = ABREAST - len(self._under_way)
        if free == 0:
            return self._settings.sweep
        with self._database.unit_of_work() as session:
            claims = deliveries.claim(
                session, limit=free, lease_s=lease_of(self._settings), attempts=self._settings.delivery_attempts
            )
            due = deliveries.next_due(session) if not claims else 0.0
        for claim in claims:
            future = self._pool.submit(self._deliverer.deliver, claim)
            self._under_way.add(future)
            future.add_done_callback(lambda _: self._wake.set())
        if claims or due is None:
            return self._settings.sweep
        # Due, but its rule has no room: an end of one under way wakes, here or in another process.
        return min(self._settings.sweep, due) if due > 0 else self._settings.sweep


def start_dispatcher(settings: Settings) -> Dispatcher:
    """A running dispatcher of this process."""
    database = make_database(settings, application_name="dispatcher", pool_size=POOL)
    # Its process starts with the first report that shows the radiograph.
    decoders = DecoderPool.of(settings, size=1)
    pictures = PictureSource(make_store(settings), Previews(decoders), folder=settings.temporary_folder)
    dispatcher = Dispatcher(database=database, pictures=pictures, decoders=decoders, settings=settings)
    dispatcher.start()
    return dispatcher
