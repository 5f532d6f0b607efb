"""The few Markdown parts that a model card is built from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def section(title: str, body: str, *, level: int = 2) -> str:
    """A heading and what stands below it."""
    return f"{'#' * level} {title}\n\n{body}"


def bullets(lines: Iterable[str]) -> str:
    """A list."""
    return "\n".join(f"- {line.strip()}" for line in lines)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a bar in a cell would end it and is escaped."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines)


def measured(figures: Mapping[str, Any], name: str) -> str:
    """A figure with its interval in brackets; "undefined" where there is none."""
    value, interval = figures.get(name), figures.get(f"{name}_ci95")
    if value is None:
        return "undefined"
    return f"{value:.3f}" + (f" ({interval[0]:.3f}–{interval[1]:.3f})" if interval else "")
