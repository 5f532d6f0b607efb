"""The list of mutants fits the tree; and the tool that tries them tells of each way in which nothing would be shown."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from core.settings import inherited_environment
from tests.conftest import ROOT
from tests.mutants.__main__ import main
from tests.mutants.entries import Mutant, Stale, faults, load
from tests.mutants.tree import CopyNotUsed, Tree

SUMS = """
def total(values):
    result = 0
    for value in values:
        result += value
    return result


def bounded(value):
    # At most ten.
    return min(value, 10)
"""
# The child is given no environment: it must find the copy all the same.
TESTS = """
import subprocess, sys
from sums.sums import bounded, total

def test_total():
    assert total([1, 2]) == 3

def test_bounded():
    assert bounded(9) == 9

def test_total_in_a_child():
    program = "from sums.sums import total; assert total([1, 2]) == 3"
    assert subprocess.run([sys.executable, "-c", program], env={}, cwd="/").returncode == 0

def test_that_fails():
    assert total([1]) == 2
"""
SLOW = """
def test_slow():
    import os, pathlib, time
    pathlib.Path({place!r}).write_text(str(os.getpid()))
    time.sleep(100)
"""
ADDS = {
    "name": "adds",
    "file": "sums/sums.py",
    "line": "result += value",
    "change": "result -= value",
    "tests": ["tests/test_sums.py::test_total"],
    "why": "a sum is a sum",
}


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A tree of one module and its tests."""
    made = tmp_path / "small"
    for name, content in {
        "sums/__init__.py": "", "sums/sums.py": SUMS, "tests/__init__.py": "", "tests/test_sums.py": TESTS,
    }.items():  # fmt: skip
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text(content)
    return made


def listed(small: Path, *rows: dict[str, Any]) -> Path:
    """A list of these."""
    folder = small.with_name("list")
    folder.mkdir(exist_ok=True)
    values = [{name: json.dumps(value) for name, value in (ADDS | row).items()} for row in rows]
    (folder / "adding.toml").write_text(
        "".join("[[mutant]]\n" + "".join(f"{k} = {v}\n" for k, v in row.items()) for row in values)
    )
    return folder


def tried(small: Path, *rows: dict[str, Any], arguments: tuple[str, ...] = ()) -> int:
    """The tool's exit status for a list of these."""
    return main(["--root", str(small), "--list", str(listed(small, *rows)), "--jobs", "1", *arguments])


def mutant(**fields: Any) -> Mutant:
    return Mutant(**ADDS | {"tests": tuple(ADDS["tests"]), "subject": "adding"} | fields)


def test_every_mutant_of_the_list_can_be_tried() -> None:
    mutants = load()
    found = {one.name: told for one in mutants if (told := faults(one, ROOT))}
    assert found == {}, "lines that changed or moved: say anew what of them must not be"
    assert len(mutants) >= 40
    assert sum(one.short for one in mutants) == 8
    assert len({one.subject for one in mutants if one.short}) >= 6


def test_a_mutant_that_is_noticed(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    child = {"name": "in a child", "tests": ["tests/test_sums.py::test_total_in_a_child"]}
    assert tried(small, {}, child) == 0
    assert "2 of 2 mutants killed" in capsys.readouterr().out
    assert (small / "sums" / "sums.py").read_text() == SUMS, "the tree itself is never changed"
    assert [path.name for path in small.rglob("__pycache__")] == []


def test_a_mutant_that_survives(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bound = {"name": "bound", "line": "return min(value, 10)", "change": "return min(value, 11)"}
    assert tried(small, {}, bound | {"tests": ["tests/test_sums.py::test_bounded"]}) == 1
    told = capsys.readouterr().out
    assert "SURVIVED: bound" in told
    assert "+ return min(value, 11)" in told
    assert "1 of 2 mutants killed" in told


def test_a_mutant_that_breaks_the_import_shows_nothing(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tried(small, {"line": "def total(values):", "change": "def sum_of(values):"}) == 1
    told = capsys.readouterr().out
    assert "BROKEN: adds" in told
    assert "ImportError" in told


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"line": "result = 1"}, "the line stands 0 times"),
        ({"line": "return result"}, "the line stands 2 times"),
        ({"line": "  result += value"}, "without its indentation"),
        ({"change": "result += value"}, "the change must change it"),
        ({"change": "result +="}, "invalid syntax"),
        ({"file": "sums/gone.py"}, "there is no sums/gone.py"),
        ({"tests": ["tests/test_gone.py::test_total"]}, "there is no tests/test_gone.py"),
        ({"tests": ["tests/test_sums.py::test_gone"]}, "there is no test tests/test_sums.py::test_gone"),
        ({"tests": []}, "needs a test"),
        ({"colour": "red"}, "it has"),
    ],
)
def test_a_stale_list(small: Path, capsys: pytest.CaptureFixture[str], row: dict[str, Any], words: str) -> None:
    sums = small / "sums" / "sums.py"
    sums.write_text(SUMS + "\n\ndef same(result):\n    return result\n")
    assert tried(small, row) == 1
    assert words in capsys.readouterr().out


