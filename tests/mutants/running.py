"""Tests in a copy of the tree, and what became of them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from core.settings import inherited_environment
from tests.mutants.entries import Mutant
from tests.mutants.tree import Tree

# As tests/conftest.py calls it.
SERVERS_HOME = "LUCENCY_TEST_SERVERS"
# A test that hangs with a mutant has noticed it; but there are others to come.
TEST_TIMEOUT_S = 90
RUN_TIMEOUT_S = 1800
# What may lead to another interpreter or other modules, or says that we are a test ourselves.
LEFT_OUT = ("PYTHON", "PYTEST", "VIRTUAL_ENV")
# The tree's own options (random order, workers side by side) are for other runs.
OPTIONS = ("-p", "no:cacheprovider", "-p", "no:randomly", "-o", "addopts=", "-o", f"timeout={TEST_TIMEOUT_S}")
# What a template database is made by: a change there needs one of its own.
TEMPLATED = ("migrations",)


class Verdict(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    SURVIVED = "survived"
    BROKEN = "broken"  # no test failed, and yet the run did not pass: nothing was shown


class Bench:
    """A copy of the tree to work at, the `number`th of `count` side by side. `servers`: the home of some that run."""

    def __init__(self, tree: Tree, *, number: int = 0, count: int = 1, servers: Path | None = None) -> None:
        self.tree = tree
        self.stopped = False
        self._number, self._count, self._servers = number, count, servers
        self._runs = 0
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def output_of(self, command: list[str], *, own_servers: bool) -> tuple[int, str]:
        """Run the command in the copy: its exit status, and all that it wrote."""
        with self._lock:
            if self.stopped:
                return -signal.SIGKILL, ""
            self._process = process = subprocess.Popen(
                command, cwd=self.tree.root, env=self._environment(own_servers=own_servers), stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
            )  # fmt: skip
        try:
            output, _ = process.communicate(timeout=RUN_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return -1, f"The tests did not end within {RUN_TIMEOUT_S} s."
        finally:
            # What a test left running goes with it.
            _kill(process)
        return process.returncode, output

    def stop(self) -> None:
        """End what runs, and run nothing more."""
        with self._lock:
            self.stopped = True
            if self._process is not None:
                _kill(self._process)

    def _environment(self, *, own_servers: bool) -> dict[str, str]:
        """For one run: as if it were another worker of the tests, with names of its own for databases and buckets."""
        known = {name: value for name, value in inherited_environment().items() if not name.startswith(LEFT_OUT)}
        worker, self._runs = self._number + self._runs * self._count, self._runs + 1
        known |= {"PYTEST_XDIST_WORKER": f"gw{worker}", "PYTEST_XDIST_WORKER_COUNT": str(self._count)}
        return known if self._servers is None or own_servers else known | {SERVERS_HOME: str(self._servers)}


def _kill(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@dataclass(frozen=True, slots=True)
class Ran:
    """A run of pytest: how many tests failed (by an assertion or an error of theirs), broke before or after, were
    skipped, and passed.
    """

    status: int
    failed: tuple[str, ...]
    broken: tuple[str, ...]
    skipped: tuple[str, ...]
    passed: int
    output: str
    seconds: float

    @property
    def sound(self) -> bool:
        """Every test ran and passed."""
        return self.status == 0 and self.passed > 0 and not (self.failed or self.broken or self.skipped)


def run(bench: Bench, tests: Sequence[str], *, whole: bool = False, own_servers: bool = False) -> Ran:
    """Run the tests in the copy, to their end (`whole`) or to the first failure."""
    with tempfile.TemporaryDirectory(prefix="lucency-mutants-report-") as folder:
        report = Path(folder) / "report.xml"
        command = [
            str(bench.tree.python), "-m", "pytest", "-q", *OPTIONS, f"--junit-xml={report}", *([] if whole else ["-x"]),
            *tests,
        ]  # fmt: skip
        started = time.monotonic()
        status, output = bench.output_of(command, own_servers=own_servers)
        cases = _cases(report)
        return Ran(
            status=status,
            failed=tuple(name for name, kind in cases if kind == "failure"),
            broken=tuple(name for name, kind in cases if kind == "error"),
            skipped=tuple(name for name, kind in cases if kind == "skipped"),
            passed=sum(kind == "" for _, kind in cases),
            output=output,
            seconds=time.monotonic() - started,
        )


def judge(bench: Bench, mutant: Mutant) -> tuple[Verdict, Ran]:
    """The mutant in the copy, against its tests."""
    with bench.tree.changed(mutant):
        ran = run(bench, mutant.tests, own_servers=mutant.file.startswith(TEMPLATED))
    if ran.status == 1 and ran.failed:
        return Verdict.KILLED, ran
    return (Verdict.SURVIVED if ran.sound else Verdict.BROKEN), ran


def _cases(report: Path) -> list[tuple[str, str]]:
    """Each test and how it ended: empty where it passed."""
    if not report.exists():
        return []
    found = []
    for case in ET.parse(report).iter("testcase"):
        kinds = [child.tag for child in case if child.tag in ("failure", "error", "skipped")]
        name = f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}"
        found.append((name, kinds[0] if kinds else ""))
    return found
