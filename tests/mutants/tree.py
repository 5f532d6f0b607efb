"""A copy of the tree to change, and a Python that imports the copy and can import nothing else of ours.

The environment that the tests run in holds an editable install of the working tree. A variable such as PYTHONPATH would
go before it, but not in a child process that is given an environment of its own. So each copy has a virtual environment
that borrows the installed packages without what makes the working tree importable, and with the copy in its place.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sysconfig
import venv
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.mutants.entries import Mutant

# What a copy does without: histories, environments, caches.
LEFT_OUT = (
    ".git", ".venv", ".lucency", "__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis",
    ".import_linter_cache", "artefacts", "node_modules",
)  # fmt: skip
SCRIPT_BYTES = 64 * 1024
# A program that is begun with no environment at all, and begins another such: where both find our packages.
PROBE = """
import importlib.util, json, subprocess, sys
found = {name: importlib.util.find_spec(name) for name in sys.argv[2:]}
places = {name: list(spec.submodule_search_locations or [spec.origin]) if spec else [] for name, spec in found.items()}
inner = []
if sys.argv[1] == "outer":
    again = [sys.executable, "-c", sys.orig_argv[2], "inner", *sys.argv[2:]]
    inner = json.loads(subprocess.run(again, env={}, cwd="/", check=True, capture_output=True).stdout)
print(json.dumps([places, *inner]))
"""


class CopyNotUsed(RuntimeError):
    """Another tree than the copy would be imported: what is found out with it would be worth nothing."""


class Tree:
    """The copy at `root` and the interpreter `python` for it; `shared` data lies beside it as beside the original."""

    def __init__(self, source: Path, folder: Path) -> None:
        self.root = folder / "tree"
        self._environment = folder / "environment"
        self._changes = 0
        shutil.copytree(source, self.root, ignore=shutil.ignore_patterns(*LEFT_OUT), symlinks=True)
        data = source.parent / "shared"
        if data.exists():
            (folder / "shared").symlink_to(data)
        self._make_environment()

    @property
    def python(self) -> Path:
        return self._environment / "bin" / "python"

    def require_own(self, packages: Collection[str]) -> None:
        """Raises CopyNotUsed unless a process and its child import these top packages from the copy alone."""
        command = [str(self.python), "-c", PROBE, "outer", *packages]
        answer = subprocess.run(command, env={}, cwd="/", check=True, capture_output=True, text=True)
        for places in json.loads(answer.stdout):
            for name, found in places.items():
                if not found or not all(Path(place).is_relative_to(self.root) for place in found):
                    raise CopyNotUsed(f"{name} is imported from {found or 'nowhere'}, not from {self.root}")

    @contextmanager
    def changed(self, mutant: Mutant) -> Iterator[None]:
        """The copy with the mutant in it.

        A compiled module is taken for that of its source by the size and the second of it: each mutant has a second of
        its own, or one would run in place of the next.
        """
        path = self.root / mutant.file
        before, known = path.read_bytes(), path.stat()
        path.write_text(mutant.applied(before.decode()), encoding="utf-8")
        self._changes += 1
        os.utime(path, ns=(known.st_atime_ns, known.st_mtime_ns + self._changes * 1_000_000_000))
        try:
            yield
        finally:
            path.write_bytes(before)
            os.utime(path, ns=(known.st_atime_ns, known.st_mtime_ns))

    def _make_environment(self) -> None:
        venv.create(self._environment, symlinks=True, with_pip=False)
        own = {"base": str(self._environment), "platbase": str(self._environment)}
        installed = [Path(place) for place in dict.fromkeys(map(sysconfig.get_path, ("purelib", "platlib")))]
        lines = [str(self.root), *map(str, installed)]
        # Of the installed packages' own start-up lines all but those of editable installs.
        for file in (file for folder in installed for file in sorted(folder.glob("*.pth"))):
            lines += [line for line in file.read_text().splitlines() if line.startswith("import ")]
        lines = [line for line in lines if "__editable__" not in line]
        (Path(sysconfig.get_path("purelib", vars=own)) / "copy.pth").write_text("\n".join(lines) + "\n")
        self._borrow_scripts(Path(sysconfig.get_path("scripts")), Path(sysconfig.get_path("scripts", vars=own)))

    @staticmethod
    def _borrow_scripts(theirs: Path, ours: Path) -> None:
        """Commands of installed packages: as they are, but for the interpreter that they name."""
        for script in theirs.iterdir():
            target = ours / script.name
            if target.exists() or not script.is_file():
                continue
            content = script.read_bytes() if script.stat().st_size < SCRIPT_BYTES else b""
            if content.startswith(b"#!") and bytes(theirs) in content:
                target.write_bytes(content.replace(bytes(theirs), bytes(ours)))
                target.chmod(0o755)
            else:
                target.symlink_to(script)
