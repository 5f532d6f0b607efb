"""What the supervisor writes about a running stack, in the home: read by `up`, `down`, `status`, demo and doctor."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from lucency.stack.servers import write_private

Phase = Literal["starting", "running", "stopping", "stopped", "failed"]


@dataclass(slots=True)
class ProcessState:
    """One process of the stack. `started_at` is Unix time."""

    name: str
    pid: int | None
    port: int | None
    log: str
    started_at: float
    restarts: int = 0


@dataclass(slots=True)
class StackState:
    """The stack as its supervisor sees it."""

    phase: Phase = "stopped"
    supervisor: int | None = None
    api_url: str = ""
    error: str = ""
    notes: list[str] = field(default_factory=list)
    steps: list[tuple[str, float]] = field(default_factory=list)
    processes: list[ProcessState] = field(default_factory=list)
    started_at: float = field(default_factory=time.time)

    @classmethod
    def read(cls, home: Path) -> StackState:
        """The state as last written; "stopped" where no supervisor holds the lock any more."""
        path = home / "state.json"
        if not path.exists():
            return cls()
        found = json.loads(path.read_text())
        found["processes"] = [ProcessState(**process) for process in found["processes"]]
        found["steps"] = [(name, seconds) for name, seconds in found["steps"]]
        state = cls(**found)
        if state.phase in {"starting", "running", "stopping"} and not is_locked(home):
            state.phase = "stopped"
        return state

    def write(self, home: Path) -> None:
        write_private(home / "state.json", json.dumps(asdict(self), indent=1))


def make_home(home: Path) -> Path:
    """The home's absolute path; made with mode 0700 where it is new."""
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    return home.absolute()


@contextmanager
def supervisor_lock(home: Path, *, patience: float = 0.0) -> Iterator[bool]:
    """Hold the home's lock; yields False where another supervisor has it. A killed one lets go of it.

    `patience` (s) outlasts those who only look whether it is held.
    """
    descriptor = os.open(home / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield _locked(descriptor, patience=patience)
    finally:
        os.close(descriptor)


def _locked(descriptor: int, *, patience: float) -> bool:
    end = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() >= end:
                return False
            time.sleep(0.02)
        else:
            return True


def is_locked(home: Path) -> bool:
    """Whether a supervisor runs on this home."""
    if not (home / "lock").exists():
        return False
    with supervisor_lock(home) as free:
        return not free
