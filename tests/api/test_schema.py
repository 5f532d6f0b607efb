"""Requests made up from the OpenAPI document: whatever is sent, the answer is never a 5xx nor an undocumented body."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.api.conftest import Api


def test_no_server_error(api: Api, tmp_path: Path) -> None:
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "run", f"{api.url}/openapi.json",
        "--checks", "not_a_server_error,content_type_conformance", "--max-examples", "4",
        "--phases", "examples,fuzzing",
        "--header", f"Authorization: Bearer {api.key}", "--seed", "1", "--exclude-path", "/readyz",
        # An endless stream has its own tests.
        "--exclude-path", "/predict", "--exclude-path", "/v1/events", "--generation-database", "none",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=170)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
