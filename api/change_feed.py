"""What changed, told to every open tab: one LISTEN of the process, coalesced per Site, ids only.

Topics are operation tags, alone or with the id of the one that changed (`jobs`, `jobs:0198…`); `*` is everything.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from uuid import UUID

import anyio
import anyio.to_thread

from core.errors import DatabaseUnavailable, TooManyStreams
from core.logs import logger
from db.repositories import relations
from db.session import Database

log = logger(__name__)

EVERYTHING = "*"
# ChangeFeed of one moment (a claim's eight jobs, a transaction's rows) make one message.
GATHER_S = 0.03
TOGETHER_S = 0.03
# A Site's tabs get a message at once, up to BURST of them, then one each EVERY_S: one job's whole life is seen live,
# and a thousand jobs cost no more than one.
BURST = 3.0
EVERY_S = 1.3
# More jobs than this in one message are said to be "jobs".
JOBS_NAMED = 64
TOPICS_KEPT = 256

TABS_PER_OWNER = 16
TABS_PER_SITE = 500
TABS = 2000

_MANY = "*"


class Subscriber:
    """One open stream's mailbox: a set of topics, so that a reader who is away finds what changed once."""

    def __init__(self, owner: str, site_id: UUID | None, *, platform: bool) -> None:
        self.owner = owner
        self.site_id = site_id
        self.platform = platform
        self.closed = False
        self._topics: frozenset[str] = frozenset()
        self._wake = asyncio.Event()

    def tell(self, topics: frozenset[str]) -> None:
        """Add `topics` to what was not taken yet."""
        self._topics = topics if not self._topics else self._topics | topics
        if len(self._topics) > TOPICS_KEPT or EVERYTHING in self._topics:
            self._topics = frozenset({EVERYTHING})
        self._wake.set()

    def close(self) -> None:
        """The stream ends after what it is writing."""
        self.closed = True
        self._wake.set()

    async def take(self, *, within_s: float) -> frozenset[str]:
        """What changed; empty when nothing did within `within_s` seconds, or when the tab was closed."""
        try:
            async with asyncio.timeout(within_s):
                await self._wake.wait()
        except TimeoutError:
            return frozenset()
        # An operator's tab hears the same from its Site and from the platform, a moment apart.
        await asyncio.sleep(TOGETHER_S)
        self._wake.clear()
        taken, self._topics = self._topics, frozenset()
        return taken


class _Channel:
    """The tabs of one Site (of the whole platform: None), and what they are to be told next."""

    def __init__(self, changes: ChangeFeed, site_id: UUID | None) -> None:
        self.site_id = site_id
        self.tabs: set[Subscriber] = set()
        self._changes = changes
        self._pending: defaultdict[str, set[str]] = defaultdict(set)
        self._allowance = BURST
        self._counted_at = time.monotonic()
        self._flushing: asyncio.Task[None] | None = None

    def add(self, kinds: dict[str, set[str]]) -> None:
        for kind, ids in kinds.items():
            self._pending[kind] |= ids
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())

    async def _flush(self) -> None:
        while self._pending and self.tabs:
            await asyncio.sleep(self._wait())
            pending, self._pending = self._pending, defaultdict(set)
            topics = await self._changes.topics(self.site_id, pending)
            for tab in self.tabs:
                tab.tell(topics)
        self._pending.clear()
        self._flushing = None

    def _wait(self) -> float:
        """Seconds until the next message; it is counted."""
        now = time.monotonic()
        self._allowance = min(BURST, self._allowance + (now - self._counted_at) / EVERY_S)
        self._counted_at = now
        self._allowance -= 1.0
        return max(0.0, -self._allowance * EVERY_S)