def test_names_are_given_once(small: Path) -> None:
    assert tried(small, {}, {}) == 1
    with pytest.raises(Stale, match="several mutants of one name"):
        load(small.with_name("list"))


def test_a_test_that_fails_without_the_mutant(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tried(small, {"tests": ["tests/test_sums.py::test_that_fails"]}) == 1
    assert "Without any mutant these do not pass: tests/test_sums.py::test_that_fails" in capsys.readouterr().out


def test_some_of_them(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = {"name": "other", "short": True}
    assert tried(small, {}, other, arguments=("--short",)) == 0
    assert "1 of 1 mutants killed" in capsys.readouterr().out
    assert tried(small, {}, other, arguments=("--only", "nothing")) == 2
    assert [mutant().matches(one) for one in ("", "adds", "adding", "sums/*.py", "a?d", "b")] == [True] * 5 + [False]


def test_another_tree_is_not_taken_for_the_copy(small: Path, tmp_path: Path) -> None:
    tree = Tree(small, tmp_path / "copy")
    tree.require_own({"sums", "tests"})
    with pytest.raises(CopyNotUsed, match="core is imported from nowhere"):
        tree.require_own({"core"})
    # This very repository is installed in the environment that the copy's borrows from: by its path or not at all.
    site = next((tmp_path / "copy" / "environment" / "lib").glob("python*/site-packages"))
    (site / "editable.pth").write_text(f"{ROOT}\n")
    with pytest.raises(CopyNotUsed, match="core is imported from"):
        tree.require_own({"core"})


def test_a_copy_is_as_it_was_behind_each_mutant(small: Path, tmp_path: Path) -> None:
    """And no mutant is taken for another: compiled modules know their source by its second and its size alone."""
    tree = Tree(small, tmp_path / "copy")
    changed = tree.root / str(ADDS["file"])
    before = changed.stat().st_mtime_ns
    program = [str(tree.python), "-c", "from sums.sums import total; print(total([2, 3]))"]

    def printed() -> str:
        return subprocess.run(program, env={}, check=True, capture_output=True, text=True).stdout.strip()

    assert printed() == "5"
    for change, expected in (("result -= value", "-5"), ("result *= value", "0"), ("result /= value", "0.0")):
        with tree.changed(mutant(change=change)):
            assert f"    {change}\n" in changed.read_text()
            assert printed() == expected
    assert (changed.read_text(), changed.stat().st_mtime_ns) == (SUMS, before)
    assert printed() == "5"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_when_it_is_told_to(small: Path, tmp_path: Path, number: signal.Signals) -> None:
    """And with it what it runs, and its copies."""
    with (small / "tests" / "test_sums.py").open("a") as file:
        file.write(SLOW.format(place=str(tmp_path / "pid")))
    folder = tmp_path / "temporary"
    folder.mkdir()
    listed(small, {"tests": ["tests/test_sums.py::test_slow"]})
    command = [sys.executable, "-m", "tests.mutants", "--root", str(small), "--list", str(small.with_name("list"))]
    environment = inherited_environment() | {"TMPDIR": str(folder)}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as run:
        end = time.monotonic() + 60
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            assert run.poll() is None
            assert time.monotonic() < end
            time.sleep(0.05)
        run.send_signal(number)
        assert run.wait(20) != 0
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))
    assert list(folder.iterdir()) == []


def test_the_command_says_what_it_does() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.mutants", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "--only PATTERN" in done.stdout
