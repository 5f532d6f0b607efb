"""Whether the servers that this process needs answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

import anyio
import anyio.to_thread

from api.schemas import CheckView
from core.errors import LucencyError

CHECK_TIMEOUT = 5.0
# However often it is asked for, the servers are asked this often.
CHECK_EVERY_S = 10.0
# Who asks first waits this long for the answers, and later ones not at all.
FIRST_S = 1.5


def outcome(check: Callable[[], None]) -> CheckView:
    """`up`, or `down` where `check` raises."""
    try:
        check()
    except LucencyError as error:
        return CheckView(status="down", detail=error.detail)
    return CheckView(status="up")


async def look(checks: Mapping[str, Callable[[], None]]) -> dict[str, CheckView]:
    """All checks at once, in threads; one without an answer in CHECK_TIMEOUT seconds is down."""
    found = {name: CheckView(status="down", detail="No answer in time.") for name in checks}

    async def one(name: str) -> None:
        with anyio.move_on_after(CHECK_TIMEOUT):
            found[name] = await anyio.to_thread.run_sync(outcome, checks[name], abandon_on_cancel=True)

    async with anyio.create_task_group() as group:
        for name in checks:
            group.start_soon(one, name)
    return found


class Checks:
    """What is known of the servers, looked at anew now and then, beside those who ask. Call it in the event loop."""

    def __init__(self, checks: Mapping[str, Callable[[], None]]) -> None:
        self._checks = checks
        self._known: dict[str, CheckView] = {}
        self._looked = float("-inf")
        self._looking: asyncio.Task[None] | None = None

    async def known(self) -> dict[str, CheckView]:
        """By name; empty where the first look takes long."""
        if self._looking is None and time.monotonic() - self._looked > CHECK_EVERY_S:
            self._looking = asyncio.create_task(self._look())
        if not self._known and self._looking is not None:
            await asyncio.wait({self._looking}, timeout=FIRST_S)
        return dict(self._known)

    async def _look(self) -> None:
        try:
            self._known = await look(self._checks)
        finally:
            self._looked = time.monotonic()
            self._looking = None
