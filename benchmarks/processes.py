"""Child processes of a benchmark: each in a group of its own, ended with this process however that ends."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from lucency.stack.processes import kill_process, launched, open_log, tail

ROOT = Path(__file__).parent.parent


@contextmanager
def running(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    log: Path,
    talks: bool = False,
    number: int = signal.SIGKILL,
    tree: Path = ROOT,
) -> Iterator[subprocess.Popen[bytes]]:
    """The process while the block runs; its whole group is killed after it. `talks`: over its standard streams.

    `tree`: its working folder.
    """
    with open_log(log) as output:
        process = subprocess.Popen(
            launched(command, death_signal=signal.Signals(number)),
            cwd=tree,
            env=dict(environment),
            stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
            stdout=subprocess.PIPE if talks else output,
            stderr=output,
            process_group=0,
        )
    try:
        yield process
    finally:
        kill_process(process)


@contextmanager
def server(
    target: str, *options: str, environment: Mapping[str, str], log: Path
) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A uvicorn process that listens; its port."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        target,
        "--port",
        str(port),
        "--log-level",
        "warning",
        "--no-access-log",
        *options,
    ]
    with running(command, environment=environment, log=log) as process:
        until(lambda: listens(port), what=f"{target} listens", process=process, log=log, timeout=120)
        yield port, process


def free_port() -> int:
    """One that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def until(
    reached: Callable[[], bool],
    *,
    what: str,
    timeout: float = 60.0,
    pause: float = 0.05,
    process: subprocess.Popen[bytes] | None = None,
    log: Path | None = None,
) -> None:
    """Wait for it. Raises RuntimeError with the end of the log when the time is up or the process ended."""
    end = time.monotonic() + timeout
    while not reached():
        if time.monotonic() > end or (process is not None and process.poll() is not None):
            raise RuntimeError(f"not reached: {what}\n{tail(log) if log is not None else ''}")
        time.sleep(pause)


def line_of(stream: IO[bytes] | None) -> str:
    """The next line. Raises RuntimeError where the process ended instead."""
    line = b"" if stream is None else stream.readline()
    if not line:
        raise RuntimeError("a benchmark process ended early")
    return line.decode().strip()
