"""CPU of processes by what they are, with their children and those that ended; and transactions that wrote."""

from __future__ import annotations

from collections.abc import Mapping

import psutil
from sqlalchemy import text

from db.session import Database


class CpuMeter:
    """Seconds of user and system time of process trees since `start`, by name.

    `roots` are process ids by name. What is a tree of its own, a decoder below an API or a worker, is counted apart
    where `apart` says how its command line is told.
    """

    def __init__(self, roots: Mapping[str, int], *, apart: Mapping[str, str] | None = None) -> None:
        self._roots = dict(roots)
        self._apart = dict(apart or {})
        self._before = self._now()

    def start(self) -> None:
        self._before = self._now()

    def seconds(self) -> dict[str, float]:
        """Since `start`, by name."""
        now = self._now()
        return {name: max(0.0, now[name] - self._before[name]) for name in now}

    def _now(self) -> dict[str, float]:
        spent: dict[str, float] = dict.fromkeys([*self._roots, *self._apart], 0.0)
        for name, pid in self._roots.items():
            self._add(spent, name, psutil.Process(pid))
        return spent

    def _add(self, spent: dict[str, float], name: str, process: psutil.Process) -> None:
        try:
            line = " ".join(process.cmdline())
            times, children = process.cpu_times(), process.children()
        except psutil.NoSuchProcess:
            return
        name = next((other for other, mark in self._apart.items() if mark in line), name)
        # Children that ended are in their parent's own account.
        spent[name] += times.user + times.system + times.children_user + times.children_system
        for child in children:
            self._add(spent, name, child)


def servers_of_this_process() -> dict[str, int]:
    """The ids of the local stack's servers below this process, by name."""
    marks = {"postgres": "pginstall/bin/postgres", "store": "weed", "broker": "valkey"}
    below = psutil.Process().children(recursive=True)
    lines = {process.pid: " ".join(process.cmdline()) for process in below if process.is_running()}
    return {name: next(pid for pid, line in lines.items() if mark in line) for name, mark in marks.items()}


def written(database: Database) -> int:
    """The number that Postgres gives this transaction: each that writes takes the next, and so does the asking."""
    with database.unit_of_work() as session:
        return int(session.scalar(text("SELECT txid_current()")) or 0)
