"""A data set in pictures: what is in it, how large, how bright, and what the average image of each class looks like."""

from __future__ import annotations

import base64
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from core.errors import DataInvalid, LucencyError
from imaging.decode import decode
from trainer.audit.cache import FingerprintCache, Progress
from trainer.audit.fingerprints import Fingerprint
from trainer.audit.leaks import labels_of
from trainer.datasets import DataSet, Record
from trainer.evaluation.html import document, table

EXAMPLES, MOST_CLASSES, SIDE, BINS = 6, 14, 224, 64
INK, SOFT, COLOURS = "#1f2933", "#5b6672", ("#2563eb", "#d97706", "#059669", "#7c3aed", "#b91c1c", "#0891b2")
Prints = Sequence[Fingerprint]


def write_pages(data_set: DataSet, out: Path, *, cache: Path, progress: Progress | None = None) -> Path:
    """Write the charts as PNG and `index.html` with all of them into `out`; the page's path.

    Raises DataInvalid where not one image can be read.
    """
    records = data_set.records
    with FingerprintCache.open(cache) as kept:
        prints = kept.fingerprints([record.file for record in records], progress=progress)
    if not any(print_.readable for print_ in prints):
        raise DataInvalid(f"{data_set.name}: not one image can be read")
    label = next(iter(labels_of(records)), None)
    classes = _classes(records, label)
    charts: dict[str, tuple[str, Callable[[], Figure]]] = {
        "counts": ("Images by label, region and split", lambda: _counts(records, label, classes)),
        "sizes": ("Image sizes", lambda: _sizes(records, prints, label, classes)),
        "grey_levels": ("Grey levels", lambda: _grey_levels(records, prints, label, classes)),
        "examples": ("Examples", lambda: _examples(records, prints, label, classes)),
        "averages": ("The average image of each class", lambda: _averages(records, prints, label, classes)),
    }
    out.mkdir(parents=True, exist_ok=True)
    body = [
        f"<h1>{escape(data_set.name)}</h1>",
        f'<p class="soft">{len(records):,} images, {escape(data_set.layout)}</p>',
    ]
    body += [f'<p class="notice">{escape(note)}</p>' for note in data_set.notes]
    unreadable = Counter(print_.code for print_ in prints if print_.code)
    body += [f'<p class="alarm">{n:,} unreadable: {escape(str(code))}</p>' for code, n in unreadable.most_common()]
    body.append(_table(records, label, classes))
    for name, (title, draw) in charts.items():
        file = out / f"{name}.png"
        draw().savefig(file)
        encoded = base64.b64encode(file.read_bytes()).decode("ascii")
        body.append(f'<h2>{escape(title)}</h2><img style="max-width:100%" alt="{escape(title)}" ')
        body[-1] += f'src="data:image/png;base64,{encoded}">'
    page = out / "index.html"
    page.write_text(document(f"{data_set.name}: the data", body), encoding="utf-8")
    return page


def _classes(records: Sequence[Record], label: str | None) -> list[str]:
    """The values of the label, the most frequent MOST_CLASSES; one empty one where there is no label."""
    counts = Counter(_value(record, label) for record in records)
    return sorted(value for value, _ in counts.most_common(MOST_CLASSES) if value or len(counts) == 1)


def _value(record: Record, column: str | None) -> str:
    return record.columns.get(column, "").strip().lower() if column else ""


def _title(label: str | None, value: str) -> str:
    return f"{label} = {value}" if label else "all images"


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _plain(axes: Axes, *, x: str = "", y: str = "", title: str = "") -> None:
    axes.set_title(title, fontsize=10, loc="left", color=INK)
    axes.set_xlabel(x, color=SOFT)
    axes.set_ylabel(y, color=SOFT)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8, colors=SOFT)


def _counts(records: Sequence[Record], label: str | None, classes: Sequence[str]) -> Figure:
    """A panel a split, a bar a region (or one), stacked by class."""
    splits = sorted({record.split or "no split" for record in records}, key=lambda s: (s != "train", s != "val", s))
    regions = sorted({_value(record, "region") or "all" for record in records})
    tallies = Counter(
        (record.split or "no split", _value(record, "region") or "all", _value(record, label)) for record in records
    )
    figure = _figure(3.6 * len(splits) + 1, 3.4)
    for axes, split in zip(figure.subplots(1, len(splits), squeeze=False)[0], splits, strict=True):
        bottom = np.zeros(len(regions))
        for place, value in enumerate(classes):
            heights = np.array([tallies[split, region, value] for region in regions], float)
            axes.bar(regions, heights, bottom=bottom, color=COLOURS[place % len(COLOURS)], label=_title(label, value))
            bottom += heights
        for place, total in enumerate(bottom):
            axes.text(place, total, f"{int(total):,}", ha="center", va="bottom", fontsize=7, color=SOFT)
        _plain(axes, title=split)
        axes.tick_params(axis="x", rotation=30 if len(regions) > 4 else 0)
    figure.axes[0].legend(fontsize=7, frameon=False)
    return figure


