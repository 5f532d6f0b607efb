"""The typed client is what the contract says: it cannot differ from openapi.json, nor openapi.json from the routes.

(tests/api/test_schema.py has the contract's agreement with the routes, `make ui-check` the pages' with the client.)
"""

from __future__ import annotations

import filecmp
import os
import subprocess
import sys
from pathlib import Path

UI = Path(__file__).parents[2] / "ui"
CLIENT = UI / "src" / "client"


def generated(folder: Path) -> None:
    """The client, made anew into `folder` by the same configuration."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = [str(UI / "node_modules" / ".bin" / "openapi-ts"), "--output", str(folder)]
    done = subprocess.run(command, cwd=UI, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_client_that_was_built_in_is_of_this_contract(tmp_path: Path) -> None:
    fresh = tmp_path / "client"
    generated(fresh)
    made = sorted(path.relative_to(fresh) for path in fresh.rglob("*.ts"))
    assert Path("types.gen.ts") in made
    assert made == sorted(path.relative_to(CLIENT) for path in CLIENT.rglob("*.ts"))
    _, differing, missing = filecmp.cmpfiles(fresh, CLIENT, [str(path) for path in made], shallow=False)
    assert not differing, f"make ui: {differing}"
    assert not missing


def test_the_client_is_not_committed_so_that_it_cannot_be_old() -> None:
    command = ["git", "check-ignore", "--quiet", str(CLIENT / "types.gen.ts")]
    ignored = subprocess.run(command, cwd=UI, check=False)
    assert ignored.returncode in {0, 128}, "ui/src/client is to be git-ignored"
