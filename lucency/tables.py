"""How the command shows things: rich tables on stdout, plain where there is no terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console, RenderableType
from rich.table import Table

from lucency.responses import ResultDict

if TYPE_CHECKING:
    from lucency.doctor import Check


# In the order in which they happen; JSON objects have none.
PHASES = ("queued", "wait", "fetch", "decode", "preprocess", "infer", "stability", "explain", "store", "total")


def show(*things: RenderableType) -> None:
    """Print on stdout; rich honours NO_COLOR and leaves out colours where stdout is no terminal."""
    console = Console(soft_wrap=False)
    if not console.is_terminal:
        # Wide enough that a pipe gets whole addresses.
        console = Console(width=140)
    for thing in things:
        console.print(thing, soft_wrap=isinstance(thing, str))


def process_table(found: dict[str, Any]) -> Table:
    """The processes of `stack.status`."""
    table = Table(title=f"{found['phase']} in {found['home']}", title_justify="left")
    for heading in ("process", "pid", "port", "healthy", "uptime", "restarts", "log"):
        table.add_column(heading, overflow="fold")
    for process in found["processes"]:
        table.add_row(
            process["name"],
            str(process["pid"]),
            str(process["port"] or ""),
            "yes" if process["healthy"] else "[red]no[/red]",
            f"{process['uptime']:.0f} s",
            str(process["restarts"]),
            process["log"],
        )
    return table


def check_table(checks: Sequence[Check]) -> Table:
    """The doctor's findings."""
    table = Table(title="lucency doctor", title_justify="left")
    for heading in ("check", "outcome", "what was found", "what to do"):
        table.add_column(heading, overflow="fold")
    colours = {"ok": "green", "failed": "red", "skipped": "yellow"}
    for check in checks:
        outcome = f"[{colours[check.outcome]}]{check.outcome}[/]"
        table.add_row(check.name, outcome, check.found, check.remedy if check.outcome != "ok" else "")
    return table


def result_tables(name: str, result: ResultDict, *, base_url: str) -> list[RenderableType]:
    """Findings, what the input was judged, region or specialist, and timings of one result."""
    findings = Table(title=f"{name}: findings", title_justify="left")
    stable = any(finding.get("stability") is not None for finding in result["findings"])
    headings = ["finding", "probability", "threshold", "decision", "three-way", "regions of interest"]
    for heading in headings + ["stability"] * stable:
        findings.add_column(heading, overflow="fold")
    for finding in result["findings"]:
        regions = ", ".join(
            f"{region['width']:.0f}×{region['height']:.0f} at {region['x']:.0f},{region['y']:.0f}"
            for region in finding["regions_of_interest"] or []
        )
        findings.add_row(
            finding["label"],
            f"{finding['probability']:.3f}",
            f"{finding['threshold']:.3f}",
            finding["decision"],
            _three_way(finding.get("three_way")),
            regions or "–",
            *([_optional(finding.get("stability"))] if stable else []),
        )
    timings = Table(title="timings (ms)", title_justify="left")
    phases = sorted(result["timings_ms"], key=lambda name: PHASES.index(name) if name in PHASES else len(PHASES) - 1.5)
    for phase in phases:
        timings.add_column(phase, justify="right")
    timings.add_row(*(f"{result['timings_ms'][phase]:.1f}" for phase in phases))
    version = result["model_version"]
    # Outside the table, which would break an address into lines.
    links = [
        f"overlay of {finding['label']}: {base_url}{finding['explanation']['overlay']}"
        for finding in result["findings"]
        if finding["explanation"]
    ]
    model = f"model {version['name']} {version['version']} on {result['engine']}"
    return [findings, *_sanity(result), *links, ", ".join([*_where(result), model]), timings]


def _three_way(found: dict[str, Any] | None) -> str:
    if found is None:
        return "–"
    coverage = f" ({found['coverage']:.0%})" if found["coverage"] is not None else ""
    return f"[yellow]refer[/]{coverage}" if found["decision"] == "refer" else f"{found['decision']}{coverage}"


def _optional(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _sanity(result: ResultDict) -> list[str]:
    """A line on what speaks against the image, if anything does."""
    sanity = result.get("sanity")
    if not sanity or sanity["accepted"]:
        return []
    flags = ", ".join(f"{flag['code']} ({flag['score']:.3g} > {flag['limit']:.3g})" for flag in sanity["flags"])
    return [f"input not accepted: {flags}; every finding is referred"]


def _where(result: ResultDict) -> list[str]:
    """The region, and the specialist that judged it."""
    region, routing = result["region"], result.get("routing")
    found = [f"region: {region['label']} ({region['probability']:.3f})"] if region["label"] is not None else []
    if routing:
        unsure = ", too unsure: every finding is referred" if routing["referred"] else ""
        found.append(f"judged by the specialist of {routing['specialist']}{unsure}")
    return found
