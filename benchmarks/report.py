"""The figures of the last whole run on docs/performance.md: `python -m benchmarks.report RESULTS.json`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.figures import short
from benchmarks.processes import ROOT

PAGE = ROOT / "docs" / "performance.md"
PICTURES = ROOT / "docs" / "images"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
COLOURS = ("#2563a8", "#c2410c", "#15803d", "#7e22ce", "#a16207", "#0e7490")
REACHED, MISSED = "#15803d", "#c2410c"


def write(measured: dict[str, Any]) -> None:
    """The page's measured part, and its pictures."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n\n{text(measured)}\n{END}{rest.partition(END)[2]}")
    draw_goals(measured, PICTURES / "performance-goals.svg")
    draw_exchange(measured, PICTURES / "performance-exchange.svg")


def text(measured: dict[str, Any]) -> str:
    """What stands between the markers."""
    machine, details = measured["machine"], measured["details"]
    parts = [
        f"The run of {machine['time']}: {machine['cores']} cores ({machine['processor']}), Python {machine['python']}; "
        f"load before it {machine['load_before'][0]:.1f}; {measured['seconds'] // 60} minutes.",
        "\n".join(_goals(measured["goals"])),
        "![Each goal's figure as a part of its bound](images/performance-goals.svg)",
        "**CPU of one exchange** (submit, wait, result, overlay), ms by process; 16 clients:",
        "\n".join(_exchange(details["exchange"])),
        "![CPU of one exchange by process](images/performance-exchange.svg)",
        "**Over HTTP**, exchanges a second (median of the rounds; p50 of the last):",
        "\n".join(_http(details["http"])),
        "**What feeds a device**: CPU a job, ms, where the device itself takes no time; and how many images a second "
        "one core feeds so:",
        "\n".join(_feeding(details["device"])),
        "**Decoding**, ms to 512 px, and at full size:",
        "\n".join(_decode(details["decode"])),
    ]
    return "\n\n".join(parts) + "\n"


def _goals(goals: list[dict[str, Any]]) -> Iterator[str]:
    yield "| figure | median | least to greatest | rounds | goal |"
    yield "|---|---|---|---|---|"
    for goal in goals:
        value, bound = f"{short(goal['value']):g}", f"{'≥' if goal['sign'] == '>=' else '≤'} {goal['bound']:g}"
        value = value if goal["met"] else f"**{value}, missed**"
        spread = f"{short(goal['least']):g} to {short(goal['greatest']):g}"
        yield f"| {goal['text']} | {value} | {spread} | {goal['rounds']} | {bound} |"


def _exchange(found: dict[str, Any]) -> Iterator[str]:
    names = list(next(iter(found.values()))["now"]["cpu_ms"])
    yield f"| | {' | '.join(names)} | sum |"
    yield f"|---|{'---|' * (len(names) + 1)}"
    for kind, trees in found.items():
        for tree, one in trees.items():
            parts = " | ".join(f"{one['cpu_ms'][name]['value']:g}" for name in names)
            yield f"| {kind}, {tree} | {parts} | {one['sum_ms']['value']:g} |"


def _http(found: dict[str, Any]) -> Iterator[str]:
    yield "| input, clients | platform | stateless | naive | platform ÷ stateless |"
    yield "|---|---|---|---|---|"
    for name, one in found.items():
        cells = [_rates(one.get(server, [])) for server in ("platform", "stateless", "naive")]
        yield f"| {name.replace('_', ' ')} | {' | '.join(cells)} | {one['to_stateless']['value']:g} |"


def _rates(runs: list[dict[str, Any]]) -> str:
    if not runs:
        return "–"
    rates = sorted(run["per_second"] for run in runs)
    return f"{short(rates[len(rates) // 2]):g} ({runs[-1]['p50_s']:g} s)"


def _feeding(found: dict[str, Any]) -> Iterator[str]:
    names = list(next(iter(found.values()))["cpu_ms"])
    yield f"| input | {' | '.join(names)} | sum | images/s a core, worker and decoder |"
    yield f"|---|{'---|' * (len(names) + 2)}"
    for kind, one in found.items():
        spent = {name: one["cpu_ms"][name]["value"] for name in names}
        cells = " | ".join(f"{spent[name]:g}" for name in names)
        node = spent["worker"] + spent["decoder"]
        yield f"| {kind} | {cells} | {short(sum(spent.values())):g} | {1000 / node:.0f} |"


def _decode(found: dict[str, Any]) -> Iterator[str]:
    yield "| file | reduced | full |"
    yield "|---|---|---|"
    for name, one in found.items():
        cells = (one["error"], "") if "error" in one else (f"{one['reduced_ms']:g}", f"{one['full_ms']:g}")
        yield f"| {name} | {cells[0]} | {cells[1]} |"


def draw_goals(measured: dict[str, Any], path: Path) -> None:
    """How near each figure came to its bound: 1 is the goal, more is better; a dot for each round."""
    from matplotlib.figure import Figure as Picture  # noqa: PLC0415 - of the development's environment

    goals = [goal for goal in measured["goals"] if goal["bound"]]
    picture = Picture(figsize=(9, 0.34 * len(goals) + 1), layout="constrained")
    axes = picture.subplots()
    for row, goal in enumerate(reversed(goals)):
        rounds = measured["figures"][goal["name"]]["rounds"]
        parts = [one / goal["bound"] if goal["sign"] == ">=" else goal["bound"] / one for one in rounds if one]
        value = goal["value"] / goal["bound"] if goal["sign"] == ">=" else goal["bound"] / max(goal["value"], 1e-9)
        axes.barh(row, min(value, 3), color=REACHED if goal["met"] else MISSED, alpha=0.35)
        axes.plot([min(part, 3) for part in parts], [row] * len(parts), ".", color="#111827", markersize=4)
    axes.axvline(1, color="#111827", linewidth=1)
    axes.set_yticks(range(len(goals)), [goal["name"] for goal in reversed(goals)], fontsize=8)
    axes.set_xlim(0, 3.05)
    axes.set_xlabel("part of the goal reached (right of the line: reached; cut off at 3)")
    picture.savefig(path, metadata={"Date": None})


def draw_exchange(measured: dict[str, Any], path: Path) -> None:
    """A stacked bar for each input and tree."""
    from matplotlib.figure import Figure as Picture  # noqa: PLC0415 - as above

    found = measured["details"]["exchange"]
    bars = [(f"{kind}, {tree}", one) for kind, trees in found.items() for tree, one in reversed(trees.items())]
    picture = Picture(figsize=(9, 0.5 * len(bars) + 1.2), layout="constrained")
    axes = picture.subplots()
    for row, (_, one) in enumerate(reversed(bars)):
        left = 0.0
        for colour, (name, part) in zip(COLOURS, one["cpu_ms"].items(), strict=True):
            axes.barh(row, part["value"], left=left, color=colour, label=name if row == 0 else None)
            left += part["value"]
        low, high = one["sum_ms"]["least"], one["sum_ms"]["greatest"]
        axes.plot([low, high], [row, row], color="#111827", linewidth=2)
    axes.set_yticks(range(len(bars)), [name for name, _ in reversed(bars)])
    axes.set_xlabel("ms of CPU; the line spans the sums of the rounds")
    axes.legend(ncols=len(COLOURS), loc="lower center", bbox_to_anchor=(0.45, 1.0), frameon=False, fontsize=8)
    picture.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    write(json.loads(Path(sys.argv[1]).read_text()))
