"""Pictures of an evaluation, as PNG files. Each takes all Findings, so that one and fourteen are drawn alike."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from trainer.datasets import UNKNOWN
from trainer.evaluation.bootstrap import Bootstrap, Floats, ratio
from trainer.evaluation.questions import Question
from trainer.evaluation.ranking import Ranking, curves
from trainer.evaluation.reliability import BINS, equal_width_bins

DPI = 110
COLUMNS = 4
# With more Findings than this, bands and legends with intervals would hide the curves.
FEW = 3
BAND_RESAMPLES = 200
BLUE, RED, GREY = "#2563a8", "#c2410c", "#6b7280"
CYCLE = ("#2563a8", "#c2410c", "#15803d", "#7e22ce", "#a16207", "#0e7490", "#be185d", "#4d7c0f")
LINES = ("-", "--")

Groups = Sequence[str | None]


class Known:
    """The rows of a Question whose truth is known, with their groups."""

    def __init__(self, question: Question, groups: Groups) -> None:
        rows = np.flatnonzero(question.truth != UNKNOWN)
        self.question = question
        self.label = question.label
        self.truth, self.probability = question.truth[rows], question.probability[rows]
        self.decided = question.decided[rows]
        self.groups = [groups[int(row)] for row in rows]


def roc(known: Sequence[Known], report: dict[str, Any]) -> bytes:
    """The ROC curve of each Finding, its operating point, and for few Findings a 95 % band (by group)."""
    figure, axes = _single("1 − specificity", "sensitivity", "ROC curve")
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=":")
    for index, part in enumerate(known):
        if (found := curves(part.truth, part.probability)) is None:
            continue
        colour, figures = CYCLE[index % len(CYCLE)], report["findings"][part.label]
        if len(known) <= FEW:
            grid, low, high = _band(part)
            axes.fill_between(grid, low, high, color=colour, alpha=0.15, linewidth=0)
        label = f"{part.label}: AUC {_interval(figures, 'auc', brief=len(known) > FEW)}"
        axes.plot(found.fpr, found.tpr, color=colour, linestyle=LINES[index // len(CYCLE) % 2], label=label)
        if figures["sensitivity"] is not None and figures["specificity"] is not None:
            axes.plot(1 - figures["specificity"], figures["sensitivity"], "o", color=colour, markersize=5)
    return _with_legend(figure, axes, "lower right")


def precision_recall(known: Sequence[Known], report: dict[str, Any]) -> bytes:
    """Precision over recall of each Finding; the dotted line is the share of positives, which guessing reaches."""
    figure, axes = _single("recall (sensitivity)", "precision", "Precision-recall curve")
    for index, part in enumerate(known):
        if (found := curves(part.truth, part.probability)) is None:
            continue
        colour, figures = CYCLE[index % len(CYCLE)], report["findings"][part.label]
        label = f"{part.label}: AP {_interval(figures, 'average_precision', brief=len(known) > FEW)}"
        style = LINES[index // len(CYCLE) % 2]
        axes.plot(found.recall, found.precision, color=colour, linestyle=style, label=label, drawstyle="steps-pre")
        if len(known) <= FEW:
            axes.axhline(float(part.truth.mean()), color=colour, linewidth=0.8, linestyle=":")
        if figures["precision"] is not None and figures["sensitivity"] is not None:
            axes.plot(figures["sensitivity"], figures["precision"], "o", color=colour, markersize=5)
    return _with_legend(figure, axes, "lower left")


def reliability(known: Sequence[Known], report: dict[str, Any]) -> bytes:
    """What share of the images with a probability of about p are positive; bars are 95 % intervals, areas counts."""

    def panel(axes: Any, part: Known) -> None:
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=":")
        bins = report["findings"][part.label]["reliability"]
        spans = _bin_intervals(part)
        for index, entry in enumerate(bins):
            if not entry["n"]:
                continue
            if span := spans.get(str(index)):
                axes.plot([entry["probability"]] * 2, span, color=BLUE, linewidth=1)
            size = 12 + 160 * entry["n"] / len(part.truth)
            axes.scatter([entry["probability"]], [entry["share"]], s=size, color=BLUE, alpha=0.8, zorder=3)
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel="probability", ylabel="share that is positive")
        axes.set_title(f"{part.label}: ECE {_interval(report['findings'][part.label], 'ece')}", fontsize=9)

    return _grid(known, panel, title="Reliability (10 bins of equal width)")


def histograms(known: Sequence[Known]) -> bytes:
    """How the probabilities of positives and negatives are spread, with the threshold and the zone that is referred."""

    def panel(axes: Any, part: Known) -> None:
        edges = np.linspace(0, 1, 41)
        axes.hist(part.probability[part.truth == 0], bins=edges, color=BLUE, alpha=0.6, label="negative")
        axes.hist(part.probability[part.truth == 1], bins=edges, color=RED, alpha=0.6, label="positive")
        axes.set_yscale("symlog", linthresh=5)
        thresholds = np.unique(part.question.threshold)
        for threshold in thresholds:
            axes.axvline(float(threshold), color="black", linewidth=1)
        limits = part.question.limits
        if limits is not None and len(np.unique(limits, axis=0)) == 1 and limits[0][1] > limits[0][0]:
            axes.axvspan(*limits[0], color=GREY, alpha=0.2, linewidth=0)
        axes.set(xlim=(0, 1), xlabel="probability", ylabel="images")
        axes.set_title(part.label, fontsize=9)
        axes.legend(fontsize=7, frameon=False)

    return _grid(known, panel, title="Probabilities by truth; line: threshold, grey: referred")


def confusions(known: Sequence[Known], report: dict[str, Any]) -> bytes:
    """The four counts of each Finding at its threshold."""

    def panel(axes: Any, part: Known) -> None:
        counts = report["findings"][part.label]["confusion_matrix"]
        matrix = np.array([[counts["tn"], counts["fp"]], [counts["fn"], counts["tp"]]])
        _matrix(axes, matrix, ("negative", "positive"))
        axes.set_title(part.label, fontsize=9)

    return _grid(known, panel, title="Confusion at the threshold")


def confusion(report: dict[str, Any], name: str) -> bytes:
    """The confusion matrix of labels that exclude each other; the colour is the share of each row."""
    count = len(report["labels"])
    side = max(3.6, 0.55 * count + 1.6)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    _matrix(axes, np.array(report["confusion_matrix"]), report["labels"])
    axes.set_title(f"{name}: accuracy {_interval(report, 'accuracy')}", fontsize=9)
    return _png(figure)


def top_label_reliability(report: dict[str, Any], name: str) -> bytes:
    """How often the most probable label is right, over its probability."""
    figure, axes = _single("probability of the top label", "share that is right", f"{name}: reliability")
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=":")
    for entry in report["reliability"]:
        if entry["n"]:
            size = 12 + 160 * entry["n"] / report["n"]
            axes.scatter([entry["probability"]], [entry["share"]], s=size, color=BLUE, alpha=0.8)
    axes.text(0.03, 0.94, f"ECE {_interval(report, 'ece')}", fontsize=9)
    return _png(figure)


def training(history: Sequence[dict[str, Any]]) -> bytes | None:
    """Losses, and the other figures, over all epochs of all phases; None where the history holds no numbers."""
    skipped = {"phase", "epoch", "seconds", "learning_rate"}
    names = [name for name in dict.fromkeys(key for entry in history for key in entry) if name not in skipped]
    names = [name for name in names if any(_is_number(entry.get(name)) for entry in history)]
    if not names:
        return None
    figure = Figure(figsize=(9.5, 3.8), layout="constrained")
    panels = figure.subplots(1, 2)
    parts = (("loss", [n for n in names if "loss" in n]), ("figure", [n for n in names if "loss" not in n]))
    steps = np.arange(1, len(history) + 1)
    for axes, (title, chosen) in zip(panels, parts, strict=True):
        for index, name in enumerate(chosen):
            values = [entry[name] if _is_number(entry.get(name)) else np.nan for entry in history]
            axes.plot(steps, values, color=CYCLE[index % len(CYCLE)], label=name, linewidth=1.3)
        for position in range(1, len(history)):
            if history[position].get("phase") != history[position - 1].get("phase"):
                axes.axvline(position + 0.5, color=GREY, linewidth=0.8, linestyle=":")
        axes.set(xlabel="epoch, over all phases", ylabel=title)
        _plain(axes)
        if chosen:
            axes.legend(fontsize=7, frameon=False)
    phases = " → ".join(dict.fromkeys(str(entry.get("phase", "")) for entry in history))
    figure.suptitle(f"Training: {phases}", fontsize=9)
    return _png(figure)


def _band(part: Known) -> tuple[Floats, Floats, Floats]:
    """The 2.5 and 97.5 percentiles of the sensitivity at each false positive rate."""
    grid = np.linspace(0, 1, 101)
    ranking = Ranking(part.truth, part.probability)
    drawn: list[Floats] = []
    for weights in Bootstrap(len(part.truth), groups=part.groups, resamples=BAND_RESAMPLES).weights():
        true, false = ranking.counts(weights)
        for hits, alarms in zip(true, false, strict=True):
            if hits[-1] and alarms[-1]:
                drawn.append(np.interp(grid, np.append(0, alarms / alarms[-1]), np.append(0, hits / hits[-1])))
    if not drawn:
        return grid, np.full(101, np.nan), np.full(101, np.nan)
    low, high = np.percentile(np.stack(drawn), [2.5, 97.5], axis=0)
    return grid, low, high


def _bin_intervals(part: Known) -> dict[str, list[float] | None]:
    """The interval of the share that is positive, by the number of the bin."""
    columns = np.eye(BINS)[equal_width_bins(part.probability)]

    def shares(weights: Floats) -> dict[str, Floats]:
        share = ratio(weights @ (columns * part.truth[:, None]), weights @ columns)
        return {str(index): share[:, index] for index in range(BINS)}

    return Bootstrap(len(part.truth), groups=part.groups).intervals(shares)


def _single(across: str, up: str, title: str) -> tuple[Any, Any]:
    figure = Figure(figsize=(4.8, 4.6), layout="constrained")
    axes = figure.subplots()
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel=across, ylabel=up)
    axes.set_title(title, fontsize=9)
    _plain(axes)
    return figure, axes


def _grid(known: Sequence[Known], panel: Callable[[Any, Known], None], *, title: str) -> bytes:
    """One panel each, at most COLUMNS in a row."""
    columns = min(COLUMNS, len(known))
    rows = -(-len(known) // columns)
    width, height = (4.8, 4.6) if len(known) == 1 else (2.9 * columns, 2.9 * rows + 0.3)
    figure = Figure(figsize=(width, height), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, part in zip(panels, known, strict=False):
        panel(axes, part)
        _plain(axes)
    for axes in panels[len(known) :]:
        axes.set_visible(False)
    figure.suptitle(title, fontsize=9)
    return _png(figure)


def _matrix(axes: Any, matrix: np.ndarray[Any, np.dtype[np.int64]], names: Sequence[str]) -> None:
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    places = range(len(names))
    # Many names stand upright; few lie flat and can be read without turning the head.
    axes.set_xticks(places, names, rotation=90 if len(names) > 5 else 0, fontsize=7)
    axes.set_yticks(places, names, fontsize=7)
    axes.set(xlabel="predicted", ylabel="truth")
    for row in places:
        for column in places:
            if matrix[row, column]:
                ink = "white" if share[row, column] > 0.6 else "black"
                axes.text(column, row, str(matrix[row, column]), ha="center", va="center", color=ink, fontsize=7)


def _plain(axes: Any) -> None:
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)


def _with_legend(figure: Any, axes: Any, place: str) -> bytes:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc=place, fontsize=7, frameon=False)
    return _png(figure)


def _interval(figures: dict[str, Any], name: str, *, brief: bool = False) -> str:
    value, span = figures[name], figures[f"{name}_ci95"]
    if value is None:
        return "undefined"
    return f"{value:.3f}" + (f" ({span[0]:.3f}–{span[1]:.3f})" if span and not brief else "")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()
