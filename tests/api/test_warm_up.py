"""A process that listens is warm, and one that could not warm up listens too."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import httpx2
from sqlalchemy import event

from api.backends import make_backends
from api.warm_up import warm_up
from core.settings import Settings, inherited_environment
from lucency.stack.environment import environment_of
from tests.api.conftest import Api

ROOT = Path(__file__).parent.parent.parent


@contextlib.contextmanager
def process(settings: Settings, log: Path) -> Iterator[str]:
    """The API as a process of its own that listens: its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "--factory", "api.app:create_app", "--port", str(port)]
    environment = inherited_environment() | environment_of(settings)
    with log.open("wb") as output, subprocess.Popen(command, cwd=ROOT, env=environment, stderr=output) as served:
        try:
            end = time.monotonic() + 60
            with contextlib.ExitStack() as tries:
                while tries.enter_context(socket.socket()).connect_ex(("127.0.0.1", port)):
                    assert served.poll() is None, log.read_text()
                    assert time.monotonic() < end, log.read_text()
                    time.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            served.terminate()


def test_it_listens_warm(api: Api, tmp_path: Path) -> None:
    with process(api.settings, tmp_path / "log") as url:
        assert httpx2.get(f"{url}/healthz", timeout=30).status_code == 200
    assert "not_warmed_up" not in (tmp_path / "log").read_text()


def test_a_database_that_is_away_keeps_no_process_from_starting(api: Api, tmp_path: Path) -> None:
    away = api.settings.model_copy(
        update={"database_url": type(api.settings.database_url)("postgresql+psycopg2://nobody@127.0.0.1:1/none")}
    )
    with process(away, tmp_path / "log") as url:
        assert httpx2.get(f"{url}/healthz", timeout=30).status_code == 200
        assert httpx2.get(f"{url}/readyz", timeout=30).status_code == 503
    events = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines() if line.startswith("{")]
    assert [e["error"] for e in events if e["event"] == "not_warmed_up"] == ["DatabaseUnavailable"]


def test_what_an_exchange_asks_is_compiled(api: Api) -> None:
    """All of it is asked, up to the last; and all threads have drawn."""
    asked: list[str] = []
    backends = make_backends(api.settings)
    event.listen(backends.database.engine, "before_cursor_execute", lambda *call: asked.append(call[2]))
    anyio.run(warm_up, backends)
    for table in ("api_key", "job", "prediction", "explanation", "worker", "model_version"):
        assert [statement for statement in asked if re.search(rf"\b{table}\b", statement)], table
    backends.drawing.close()
    backends.broker.close()
    backends.decoders.close()
    backends.database.dispose()
