"""One byte that the main process and its forked children share: whether the worker is shutting down."""

from __future__ import annotations

import mmap


class ShutdownFlag:
    """Make it before the fork. A shared byte rather than a semaphore: a killed child cannot leave it locked."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 1)

    def set(self) -> None:
        self._memory[0] = 1

    def is_set(self) -> bool:
        return self._memory[0] == 1
