"""The documents' own text, as tests read it: every page, and what stands in it as code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")


def pages() -> list[Path]:
    """All documents that people are meant to follow; not the changelog and the decisions, which say what was."""
    return [
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
        *sorted((ROOT / "docs").glob("*.md")),
    ]


def commands(page: Path) -> Iterator[str]:
    """Lines of its shell blocks (continued ones joined), indented blocks, and what stands between backticks."""
    text = page.read_text()
    for block in BLOCK.finditer(text):
        if block[2] in ("sh", "console", ""):
            yield from re.sub(r"\\\n\s*", " ", block[3]).splitlines()
    prose = BLOCK.sub("", text)
    yield from (line.strip() for line in prose.splitlines() if line.startswith("    "))
    yield from SPAN.findall(prose)
