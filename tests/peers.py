"""Real DICOM peers for tests: Debian's Orthanc on free ports, dcmtk's tools. Where they are absent a test skips."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from lucency.stack.ports import choose_ports
from lucency.stack.processes import tail

# Debian keeps Orthanc out of the path of ordinary users.
PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))
START_PATIENCE = 40.0


def tool(name: str) -> str:
    """The path of a program of Debian's; the test is skipped where it is not installed."""
    path = shutil.which(name, path=PATH)
    if path is None:
        pytest.skip(f"{name} is not installed (Debian: apt-get install dcmtk dicom3tools orthanc)")
    return path


def dcmtk(name: str, *arguments: str | Path, timeout: float = 120.0) -> subprocess.CompletedProcess[str]:
    """Run one of dcmtk's programs; its exit code and output are for the test to judge."""
    command = [tool(name), *map(str, arguments)]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
    )


@dataclass(frozen=True)
class Modality:
    """A DICOM application entity that Orthanc may send to, or take from."""

    ae_title: str
    host: str
    port: int


@dataclass(frozen=True)
class Orthanc:
    """A running Orthanc: `ae_title` at `dicom_port` of 127.0.0.1, and its REST API at `url`."""

    ae_title: str
    dicom_port: int
    url: str
    log: Path

    @property
    def modality(self) -> Modality:
        """This Orthanc as others would name it."""
        return Modality(self.ae_title, "127.0.0.1", self.dicom_port)

    def get(self, path: str) -> Any:
        """GET a JSON resource."""
        return self._checked(httpx2.get(self.url + path, timeout=30)).json()

    def content(self, path: str) -> bytes:
        """GET a resource as bytes."""
        return self._checked(httpx2.get(self.url + path, timeout=30)).content

    def post(self, path: str, body: Any, *, timeout: float = 60.0) -> Any:
        """POST JSON, or bytes as they are."""
        sent: dict[str, Any] = {"content": body} if isinstance(body, bytes) else {"json": body}
        return self._checked(httpx2.post(self.url + path, timeout=timeout, **sent)).json()

    def upload(self, content: bytes) -> dict[str, Any]:
        """Store an instance by REST; Orthanc's answer (ID, ParentStudy, Status…)."""
        found: dict[str, Any] = self.post("/instances", content)
        return found

    def know(self, name: str, modality: Modality) -> None:
        """Make a modality known under `name`, for `send`."""
        body = [modality.ae_title, modality.host, modality.port]
        self._checked(httpx2.put(f"{self.url}/modalities/{name}", json=body, timeout=30))

    def echo(self, name: str) -> bool:
        """Whether the modality answers C-ECHO."""
        return httpx2.post(f"{self.url}/modalities/{name}/echo", json={}, timeout=60).status_code == 200

    def send(self, name: str, resources: Sequence[str], *, timeout: float = 120.0) -> dict[str, Any]:
        """C-STORE resources (a study's, series' or instance's Orthanc id) to a known modality; raises when it fails."""
        body = {"Resources": list(resources), "Synchronous": True}
        found: dict[str, Any] = self.post(f"/modalities/{name}/store", body, timeout=timeout)
        return found

    def instances(self, path: str = "") -> list[dict[str, Any]]:
        """The instances below `path` (`/studies/<id>`), or all, with their main tags."""
        found: list[dict[str, Any]] = self.get(f"{path}/instances" if path else "/instances?expand")
        return found

    def tags(self, instance: str) -> dict[str, Any]:
        """An instance's tags by keyword."""
        found: dict[str, Any] = self.get(f"/instances/{instance}/simplified-tags")
        return found

    def _checked(self, answer: httpx2.Response) -> httpx2.Response:
        assert answer.is_success, f"Orthanc: {answer.status_code} {answer.text}\n{tail(self.log)}"
        return answer


@contextlib.contextmanager
def orthanc(
    folder: Path,
    *,
    ae_title: str = "ORTHANC",
    modalities: Mapping[str, Modality] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Iterator[Orthanc]:
    """Orthanc with its own configuration and storage in `folder` (made), which takes C-STORE from everyone.

    `options` go into its configuration (Orthanc's own names). Skips the test where Orthanc is not installed.
    """
    program = tool("Orthanc")
    folder.mkdir(parents=True, exist_ok=True)
    ports = choose_ports(["dicom", "http"])
    configuration: dict[str, Any] = {
        "Name": "tests",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "index"),
        "Plugins": [],
        "HttpServerEnabled": True,
        "HttpPort": ports["http"],
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomServerEnabled": True,
        "DicomAet": ae_title,
        "DicomPort": ports["dicom"],
        "DicomCheckCalledAet": False,
        "DicomAlwaysAllowStore": True,
        "DicomAlwaysAllowEcho": True,
        "UnknownSopClassAccepted": True,
        "DicomModalities": {
            name: [modality.ae_title, modality.host, modality.port] for name, modality in (modalities or {}).items()
        },
        "DicomScuTimeout": 30,
        "StableAge": 1,
        "SaveJobs": False,
        "OverwriteInstances": False,
    }
    written = folder / "orthanc.json"
    written.write_text(json.dumps(configuration | dict(options or {}), indent=1))
    log = folder / "orthanc.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, str(written)], cwd=folder, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
        )
    running = Orthanc(ae_title, ports["dicom"], f"http://127.0.0.1:{ports['http']}", log)
    try:
        _wait_ready(running, process)
        yield running
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_ready(running: Orthanc, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_PATIENCE
    while True:
        assert process.poll() is None, f"Orthanc ended:\n{tail(running.log)}"
        assert time.monotonic() < end, f"Orthanc did not start:\n{tail(running.log)}"
        with contextlib.suppress(httpx2.TransportError):
            if httpx2.get(f"{running.url}/system", timeout=5).status_code == 200:
                return
        time.sleep(0.05)
