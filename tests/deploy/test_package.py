"""The package as somebody gets it: built, installed with all that it asks for, and tried from an empty folder."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.settings import inherited_environment
from core.version import VERSION
from lucency.stack.ports import choose_ports

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
OURS = frozenset(
    {"api", "core", "db", "gateway", "imaging", "lucency", "networks", "reports", "storage", "trainer", "worker"}
)
LOOK = """
import importlib.metadata, importlib.util, json, sys
names, ours = json.loads(sys.argv[1])
held = importlib.metadata.packages_distributions()
found = {name: sorted(set(held.get(name, []))) for name in ours}
loaded = {entry.name: callable(entry.load()) for entry in importlib.metadata.entry_points(group="lucency.commands")}
missing = [name for name in names if importlib.util.find_spec(name) is None]
print(json.dumps({"missing": missing, "owners": found, "commands": loaded}))
"""


@dataclass(frozen=True)
class Built:
    """What `make dist` makes."""

    sdist: Path
    wheel: Path


@dataclass(frozen=True)
class Installed:
    """An environment that holds the wheel and nothing of this checkout."""

    folder: Path

    def run(self, *command: str, cwd: Path, timeout: float = 120.0) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment, as somebody who has never seen the source tree."""
        environment = {name: value for name, value in inherited_environment().items() if not name.startswith("PYTHON")}
        environment |= {"HOME": str(cwd), "COLUMNS": "140", "LUCENCY_LOG_LEVEL": "WARNING"}
        # Another stack of this machine that starts at the same moment would choose the same port.
        environment["LUCENCY_API_PORT"] = str(choose_ports(["api"])["api"])
        program, *arguments = command
        return subprocess.run(
            [str(self.folder / "bin" / program), *arguments],
            cwd=cwd,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )


def uv(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([UV, *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=170)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    assert (ROOT / "ui" / "dist" / "index.html").exists(), "the web application is not built: make ui"
    folder = tmp_path_factory.mktemp("dist")
    made = uv("build", "--offline", "--no-build-isolation", "--python", sys.executable, "--out-dir", folder)
    assert made.returncode == 0, made.stderr
    return Built(folder / f"lucency-{VERSION}.tar.gz", folder / f"lucency-{VERSION}-py3-none-any.whl")


@pytest.fixture(scope="module")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """With the locked versions, out of uv's cache where it has them all."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    made = uv("venv", "--quiet", "--python", sys.executable, folder)
    assert made.returncode == 0, made.stderr
    command = ("pip", "install", "--python", folder, "--constraint", "requirements/dev.txt", f"{built.wheel}[all]")
    if uv(*command, "--offline").returncode != 0:
        done = uv(*command)
        assert done.returncode == 0, done.stderr
    yield Installed(folder)
    # 2.4 GB, where the cache lies on another disk.
    shutil.rmtree(folder)


def sources(*folders: str) -> set[str]:
    """The files below `folders` that git keeps or would; of an unpacked sdist all but what a run leaves behind."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *folders]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return {name for name in done.stdout.splitlines() if (ROOT / name).exists()}
    files = (file for folder in folders for file in (ROOT / folder).rglob("*") if file.is_file())
    return {str(file.relative_to(ROOT)) for file in files if "__pycache__" not in file.parts}


def test_the_wheel_holds_what_runs_and_nothing_else(built: Built) -> None:
    moved = {"bundles/default": "core/shipped/bundle", "migrations": "core/shipped/migrations"}
    names = set(zipfile.ZipFile(built.wheel).namelist())
    expected = sources(*OURS) | {
        file.replace(source, place, 1) for source, place in moved.items() for file in sources(source)
    }
    dist = ROOT / "ui" / "dist"
    pages = {f"core/shipped/web/{file.relative_to(dist)}" for file in dist.rglob("*") if file.is_file()}
    metadata = {name for name in names if name.startswith(f"lucency-{VERSION}.dist-info/")}
    assert "core/shipped/web/index.html" in pages
    assert names - metadata == expected | pages


def test_the_sdist_is_enough_and_each_build_gives_the_same_bytes(built: Built, tmp_path: Path) -> None:
    """The wheel was made of the sdist; one that is made of the tree is the same, to the byte."""
    again = uv("build", "--wheel", "--offline", "--no-build-isolation", "--python", sys.executable, "-o", tmp_path)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / built.wheel.name).read_bytes() == built.wheel.read_bytes()
    with tarfile.open(built.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert "ui/dist/index.html" in names
    assert {name for name in sources(".") if not name.startswith(".")} <= names
    assert not [name for name in names if re.search(r"node_modules|__pycache__|\.venv|\.lucency|ui/src/client", name)]


def asked_for() -> set[str]:
    """The packages of others that our code imports, now or when a function runs."""
    found: set[str] = set()
    for file in (ROOT / name for name in sources(*OURS, "migrations") if name.endswith(".py")):
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0:
                found.add(node.module.partition(".")[0])
    return found - OURS - sys.stdlib_module_names - {"__future__"}


def test_all_that_is_imported_is_installed_and_every_command_loads(installed: Installed, tmp_path: Path) -> None:
    names = asked_for()
    assert {"fastapi", "tensorflow", "pynetdicom"} <= names
    done = installed.run("python", "-c", LOOK, json.dumps([sorted(names), sorted(OURS)]), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["missing"] == []
    # Our packages have plain names: no other distribution may bring one of them.
    assert found["owners"] == {name: ["lucency"] for name in OURS}
    assert len(found["commands"]) > 10
    assert all(found["commands"].values())
    assert installed.run("lucency", "--version", cwd=tmp_path).stdout == f"lucency {VERSION}\n"


def test_the_demo_gives_its_result_in_an_empty_folder(installed: Installed, tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    done = installed.run("lucency", "demo", "--once", cwd=folder, timeout=170)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("fracture") >= 2
    assert "model lucency" in done.stdout
    overlays = [folder / name for name in re.findall(r"overlay saved: (\S+)", done.stdout)]
    assert len(overlays) == 2
    assert all(overlay.read_bytes().startswith(b"\x89PNG") for overlay in overlays)
    assert os.listdir(folder) == [".lucency"]
    # What ran came from the environment, and is gone.
    assert str(ROOT) not in (folder / ".lucency" / "logs" / "api.log").read_text()
    assert json.loads(installed.run("lucency", "status", "--json", cwd=folder).stdout)["phase"] == "stopped"
