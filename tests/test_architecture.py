"""docs/architecture.md against the code: the drawing of the imports, the rooms, the list of decisions."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_the_drawing_shows_every_import_between_packages_and_no_other() -> None:
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"]
    graph = grimp.build_graph(*packages, cache_dir=None)
    real = {
        (one, other)
        for one in packages
        for other in packages
        if one != other and graph.direct_import_exists(importer=one, imported=other, as_packages=True)
    }
    drawing = PAGE.split("flowchart TD\n")[1].split("```")[0]
    lines = [line.split(" --> ") for line in drawing.strip().splitlines()]
    drawn = {(importer.strip(), imported.strip()) for importer, all_of in lines for imported in all_of.split("&")}
    assert drawn == real


def test_every_room_of_the_page_exists_and_every_room_is_on_the_page() -> None:
    table = PAGE.split("## Rooms")[1].split("## ")[0]
    named: set[str] = set()
    for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE):
        package = ""
        for name in re.findall(r"`([a-z_/]+)`", row):
            package = name.split("/")[0] if "/" in name.rstrip("/") else package
            named.add(name.rstrip("/") if name.startswith(f"{package}/") else f"{package}/{name.rstrip('/')}")
    missing = {room for room in named if not (ROOT / room).is_dir()}
    rooms = {
        path.parent.relative_to(ROOT).as_posix()
        for package in ("api", "worker", "trainer", "lucency")
        for path in (ROOT / package).glob("*/__init__.py")
    }
    assert (missing, rooms - named) == (set(), set())


def test_every_decision_is_listed() -> None:
    written = {path.name for path in (ROOT / "docs" / "decisions").glob("*.md")}
    assert set(re.findall(r"\(decisions/([^)]+)\)", PAGE.split("## Decisions")[1])) == written
