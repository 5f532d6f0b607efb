"""Server-sent events: what is written to a tab, how long, and what ends it (HTML standard, section 9.2)."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from types import FrameType

import anyio
from fastapi import Response
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.types import Receive, Scope, Send

from api.change_feed import EVERYTHING, ChangeFeed, Subscriber
from core.logs import logger

log = logger(__name__)

# Proxies cut what is silent for a minute.
HEARTBEAT_S = 15.0
# A comment for proxies, and an event for pages: they see no comments, and no other sign of a connection that died.
BEAT = KEEPALIVE_COMMENT + format_sse_event(event="beat", data_str="{}")
RECONNECT_MS = 2000
# A reader who takes nothing for so long is dropped: what it misses is in no buffer, it asks again for everything.
SEND_S = 10.0


class EventStream(Response):
    """Events of a Subscriber until the client, its right to be here, or the process ends.

    `still_in` is asked every HEARTBEAT_S seconds. `seen`: the Last-Event-ID of a client that was here before.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        changes: ChangeFeed,
        opened: AbstractContextManager[Subscriber],
        *,
        still_in: Callable[[], Awaitable[bool]],
        seen: str | None,
    ) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        # Its end is not known beforehand.
        del self.headers["Content-Length"]
        self._changes = changes
        self._opened = opened
        self._tab = opened.__enter__()
        self._still_in = still_in
        self._seen = seen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 — ASGI
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(_until_gone, receive, group.cancel_scope)
                await self._talk(send)
                group.cancel_scope.cancel()
        finally:
            self._opened.__exit__(None, None, None)

    async def _talk(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        missed = self._seen is not None and self._seen != self._position
        first = self._event(frozenset({EVERYTHING})) if missed else KEEPALIVE_COMMENT
        try:
            await _write(send, format_sse_event(retry=RECONNECT_MS) + first)
            await self._tell(send)
        except TimeoutError:
            log.warning("slow_reader_dropped", site_id=str(self._tab.site_id))
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _tell(self, send: Send) -> None:
        look_at = time.monotonic() + HEARTBEAT_S
        while not self._tab.closed:
            topics = await self._tab.take(within_s=max(0.0, look_at - time.monotonic()))
            if topics:
                await _write(send, self._event(topics))
            if time.monotonic() >= look_at:
                if not await self._still_in():
                    return
                look_at = time.monotonic() + HEARTBEAT_S
                await _write(send, BEAT)

    def _event(self, topics: frozenset[str]) -> bytes:
        return format_sse_event(event="changed", data_str=_data(topics), id=self._position)

    @property
    def _position(self) -> str:
        return self._changes.position(self._tab)


@lru_cache(maxsize=64)
def _data(topics: frozenset[str]) -> str:
    """Written once for all tabs of a Site."""
    return json.dumps({"topics": sorted(topics)}, separators=(",", ":"))


async def _write(send: Send, body: bytes) -> None:
    """Raises TimeoutError where the client reads nothing."""
    async with asyncio.timeout(SEND_S):
        await send({"type": "http.response.body", "body": body, "more_body": True})


async def _until_gone(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


@contextmanager
def ending_streams(changes: ChangeFeed) -> Iterator[None]:
    """Within, the first signal to stop ends every stream: else uvicorn would wait for them until its time is up.

    The lifespan's own end comes after that wait, so that nothing but the signal tells of it in time.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def stop(number: int, frame: FrameType | None) -> None:
        changes.close()
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
