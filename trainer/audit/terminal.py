"""An audit for people at a terminal (rich)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

# So many examples of each finding are shown; the JSON report has all.
SHOWN = 5


def show(report: Mapping[str, Any], console: Console) -> None:
    """Print `report` (what `document` gives)."""
    console.print(Group(*_parts(report)))


def _parts(report: Mapping[str, Any]) -> Iterator[RenderableType]:
    yield _counts(report["counts"], report["label"])
    if report["majority"]:
        most = report["majority"]
        yield f"Always saying {report['label']} = {most['value']} scores {most['share']:.1%}."
    yield _pairs("Duplicates", {name.replace("_", " "): f"{value:,}" for name, value in report["duplicates"].items()})
    yield from _leaks(report)
    yield from _listed(
        "Twins with different labels",
        [
            f"{c['label']}: " + " against ".join(f"{v} ({', '.join(f[:3])})" for v, f in c["values"].items())
            for c in report["conflicts"]
        ],
    )
    yield from _listed("Unreadable files", [f"{one['path']}: {one['code']}" for one in report["unreadable"]])
    yield from _listed("Shortcut suspects", [one["reason"] for one in report["shortcuts"] if one["flagged"]], all_=True)
    proposal = report["proposal"]
    table = Table(
        title=f"Proposed split: {proposal['files']:,} files, {proposal['groups']:,} groups", title_justify="left"
    )
    for name in ("split", "files", "of them"):
        table.add_column(name)
    for split, held in proposal["by_split"].items():
        table.add_row(split, f"{sum(held.values()):,}", ", ".join(f"{name}: {n:,}" for name, n in sorted(held.items())))
    yield table
    left_out = ", ".join(f"{n:,} {reason.replace('_', ' ')}" for reason, n in proposal["left_out"].items())
    yield f"Left out: {left_out or 'nothing'}. In another split than published: {proposal['moved']:,}."


def _counts(counts: Mapping[str, Any], label: str | None) -> Table:
    table = Table(title="Files", title_justify="left")
    for name in ("data set", "split", "files", label or "label", "region"):
        table.add_column(name)
    for source, splits in counts.items():
        for split, part in splits.items():
            held = (
                ", ".join(f"{value}: {n:,}" for value, n in sorted(part.get(column, {}).items()))
                for column in (label or "", "region")
            )
            table.add_row(source, split, f"{part['files']:,}", *held)
    return table


def _leaks(report: Mapping[str, Any]) -> Iterator[RenderableType]:
    reasons = report["summary"]["reasons"]
    if not reasons:
        yield Text("No leak: nothing stands in more than one split.", style="bold green")
        return
    yield Text("The split leaks:", style="bold red")
    for reason in reasons:
        yield Text(f"  {reason}", style="red")
    seen: dict[str, int] = {}
    for leak in report["leaks"]:
        seen[leak["kind"]] = seen.get(leak["kind"], 0) + 1
        if seen[leak["kind"]] <= SHOWN:
            yield f"  {leak['kind']}, in {' and '.join(leak['splits'])}: {', '.join(leak['files'][:3])}" + (
                f" and {len(leak['files']) - 3} more" if len(leak["files"]) > 3 else ""
            )


def _listed(title: str, lines: list[str], *, all_: bool = False) -> Iterator[RenderableType]:
    if not lines:
        return
    yield Text(f"{title}: {len(lines)}", style="bold")
    shown = lines if all_ else lines[:SHOWN]
    yield from (Text(f"  {line}") for line in shown)
    if len(shown) < len(lines):
        yield f"  … and {len(lines) - len(shown)} more"


def _pairs(title: str, rows: Mapping[str, str]) -> Table:
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for row in rows.items():
        table.add_row(*row)
    return table
