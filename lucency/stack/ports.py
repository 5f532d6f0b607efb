"""Ports of the local stack: chosen once, kept in the home's state, changed only where another program took one."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Iterable
from contextlib import ExitStack

from core.errors import StackFailed

# Below the usual range of outgoing connections (32768 and up), which would take a kept port while the stack is down.
FIRST_PORT, LAST_PORT = 20000, 32000
TRIES = 500
LOOPBACK = "127.0.0.1"


def is_free(port: int, *, host: str = LOOPBACK) -> bool:
    """Whether a server could listen on `port` now. A connection that lingers from an earlier one does no harm."""
    with ExitStack() as held:
        return _hold(held, port, host)


def choose_ports(
    names: Iterable[str],
    *,
    kept: dict[str, int] | None = None,
    usable: Callable[[int], bool] = lambda _port: True,
) -> dict[str, int]:
    """A free port for every name: the kept one where it is still free. Raises StackFailed when none is left.

    All of them are held open until the last is found, so that no two names get the same.
    """
    kept = kept or {}
    chosen: dict[str, int] = {}
    with ExitStack() as held:
        for name in names:
            candidates = [kept[name]] if name in kept else []
            candidates += [random.randint(FIRST_PORT, LAST_PORT) for _ in range(TRIES)]
            found = next((port for port in candidates if usable(port) and _hold(held, port, LOOPBACK)), None)
            if found is None:
                raise StackFailed(f"No free port between {FIRST_PORT} and {LAST_PORT} for {name}.")
            chosen[name] = found
    return chosen


def next_free(port: int, *, host: str = LOOPBACK) -> int:
    """`port`, or the first free one after it. Raises StackFailed after a hundred."""
    for candidate in range(port, min(port + 100, 65536)):
        if is_free(candidate, host=host):
            return candidate
    raise StackFailed(f"No free port from {port} to {port + 99}.")


def _hold(held: ExitStack, port: int, host: str) -> bool:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        # Two sockets with SO_REUSEADDR may be bound to one port as long as neither listens.
        listener.listen(1)
    except OSError:
        listener.close()
        return False
    held.callback(listener.close)
    return True
