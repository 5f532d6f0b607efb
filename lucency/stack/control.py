"""`lucency up`, `down`, `status`: a supervisor of its own does the work; these start, stop and show it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

from core.errors import StackFailed
from core.settings import Settings, inherited_environment, load_settings
from lucency.stack.environment import environment_of
from lucency.stack.processes import MARK, kill_leftovers, launched, open_log, tail
from lucency.stack.servers import ping
from lucency.stack.state import ProcessState, StackState, make_home
from lucency.stack.supervisor import STOP_PATIENCE, http_status

START_TIMEOUT = 300.0


def start(settings: Settings, *, say: Callable[[str], None], attached: bool) -> subprocess.Popen[bytes] | None:
    """Start a supervisor and wait until the stack is ready; None when one runs already. Raises StackFailed.

    `attached`: it dies with this process; otherwise it outlives it.
    """
    home = make_home(settings.home)
    if StackState.read(home).phase in {"starting", "running"}:
        say("The stack runs already.")
        await_ready(home, say=say, process=None)
        return None
    # A state of last time must not pass for this one's.
    (home / "state.json").unlink(missing_ok=True)
    command = launched(
        [sys.executable, "-m", "lucency.stack.supervisor"], death_signal=signal.SIGTERM if attached else None
    )
    # Without the mark a supervisor is not counted among the leftovers that it removes.
    environment = inherited_environment() | environment_of(settings) | {"LUCENCY_HOME": str(home), MARK: str(home)}
    if settings.bundle is not None:
        environment["LUCENCY_BUNDLE"] = str(settings.bundle.absolute())
    with open_log(home / "logs" / "supervisor.log") as log:
        process = subprocess.Popen(
            command,
            cwd=home,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        await_ready(home, say=say, process=process)
    except BaseException:
        if attached:
            stop_attached(process)
        raise
    return process


def await_ready(home: Path, *, say: Callable[[str], None], process: subprocess.Popen[bytes] | None) -> StackState:
    """Follow the supervisor's steps until the stack runs. Raises StackFailed."""
    end = time.monotonic() + START_TIMEOUT
    told = 0
    while True:
        state = StackState.read(home)
        for name, seconds in state.steps[told:]:
            say(f"{name}: {seconds:.1f} s")
        told = len(state.steps)
        if state.phase == "running":
            for note in state.notes:
                say(note)
            return state
        ended = process is not None and process.poll() is not None
        if state.phase == "failed":
            raise StackFailed(state.error)
        if ended:
            raise StackFailed(f"The supervisor ended. {tail(home / 'logs' / 'supervisor.log')}")
        if time.monotonic() > end:
            raise StackFailed(f"The stack was not ready within {START_TIMEOUT:.0f} s; see {home / 'logs'}.")
        time.sleep(0.1)


def stop_attached(process: subprocess.Popen[bytes]) -> None:
    """Stop an attached supervisor and its stack; returns when all of it is gone."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(STOP_PATIENCE + 30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def stop(settings: Settings) -> bool:
    """Stop the stack of the home, whoever started it, and kill what is left. False when nothing ran."""
    home = settings.home.absolute()
    if not home.exists():
        return False
    state = StackState.read(home)
    running = state.phase in {"starting", "running", "stopping"}
    if running and state.supervisor is not None:
        try:
            supervisor = psutil.Process(state.supervisor)
            supervisor.terminate()
            supervisor.wait(STOP_PATIENCE + 30)
        except (psutil.NoSuchProcess, psutil.TimeoutExpired):
            pass
    return kill_leftovers(home) > 0 or running


def status(settings: Settings) -> dict[str, Any]:
    """The stack as data: phase, address, and each process with pid, port, health, uptime (s) and log."""
    home = settings.home.absolute()
    state = StackState.read(home)
    up = state.phase in {"starting", "running", "stopping"}
    listed = []
    for process in state.processes if up else []:
        uptime = round(time.time() - process.started_at, 1)
        listed.append(asdict(process) | {"healthy": is_healthy(process, state), "uptime": uptime})
    return {
        "home": str(home),
        "phase": state.phase,
        "api_url": state.api_url if up else None,
        "error": state.error,
        "notes": state.notes,
        "steps": state.steps,
        "processes": listed,
    }


def is_healthy(process: ProcessState, state: StackState) -> bool:
    """Whether a process lives and, where it can be asked, answers. Of workers /readyz tells."""
    if process.pid is None or not psutil.pid_exists(process.pid):
        return False
    if process.name == "api":
        return http_status(f"{state.api_url}/healthz")[0] == 200
    if process.name == "worker":
        return http_status(f"{state.api_url}/readyz")[0] == 200
    if process.name == "valkey":
        settings = load_settings()
        password = settings.broker_url.get_secret_value().partition("//:")[2].rpartition("@")[0]
        return process.port is not None and ping(process.port, password)
    return True
