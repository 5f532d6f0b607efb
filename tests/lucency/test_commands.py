"""The one command: quick help, commands of other packages, and a broken package that leaves the others alone."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.version import VERSION
from lucency import commands

ROOT = Path(__file__).parent.parent.parent


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "sys.argv = ['lucency', '--help']\n"
        "from lucency.commands import main\n"
        "try:\n    main()\n"
        "except SystemExit:\n    pass\n"
        "heavy = {'httpx2', 'numpy', 'onnxruntime', 'openvino', 'tensorflow', 'celery', 'fastapi'}\n"
        "heavy &= sys.modules.keys()\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "submit" in done.stdout


def test_the_version() -> None:
    shown = CliRunner().invoke(commands.app, ["--version"])
    assert (shown.exit_code, shown.stdout) == (0, f"lucency {VERSION}\n")


def test_commands_of_other_packages_join() -> None:
    assert CliRunner().invoke(commands.app, ["db", "--help"]).exit_code == 0


def test_a_missing_package_breaks_its_own_command_only(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = EntryPoint("gone", "no_such_package.commands:app", commands.GROUP)
    monkeypatch.setattr(commands, "_entries", lambda: {"gone": missing})
    runner = CliRunner()
    listed = runner.invoke(commands.app, ["--help"])
    assert listed.exit_code == 0
    assert "gone" in listed.stdout
    used = runner.invoke(commands.app, ["gone"])
    assert used.exit_code == 1
    assert "no_such_package" in used.stderr


@pytest.mark.parametrize("target", ["setup", "demo", "test"])
def test_the_makefile_knows_its_targets(target: str) -> None:
    done = subprocess.run(["make", "-n", target, "ONCE=1"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
