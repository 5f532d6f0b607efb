"""The list of mutants: changes of one line each, and the tests that must fail with them."""

from __future__ import annotations

import ast
import tomllib
from collections import Counter
from dataclasses import MISSING, dataclass, fields
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

# A file a subject.
LIST = Path(__file__).with_name("list")


class Stale(ValueError):
    """The list says something that is not so, or not so any more."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change. `line` is a whole line of `file` without its indentation, and stands there once; `change` takes its
    place. `tests` are node ids of pytest: all pass without the change, and with it one of them fails at least. `short`:
    one of those that `.ci/run` tries. `subject` is the name of the list's file.
    """

    name: str
    subject: str
    file: str
    line: str
    change: str
    tests: tuple[str, ...]
    why: str
    short: bool = False

    def applied(self, text: str) -> str:
        """`text` of the file with the change made. Raises Stale where the line is not there, or more than once."""
        lines = text.splitlines(keepends=True)
        places = [number for number, line in enumerate(lines) if line.strip() == self.line]
        if len(places) != 1:
            raise Stale(f"the line stands {len(places)} times in {self.file}")
        before = lines[places[0]]
        indentation = before[: len(before) - len(before.lstrip())]
        lines[places[0]] = f"{indentation}{self.change}\n"
        return "".join(lines)

    def matches(self, pattern: str) -> bool:
        """Whether its name, subject or file is, or begins with, the shell `pattern`."""
        return any(fnmatch(text, f"{pattern}*") for text in (self.name, self.subject, self.file))


def load(folder: Path = LIST) -> list[Mutant]:
    """The mutants of the files in `folder`. Raises Stale for one that is not whole, and where two have one name."""
    found = []
    for path in sorted(folder.glob("*.toml")):
        found += [_mutant(row, path.stem) for row in tomllib.loads(path.read_text(encoding="utf-8"))["mutant"]]
    twice = [name for name, count in Counter(mutant.name for mutant in found).items() if count > 1]
    if twice:
        raise Stale(f"{folder.name} has several mutants of one name: {', '.join(twice)}")
    return found


def _mutant(row: dict[str, Any], subject: str) -> Mutant:
    known = {field.name for field in fields(Mutant)} - {"subject"}
    needed = {field.name for field in fields(Mutant) if field.default is MISSING} - {"subject"}
    if not needed <= row.keys() <= known:
        raise Stale(f"{row.get('name', 'a mutant')}: it has {sorted(row)}, and needs {sorted(needed)}")
    if not row["tests"] or not row["why"]:
        raise Stale(f"{row['name']}: it needs a test, and a word why")
    return Mutant(**row | {"tests": tuple(row["tests"]), "subject": subject})


def faults(mutant: Mutant, root: Path) -> list[str]:
    """What keeps the mutant from being tried on the tree at `root`: nothing of it is run for that."""
    return [*_line_faults(mutant, root / mutant.file), *(fault for test in mutant.tests for fault in _test(test, root))]


def _line_faults(mutant: Mutant, path: Path) -> list[str]:
    if not path.is_file():
        return [f"there is no {mutant.file}"]
    if mutant.line != mutant.line.strip() or mutant.change.strip() in ("", mutant.line):
        return ["the line must be given without its indentation, and the change must change it"]
    try:
        text = mutant.applied(path.read_text(encoding="utf-8"))
        if path.suffix == ".py":
            compile(text, mutant.file, "exec")
    except (Stale, SyntaxError) as error:
        return [str(error)]
    return []


def _test(test: str, root: Path) -> list[str]:
    file, _, name = test.partition("::")
    path = root / file
    if not path.is_file():
        return [f"there is no {file}"]
    functions = {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}
    known = not name or name.partition("[")[0] in functions
    return [] if known else [f"there is no test {test}"]