def _sizes(records: Sequence[Record], prints: Prints, label: str | None, classes: Sequence[str]) -> Figure:
    figure = _figure(6.4, 4.6)
    axes = figure.subplots()
    for place, value in enumerate(classes):
        sizes = np.array(
            [
                (print_.facts.columns, print_.facts.rows)
                for record, print_ in zip(records, prints, strict=True)
                if print_.facts is not None and _value(record, label) == value
            ]
        ).reshape(-1, 2)
        jitter = np.random.default_rng(place).uniform(-0.5, 0.5, sizes.shape)  # many images share one size
        colour = COLOURS[place % len(COLOURS)]
        across, down = (sizes + jitter).T
        axes.scatter(across, down, s=6, alpha=0.35, color=colour, linewidths=0, label=_title(label, value))
    _plain(axes, x="columns (pixels)", y="rows (pixels)")
    axes.legend(fontsize=8, frameon=False, markerscale=2)
    return figure


def _grey_levels(records: Sequence[Record], prints: Prints, label: str | None, classes: Sequence[str]) -> Figure:
    """Of thumbnails: the mean share of each grey level, a line a class; a log scale, for the black ground outweighs."""
    figure = _figure(6.4, 3.4)
    axes = figure.subplots()
    edges = np.linspace(0, 256, BINS + 1)
    for place, value in enumerate(classes):
        thumbs = _thumbs(records, prints, label, value)
        if len(thumbs):
            shares = np.histogram(thumbs, bins=edges)[0] / thumbs.size
            axes.plot(
                edges[:-1], shares, color=COLOURS[place % len(COLOURS)], label=_title(label, value), linewidth=1.4
            )
    axes.set_yscale("log")
    _plain(axes, x="grey level", y="share of the pixels")
    axes.legend(fontsize=8, frameon=False)
    return figure


def _examples(records: Sequence[Record], prints: Prints, label: str | None, classes: Sequence[str]) -> Figure:
    """EXAMPLES images a class, spread evenly over the data set."""
    figure = _figure(1.7 * EXAMPLES, 1.9 * max(1, len(classes)))
    grid = figure.subplots(max(1, len(classes)), EXAMPLES, squeeze=False)
    for row, value in zip(grid, classes, strict=False):
        chosen = [
            record
            for record, print_ in zip(records, prints, strict=True)
            if print_.readable and _value(record, label) == value
        ]
        spread = np.unique(np.linspace(0, max(len(chosen) - 1, 0), min(EXAMPLES, len(chosen))).astype(int))
        for axes in row:
            axes.axis("off")
        for axes, place in zip(row, spread, strict=False):
            axes.imshow(_pixels(chosen[place]), cmap="gray", vmin=0, vmax=255)
            region = _value(chosen[place], "region")
            told = f"{_title(label, value)}: {region}" if axes is row[0] else region
            axes.set_title(told, fontsize=7, loc="left", color=SOFT)
    return figure


def _averages(records: Sequence[Record], prints: Prints, label: str | None, classes: Sequence[str]) -> Figure:
    """Mean of the thumbnails of each class, and where the first two classes differ (red: the second is brighter)."""
    means = {
        value: thumbs.mean(axis=0, dtype=np.float64)
        for value in classes
        if len(thumbs := _thumbs(records, prints, label, value))
    }
    differ = len(means) == 2
    count = len(means) + differ
    columns = min(count, 5)
    rows = -(-count // columns)
    figure = _figure(2.3 * columns, 2.5 * rows)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.axis("off")
    for axes, (value, mean) in zip(grid, means.items(), strict=False):
        axes.imshow(mean, cmap="gray")
        axes.set_title(_title(label, value), fontsize=8, color=INK)
    if differ:
        first, second = means.values()
        most = float(np.abs(second - first).max()) or 1.0
        shown = grid[len(means)].imshow(second - first, cmap="RdBu_r", vmin=-most, vmax=most)
        grid[len(means)].set_title("second − first", fontsize=8, color=INK)
        figure.colorbar(shown, ax=grid[len(means)], shrink=0.7).ax.tick_params(labelsize=7)
    return figure


def _thumbs(records: Sequence[Record], prints: Prints, label: str | None, value: str) -> NDArray[np.uint8]:
    thumbs = [
        print_.thumb
        for record, print_ in zip(records, prints, strict=True)
        if print_.thumb is not None and _value(record, label) == value
    ]
    return np.stack(thumbs) if thumbs else np.empty((0, 1, 1), np.uint8)


def _pixels(record: Record) -> NDArray[np.uint8]:
    try:
        return decode(record.file.read_bytes(), longest_side=SIDE).pixels
    except (LucencyError, OSError) as error:
        raise DataInvalid(f"{record.name} was changed while it was read") from error


def _table(records: Sequence[Record], label: str | None, classes: Sequence[str]) -> str:
    tallies: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for record in records:
        tallies[record.split or "no split"][_value(record, label)] += 1
    rows = [
        (escape(split), f"{counts.total():,}", *(f"{counts[value]:,}" for value in classes))
        for split, counts in sorted(tallies.items())
    ]
    return table(("split", "images", *(_title(label, value) for value in classes)), rows)
