"""`lucency demo`: the main job from end to end on a stack of its own, for people to see."""

from __future__ import annotations

import importlib.util
import signal
import struct
import subprocess
import zlib
from collections.abc import Callable
from math import exp, sin
from pathlib import Path

from rich.console import Console
from rich.table import Table

from core.errors import StackFailed
from core.settings import Settings, load_settings
from core.vocabulary import DISCLAIMER
from lucency import stack
from lucency.client import Client
from lucency.servers import package_folder
from lucency.submit import write_result
from lucency.tables import result_tables, show

RESULT_TIMEOUT = 120.0
EXAMPLE = "RG3_J2KR.dcm"  # a lower leg, JPEG 2000


def run_demo(settings: Settings, *, once: bool, say: Callable[[str], None]) -> None:
    """Start, submit, show; stay until Ctrl-C unless `once`. Raises StackFailed when no result comes."""
    # SIGTERM ends it as Ctrl-C does: with everything stopped.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    process: subprocess.Popen[bytes] | None = None
    try:
        process = stack.start(settings, say=say, attached=True)
        load_settings.cache_clear()
        now = load_settings()
        with Client(now.api_url, now.api_key.get_secret_value() if now.api_key else None) as client:
            for name, data in (("RG3 (DICOM)", example_dicom()), ("generated (PNG)", generated_png())):
                _run_one(client, name, data, folder=settings.home / "demo")
        show(DISCLAIMER)
        if not once:
            _show_address(now)
            until_interrupted(process)
    except KeyboardInterrupt:
        say("Stopping.")
    finally:
        if process is not None:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            stack.stop_attached(process)


def _run_one(client: Client, name: str, data: Path | bytes, *, folder: Path) -> None:
    job = client.wait(client.submit(data)["id"], timeout=RESULT_TIMEOUT)
    if job["state"] != "succeeded":
        problem = job["problem"] or {}
        raise StackFailed(f"The job for {name} ended as {job['state']}: {problem.get('detail', 'no reason is known')}")
    result = client.result(job["id"])
    show(*result_tables(name, result, base_url=client.base_url))
    for path in write_result(client, result, folder=folder, name=job["id"]):
        if path.endswith("overlay.png"):
            show(f"overlay saved: {path}")


def _show_address(settings: Settings) -> None:
    key = settings.api_key.get_secret_value() if settings.api_key else ""
    table = Table(show_header=False)
    table.add_row("API", settings.api_url)
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


def example_dicom() -> Path:
    """RG3 out of the pydicom-data wheel: a real radiograph that is on the disk already. Raises StackFailed."""
    path = package_folder("data_store") / "data" / EXAMPLE
    if importlib.util.find_spec("data_store") is None or not path.exists():
        raise StackFailed("The package pydicom-data is not installed: run `make setup`, or install lucency[embedded].")
    return path


def generated_png(*, rows: int = 512, columns: int = 384) -> bytes:
    """A grey PNG of a bright shaft with a dark oblique gap.

    Generated, and with zlib alone: a real radiograph would bring its licence along, and the command line installs
    without any imaging library. It shows the way of a PNG through the system, not what the network can do.
    """
    lines = bytearray()
    for row in range(rows):
        centre = columns / 2 + columns / 20 * sin(row / rows * 3.14159)
        lines.append(0)  # filter "none"
        for column in range(columns):
            shaft = exp(-(((column - centre) / (columns / 9)) ** 2))
            gap = 1 - 0.7 * exp(-(((row - rows * 0.55 - (column - centre) * 0.4) / (rows / 60)) ** 2))
            lines.append(int(35 + 30 * column / columns + 165 * shaft * gap))
    header = struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(lines))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
