"""What was measured, as sections of a model card: an evaluation's report, and the figures of trust."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from trainer.evaluation.titles import (
    CHOICE_FIGURES,
    FEW,
    FIGURES,
    MAIN,
    MULTI_LABEL,
    OF_STUDIES,
    PARTS,
    SHORT,
    SMALL,
)
from trainer.shipping.markdown import bullets, measured, section, table

# Keys of the manifest's metrics that are no split's report, and their titles.
TRUST = {
    "localisation": "Localisation: heatmaps against the boxes of radiologists",
    "sanity": "Input sanity: images that are none of ours",
    "stability": "Stability: agreement under small shifts",
    "variations": "Variations: one picture otherwise encoded, windowed, scaled, moved and turned",
    "hardware": "Hardware and markers",
}
# A confusion matrix of more labels is a list of the most confused pairs.
MATRIX_LABELS = 7


def measured_on(split: str, report: Mapping[str, Any]) -> str:
    """A split's report."""
    parts = [f"{report['n']} images, engine {report['engine']}; in brackets 95 % intervals by bootstrap."]
    if count := report["unreadable"]["count"]:
        parts.append(f"{count} files could not be read and are not counted.")
    findings = report["findings"]
    if (several := report.get("multi_label")) is not None:
        parts.append(section(f"Over {len(several['labels'])} findings", _figures(several, MULTI_LABEL), level=3))
    if len(findings) > FEW:
        rows = [
            (label, str(part["n"]), str(part["positives"]), *(measured(part, name) for name, _ in MAIN))
            for label, part in findings.items()
        ]
        parts.append(table(("finding", "images", "positive", *(title for _, title in MAIN)), rows))
    for label, figures in findings.items():
        parts += _finding(label, figures, split=split, whole=len(findings) <= FEW)
    for name, figures in report["regions"].items():
        parts += _choice(name, figures, split=split)
    return section(f"Measured on `{split}`", "\n\n".join(parts))


def trust(metrics: Mapping[str, Any]) -> list[str]:
    """A section for each measure of trust that the manifest's metrics hold."""
    return [section(title, _nested(metrics[key])) for key, title in TRUST.items() if metrics.get(key)]


def _finding(label: str, figures: Mapping[str, Any], *, split: str, whole: bool) -> Iterator[str]:
    if whole:
        yield f"### {label}, `{split}`: {figures['positives']} of {figures['n']} images positive"
        yield _figures(figures, FIGURES)
        matrix = figures["confusion_matrix"]
        at = "At the specialists' thresholds" if figures["threshold"] is None else f"At {figures['threshold']:.4f}"
        yield (
            f"{at}: {matrix['tp']} true positive, {matrix['fp']} false positive, {matrix['tn']} true negative, "
            f"{matrix['fn']} false negative. The bootstrap draws whole {figures['bootstrap']['unit']}s."
        )
    yield from (f"{label}: {note}." for note in figures["notes"])
    if three_way := figures.get("three_way"):
        yield _three_way(label, three_way)
    for key, title, column in PARTS:
        yield from _parts(f"{label} {title}", figures.get(key, {}), column=column)
    if studies := figures.get("by_study"):
        rows = [
            (f"{way} of its images", *(measured(studies[way], n) for n, _ in OF_STUDIES)) for way in ("mean", "max")
        ]
        header = ("probability of a study", *(title for _, title in OF_STUDIES))
        yield f"{label} of whole studies: {studies['n']} studies, {studies['positives']} positive."
        yield table(header, rows)
        yield from _served(studies)


def _served(studies: Mapping[str, Any]) -> Iterator[str]:
    """Which way is the Bundle's, and what its three-way decisions cover; cards of earlier releases do not say."""
    if (rule := studies.get("rule")) is None:
        return
    yield f"The {rule} is what is served."
    if three_way := studies[rule].get("three_way"):
        cells = (measured(three_way, name) for name in ("coverage", "referred", "decided_accuracy"))
        header = ("three-way decision of a study", "coverage", "referred", "accuracy of the decided")
        yield table(header, [(f"{rule} of its images", *cells)])
        yield "The coverage that is stated above is of images, not of studies."


