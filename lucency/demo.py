"""`lucency demo`: the main job from end to end on a stack of its own, for people to see."""

from __future__ import annotations

import secrets
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from core.errors import StackFailed
from core.settings import Settings, inherited_environment, load_settings
from core.vocabulary import DISCLAIMER
from lucency.client import Client
from lucency.examples import example_dicom
from lucency.stack import control
from lucency.stack.environment import environment_of
from lucency.stack.servers import write_private
from lucency.submit import write_result
from lucency.tables import result_tables, show

RESULT_TIMEOUT = 120.0
DEMO_USER = "demo@localhost"


def run_demo(settings: Settings, *, once: bool, say: Callable[[str], None]) -> None:
    """Start, submit, show; stay until Ctrl-C unless `once`. Raises StackFailed when no result comes."""
    # SIGTERM ends it as Ctrl-C does: with everything stopped.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    process: subprocess.Popen[bytes] | None = None
    try:
        process = control.start(settings, say=say, attached=True)
        load_settings.cache_clear()
        now = load_settings()
        with Client(now.api_url, now.api_key.get_secret_value() if now.api_key else None) as client:
            folder = settings.home / "demo"
            job_id = _run_one(client, "RG3, a lower leg (DICOM)", example_dicom(), folder=folder)
            # A real radiograph as PNG, without any imaging library on this side: the one that was just decoded.
            png = client.explanation(job_id, "fracture", view="radiograph")
            _run_one(client, "the same radiograph (PNG)", png, folder=folder)
        show(DISCLAIMER)
        if not once:
            email, password = demo_login(now)
            _show_address(now, email=email, password=password)
            until_interrupted(process)
    except KeyboardInterrupt:
        say("Stopping.")
    finally:
        if process is not None:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            control.stop_attached(process)


def _run_one(client: Client, name: str, data: Path | bytes, *, folder: Path) -> str:
    """Returns the job's id."""
    job = client.wait(client.submit(data)["id"], timeout=RESULT_TIMEOUT)
    if job["state"] != "succeeded":
        problem = job["problem"] or {}
        raise StackFailed(f"The job for {name} ended as {job['state']}: {problem.get('detail', 'no reason is known')}")
    result = client.result(job["id"])
    show(*result_tables(name, result, base_url=client.base_url))
    for path in write_result(client, result, folder=folder, name=job["id"]):
        if path.endswith("overlay.png"):
            show(f"overlay saved: {path}")
    return str(job["id"])


def demo_login(settings: Settings) -> tuple[str, str]:
    """The demo's user, an operator and the administrator of its Site, and its password: the same while the home stays.

    Raises StackFailed.
    """
    kept = settings.home / "demo" / "password"
    if kept.exists():
        return DEMO_USER, kept.read_text()
    password = secrets.token_urlsafe(12)
    added = ("add", DEMO_USER, "--name", "Demo", "--site", "local", "--role", "admin", "--operator")
    # The user may be there from before its password was lost.
    if not _user_command(settings, *added, typed=password) and not _user_command(
        settings, "password", DEMO_USER, typed=password
    ):
        raise StackFailed("`lucency user add` made no login for the demo.")
    kept.parent.mkdir(exist_ok=True)
    write_private(kept, password)
    return DEMO_USER, password


def _user_command(settings: Settings, *arguments: str, typed: str) -> bool:
    """Whether `lucency user …` did it."""
    # What lies in the folder that this runs in is nobody's module.
    command = [sys.executable, "-P", "-m", "lucency.commands", "user", *arguments]
    environment = inherited_environment() | environment_of(settings)
    done = subprocess.run(command, env=environment, input=typed, text=True, capture_output=True, check=False)
    return done.returncode == 0


def _show_address(settings: Settings, *, email: str, password: str) -> None:
    key = settings.api_key.get_secret_value() if settings.api_key else ""
    table = Table(show_header=False)
    table.add_row("open", f"[bold]{settings.api_url}[/bold]")
    table.add_row("sign in as", email)
    table.add_row("password", password)
    table.add_row("docs", f"{settings.api_url}/docs")
    table.add_row("API key", key)
    table.add_row("stop", "Ctrl-C")
    show(table)


def until_interrupted(process: subprocess.Popen[bytes] | None) -> None:
    """Wait for Ctrl-C, or for the end of the stack. Raises StackFailed when it ends by itself."""
    try:
        if process is None:
            signal.pause()
        elif process.wait() != 0:
            raise StackFailed("The stack ended; `lucency status` and its logs say more.")
    except KeyboardInterrupt:
        Console(stderr=True).print("Stopping.")