class ChangeFeed:
    """From notifications to tabs. `heard` and `gap` may be called from any thread, the rest in the event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._inbox: dict[str, dict[str, set[str]]] = {}
        self._armed = False
        self._rooms: dict[str, _Channel] = {}
        self._counts: defaultdict[str, int] = defaultdict(int)
        self._total = 0
        self._changed_at: dict[str, float] = {}
        self._latest = self._gap_at = time.monotonic()
        self._epoch = secrets.token_hex(4)
        self._closed = False

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """From now on tabs are told in this loop."""
        self._loop = loop

    def heard(self, payload: str) -> None:
        """A notification, `<site or *> <kind> <ids>`."""
        site, kind, ids = payload.split(" ")
        with self._lock:
            self._counts[site] += 1
            self._total += 1
            self._latest = self._changed_at[site] = time.monotonic()
            self._inbox.setdefault(site, {}).setdefault(kind, set()).update(ids.split(","))
            armed, self._armed = self._armed, True
        if not armed:
            self._call(self._arm)

    def gap(self) -> None:
        """Notifications may have been lost: every tab shall ask again for everything."""
        with self._lock:
            self._gap_at = time.monotonic()
            self._epoch = secrets.token_hex(4)
        self._call(self._tell_all)

    def changed_since(self, site_id: UUID | None, moment: float) -> bool:
        """Whether anything of the Site (None: of any) changed after `moment` (time.monotonic), as far as we know."""
        if site_id is None:
            return max(self._latest, self._gap_at) >= moment
        known = self._changed_at.get
        return max(known(str(site_id), 0.0), known(_MANY, 0.0), self._gap_at) >= moment

    def position(self, tab: Subscriber) -> str:
        """How far the changes that `tab` hears of have come: an event's id, another one after every change and gap."""
        heard = self._total if tab.platform else self._counts[str(tab.site_id)] + self._counts[_MANY]
        return f"{self._epoch}-{heard}"

    @contextmanager
    def opened(self, owner: str, *, site_id: UUID | None, platform: bool = False) -> Iterator[Subscriber]:
        """A tab of `owner` that hears of its Site, and with `platform` of all. Raises TooManyStreams."""
        names = [str(site_id)] if site_id is not None else []
        if platform:
            names.append(_MANY)
        self._check(owner, names)
        tab = Subscriber(owner, site_id, platform=platform)
        for name in names:
            room = self._rooms.get(name)
            if room is None:
                room = self._rooms[name] = _Channel(self, site_id if name != _MANY else None)
            room.tabs.add(tab)
        if self._closed:
            tab.close()
        try:
            yield tab
        finally:
            for name in names:
                room = self._rooms[name]
                room.tabs.discard(tab)
                if not room.tabs:
                    del self._rooms[name]

    def close(self) -> None:
        """The process ends: every stream does. May be called from any thread, and from a signal handler."""
        self._closed = True
        self._call(self._close_all)

    async def topics(self, site_id: UUID | None, pending: dict[str, set[str]]) -> frozenset[str]:
        """What the kinds and ids of notifications touch."""
        topics = {"overview"}
        for kind, ids in pending.items():
            if _MANY in ids or len(ids) > JOBS_NAMED:
                topics.add(kind)
            else:
                topics |= {f"{kind}:{identifier}" for identifier in ids}
        jobs = pending.get("jobs")
        if jobs and site_id is not None:
            topics |= await self._related(site_id, jobs)
        return frozenset(topics)

    async def _related(self, site_id: UUID, jobs: set[str]) -> set[str]:
        """The Batches and Studies of these jobs."""
        if _MANY in jobs:
            return {"batches", "studies"}
        try:
            found = await anyio.to_thread.run_sync(self._look, site_id, jobs)
        except DatabaseUnavailable:
            return {"batches", "studies"}
        many = {tag for tag in ("batches", "studies") if sum(topic.startswith(tag) for topic in found) > JOBS_NAMED}
        return many | {topic for topic in found if topic.split(":")[0] not in many}

    def _look(self, site_id: UUID, jobs: Iterable[str]) -> set[str]:
        with self._database.unit_of_work() as session:
            return relations.of_jobs(session, site_id=site_id, job_ids=[UUID(job) for job in jobs])

    def _check(self, owner: str, names: list[str]) -> None:
        everyone = {tab for room in self._rooms.values() for tab in room.tabs}
        if len(everyone) >= TABS or sum(tab.owner == owner for tab in everyone) >= TABS_PER_OWNER:
            raise TooManyStreams
        if any(name in self._rooms and len(self._rooms[name].tabs) >= TABS_PER_SITE for name in names):
            raise TooManyStreams

    def _call(self, function: Callable[[], None]) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(function)

    def _arm(self) -> None:
        asyncio.get_running_loop().call_later(GATHER_S, self._deliver)

    def _deliver(self) -> None:
        with self._lock:
            inbox, self._inbox, self._armed = self._inbox, {}, False
        for name, room in self._rooms.items():
            for site, kinds in inbox.items():
                if site in {name, _MANY}:
                    room.add(kinds)
                elif name == _MANY:
                    room.add({"overview": {_MANY}})

    def _tell_all(self) -> None:
        for room in self._rooms.values():
            for tab in room.tabs:
                tab.tell(frozenset({EVERYTHING}))

    def _close_all(self) -> None:
        for room in self._rooms.values():
            for tab in room.tabs:
                tab.close()