def _three_way(label: str, figures: Mapping[str, Any]) -> str:
    stated = figures["stated_coverage"]
    promise = "" if stated is None else f" (stated: at least {stated:.2f})"
    rows = [
        (title, *(measured(figures, f"{name}{suffix}") for name in ("coverage", "referred", "decided_accuracy")))
        for title, suffix in (("all", ""), ("positives", "_of_positives"), ("negatives", "_of_negatives"))
    ]
    head = table(("truth", "coverage", "referred", "accuracy of the decided"), rows)
    return f"{label}, three-way decision; coverage is what is referred or decided rightly{promise}:\n\n{head}"


def _parts(title: str, parts: Mapping[str, Any], *, column: str) -> Iterator[str]:
    rows = {name: row for name, row in parts.items() if isinstance(row, Mapping)}
    if not rows:
        return
    few = f" (rows of fewer than {SMALL} images say little)" if any(row["n"] < SMALL for row in rows.values()) else ""
    cells = [
        (name, str(row["n"]), str(row["positives"]), *(measured(row, key) for key, _ in SHORT))
        for name, row in rows.items()
    ]
    yield f"{title}{few}:"
    yield table((column, "images", "positive", *(short for _, short in SHORT)), cells)
    if parts.get("auc_all_minus_without") is not None:
        yield f"ROC AUC of all images minus that without hardware: {measured(parts, 'auc_all_minus_without')}."


def _choice(name: str, figures: Mapping[str, Any], *, split: str) -> Iterator[str]:
    yield f"### {name}, `{split}`: accuracy {measured(figures, 'accuracy')}"
    yield from (f"{note}." for note in figures["notes"])
    if not figures["n"]:
        return
    yield _figures(figures, [(key, title) for key, title in CHOICE_FIGURES if key in figures])
    yield table(
        ("label", "images", "precision", "recall", "F1"),
        [
            (label, str(row["support"]), *(measured(row, key) for key in ("precision", "recall", "f1")))
            for label, row in figures["per_class"].items()
        ],
    )
    if len(figures["labels"]) <= MATRIX_LABELS:
        rows = zip(figures["labels"], figures["confusion_matrix"], strict=True)
        yield "Rows are the truth, columns what was predicted."
        yield table(("", *figures["labels"]), [(f"**{label}**", *map(str, row)) for label, row in rows])
    elif figures["most_confused"]:
        pairs = figures["most_confused"]
        yield f"Most confused of {len(figures['labels'])}:"
        yield bullets(f"{pair['truth']} taken for {pair['predicted']}: {pair['count']}" for pair in pairs)


def _figures(figures: Mapping[str, Any], names: Sequence[tuple[str, str]]) -> str:
    return table(("figure", "value"), [(title, measured(figures, name)) for name, title in names])


def _nested(figures: Mapping[str, Any]) -> str:
    """Any figures, and those of parts below them: a row for each number, with its interval; words as lines."""
    rows = list(_rows(figures, ()))
    words = [f"{_named((*path, key))}: {value}" for path, key, value in _words(figures, ())]
    return "\n\n".join([bullets(words)] * bool(words) + [table(("figure", "value"), rows)] * bool(rows))


def _rows(figures: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for key, value in figures.items():
        if isinstance(value, Mapping):
            yield from _rows(value, (*path, key))
        elif isinstance(value, int) and not isinstance(value, bool):
            yield _named((*path, key)), str(value)
        elif isinstance(value, float) or (value is None and f"{key}_ci95" in figures):
            yield _named((*path, key)), measured(figures, key)


def _words(figures: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str, str]]:
    for key, value in figures.items():
        if isinstance(value, Mapping):
            yield from _words(value, (*path, key))
        elif isinstance(value, str):
            yield path, key, value


def _named(path: tuple[str, ...]) -> str:
    return " · ".join(key.replace("_", " ") for key in path)
