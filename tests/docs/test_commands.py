"""Commands and addresses in the documents are those of the program: renamed ones are found here, not by a reader."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.main

from lucency.commands import app
from tests.docs.pages import ROOT, commands, pages

CALL = re.compile(r"(?:^|[\s|(`])(?:\.venv/bin/)?lucency((?: +[^|;&`#\n)]+)+)")
OPTION = re.compile(r"(?<=\s)-{1,2}[a-z][a-z-]*")
ADDRESS = re.compile(r"(?:\b(GET|POST|PUT|PATCH|DELETE) )?(?:\$\w+)?(/v1/[\w./{}$<>-]*|/(?:healthz|readyz|metrics)\b)")
MAKE = re.compile(r"^(?:\$ )?make ([a-z][a-z-]*)")


def wrong(call: str) -> Iterator[str]:
    """What of `lucency …` the program does not know: a command, or an option of it."""
    words, command = call.split(), typer.main.get_command(app)
    context = command.make_context("lucency", [], resilient_parsing=True)
    while words and hasattr(command, "get_command") and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        if found is None:
            yield words[0]
            return
        command, words = found, words[1:]
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}
    yield from (option for option in OPTION.findall(f" {' '.join(words)}") if option not in known)


@cache
def routes() -> dict[str, list[re.Pattern[str]]]:
    """Addresses of the contract, by method."""
    contract: dict[str, Any] = json.loads((ROOT / "openapi.json").read_text())
    found: dict[str, list[re.Pattern[str]]] = {}
    for path, operations in contract["paths"].items():
        shape = re.compile(re.sub(r"\\\{\w+\\\}", r"[^/]+", re.escape(path)))
        for method in operations:
            found.setdefault(method.upper(), []).append(shape)
    return found


def exists(method: str, path: str) -> bool:
    """Whether the contract has it; of `…/` whether it has what begins so."""
    shapes = routes()[method] if method else [shape for of in routes().values() for shape in of]
    return any(shape.fullmatch(f"{path}x" if path.endswith("/") else path.rstrip(".")) for shape in shapes)


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_a_page_names_commands_options_and_addresses_that_exist(page: Path) -> None:
    lines = list(commands(page))
    calls = [call for line in lines for call in CALL.findall(line)]
    assert not {call.strip(): found for call in calls if (found := list(wrong(call)))}
    addresses = {found for line in lines for found in ADDRESS.findall(line)}
    assert not [found for found in addresses if not exists(*found)]


def test_targets_of_make_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {found[1] for page in pages() for line in commands(page) if (found := MAKE.match(line))}
    assert {"test", "check", "demo"} <= named
    assert named <= targets


def test_wrong_ones_are_noticed() -> None:
    assert list(wrong("models activate mine")) == []
    assert list(wrong("user role ada@example.org --site X --none")) == []
    assert list(wrong("--version")) == []
    assert list(wrong("--versions")) == ["--versions"]
    assert list(wrong("models promote mine")) == ["promote"]
    assert list(wrong("db policy --keep 365")) == ["--keep"]
    assert exists("POST", "/v1/jobs/$JOB/retry")
    assert not exists("PUT", "/v1/jobs/$JOB/retry")
    assert not exists("", "/v1/job")
