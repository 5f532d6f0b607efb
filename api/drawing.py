"""The threads that draw and decode. They are few and their own: OpenCV unpacks its font once for each thread, 7 MB."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar, TypeVarTuple, Unpack

import anyio

Got = TypeVar("Got")
Arguments = TypeVarTuple("Arguments")

THREADS = min(4, os.cpu_count() or 1)


class Drawing:
    """Runs what draws. Call it in the event loop."""

    def __init__(self, threads: int = THREADS) -> None:
        self.threads = threads
        self._free = anyio.CapacityLimiter(threads)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="draw")

    async def run(self, work: Callable[[Unpack[Arguments]], Got], *arguments: *Arguments) -> Got:
        """As `anyio.to_thread.run_sync`: while it waits for a thread it can be cancelled, later its end is awaited."""
        context = copy_context()
        async with self._free:
            running = asyncio.get_running_loop().run_in_executor(self._pool, lambda: context.run(work, *arguments))
            # What `work` reads is closed when this returns.
            with anyio.CancelScope(shield=True):
                await asyncio.wait({running})
            return running.result()

    def close(self) -> None:
        """What runs ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)
