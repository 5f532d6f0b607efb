"""A sheet of example twins: each pair side by side, with what makes them the same. PNG."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from core.errors import LucencyError
from imaging.decode import decode
from trainer.audit.audit import Audit
from trainer.audit.document import name_of
from trainer.audit.twins import TwinKind

PAIRS_A_ROW, EXAMPLES, SIDE = 3, 6, 256


def write_sheet(found: Audit, file: Path) -> int:
    """Up to EXAMPLES pairs of each kind, contradicting ones first; how many there are. No file where there are none."""
    pairs = _examples(found)
    if not pairs:
        return 0
    rows = -(-len(pairs) // PAIRS_A_ROW)
    figure = Figure(figsize=(PAIRS_A_ROW * 4.2, rows * 2.5), dpi=90, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, 2 * PAIRS_A_ROW, squeeze=False)
    for axes in grid.ravel():
        axes.axis("off")
    for place, (title, first, second) in enumerate(pairs):
        row, column = divmod(place, PAIRS_A_ROW)
        _draw(grid[row][2 * column], found, first, title)
        _draw(grid[row][2 * column + 1], found, second, "")
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file)
    return len(pairs)


def _examples(found: Audit) -> list[tuple[str, int, int]]:
    pairs = []
    for conflict in found.conflicts[:EXAMPLES]:
        (one, first), (other, second), *_ = conflict.values.items()
        pairs.append((f"{conflict.label}: {one} and {other}", first[0], second[0]))
    for kind in TwinKind:
        of_kind = [relation for relation in found.relations if relation.kind is kind]
        of_kind.sort(key=lambda relation: relation.score)  # the doubtful ones are worth a look
        for relation in of_kind[:EXAMPLES]:
            told = kind.replace("_", " ") + (f", r = {relation.score:.2f}" if relation.score < 1 else "")
            turned = f", {relation.angle:.0f}°" if kind in {TwinKind.ROTATED, TwinKind.TURNED} else ""
            pairs.append((told + turned, relation.first, relation.second))
    return pairs


def _draw(axes: Axes, found: Audit, position: int, title: str) -> None:
    record = found.records[position]
    try:
        pixels = decode(record.file.read_bytes(), longest_side=SIDE).pixels
    except (LucencyError, OSError):
        pixels = np.zeros((SIDE, SIDE), np.uint8)
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=255)
    name = name_of(found, position)
    axes.set_title(title, fontsize=8, loc="left", color="#b91c1c")
    axes.text(0, 1.02, "" if title else " ", transform=axes.transAxes)
    axes.text(
        0.0, -0.02, f"{record.split or 'no split'} · …{name[-26:]}", transform=axes.transAxes, fontsize=6, va="top"
    )
