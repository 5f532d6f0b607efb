"""Child processes of the local stack: start, log, stop, and find what an earlier run left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import psutil

from core.settings import inherited_environment

LAUNCH = Path(__file__).with_name("launch.py")
# In the environment of every child, with the stack's folder as value: how leftovers are known.
MARK = "LUCENCY_STACK"
# Some servers write over their own environment (for `ps`), so these are known by name and working folder.
SERVER_PROGRAMS = frozenset({"postgres", "valkey-server", "weed"})
LOG_LIMIT = 10 * 1024 * 1024
TAIL_LINES = 20


def launched(command: Sequence[str], *, identity: str | None = None, death_signal: signal.Signals | None) -> list[str]:
    """`command` behind launch.py: dies with this process, and as nobody where `identity` says how."""
    options: list[str] = []
    if death_signal is not None:
        options += ["--parent", str(os.getpid()), "--signal", str(int(death_signal))]
    if identity is not None:
        options += ["--as", identity]
    if not options:
        return list(command)
    return [sys.executable, "-I", "-S", str(LAUNCH), *options, "--", *command]


def open_log(path: Path) -> IO[bytes]:
    """The log opened for appending (mode 0600); a large one is set aside first."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.exists() and path.stat().st_size > LOG_LIMIT:
        path.replace(path.with_suffix(".log.1"))
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


def tail(path: Path, *, lines: int = TAIL_LINES) -> str:
    """The last lines of a log, or nothing."""
    if not path.exists():
        return ""
    with path.open("rb") as log:
        log.seek(max(0, path.stat().st_size - 16384))
        return "\n".join(log.read().decode("utf-8", "replace").splitlines()[-lines:])


def child_environment(home: Path, extra: dict[str, str]) -> dict[str, str]:
    """What every child gets: the inherited environment without our settings, the mark, and `extra`."""
    return {**inherited_environment(), MARK: str(home.absolute()), **extra}


def spawn(command: Sequence[str], *, cwd: Path, log: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start a process in a group of its own (Ctrl-C reaches the stack, which stops the others in order).

    Call it on the main thread: the kernel takes the end of the calling *thread* for the end of the parent.
    """
    with open_log(log) as output:
        return subprocess.Popen(
            command,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,
        )


def signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Signal the process's whole group, if any of it is left."""
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        process.send_signal(number)


def stop_process(process: subprocess.Popen[bytes], *, number: signal.Signals, patience: float) -> None:
    """Signal the process, wait, then kill its group. Reaps it: a zombie would pass for a running server."""
    if process.poll() is None:
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
    kill_process(process)


def kill_process(process: subprocess.Popen[bytes]) -> None:
    """kill -9 the process and its group, and reap it."""
    signal_group(process, signal.SIGKILL)
    process.wait()


def leftovers(home: Path) -> list[psutil.Process]:
    """Processes of the stack in `home` that run now, whoever started them; never this one."""
    folder = home.absolute()
    return [process for process in psutil.process_iter() if process.pid != os.getpid() and _belongs(process, folder)]


def kill_leftovers(home: Path) -> int:
    """kill -9 what an earlier run left behind and wait until it is gone; returns how many."""
    found = leftovers(home)
    for process in found:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(found, timeout=10)
    return len(found)


def _belongs(process: psutil.Process, folder: Path) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        if Path(process.exe()).name in SERVER_PROGRAMS:
            return Path(process.cwd()).is_relative_to(folder)
        return process.environ().get(MARK) == str(folder)
    except (psutil.Error, OSError):
        return False
