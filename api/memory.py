"""What a process that has started does about the memory it holds."""

from __future__ import annotations

import ctypes
import gc

M_ARENA_MAX = -8  # of glibc's malloc.h
COLLECT = (700, 10, 10)  # Python's own


def one_arena() -> None:
    """Let all threads allocate from one heap, before there are any. Each heap of glibc's keeps what its busiest moment
    took, and with one for every thread that is 90 MB; Python's threads take turns anyway.
    """
    _glibc("mallopt", M_ARENA_MAX, 1)


def settled() -> None:
    """What is here now stays: the collector need not look through modules, routes and models again and again. What
    starting took and nobody holds goes back.
    """
    gc.set_threshold(*COLLECT)
    gc.freeze()  # not collected before: that takes as long as a dozen requests, for next to nothing
    _glibc("malloc_trim", 0)


def _glibc(name: str, *arguments: int) -> None:
    function = getattr(ctypes.CDLL(None), name, None)
    if function is not None:  # another C library has none of it
        function(*arguments)
