"""The model card: what a Bundle was made of, what was measured, and what it must not be used for. Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from core.vocabulary import DISCLAIMER
from trainer.recipe import Recipe

FIGURES = (
    ("auc", "ROC AUC"),
    ("average_precision", "average precision"),
    ("sensitivity", "sensitivity at the threshold"),
    ("specificity", "specificity at the threshold"),
    ("accuracy", "accuracy at the threshold"),
)
REGION_FIGURES = ("auc", "sensitivity", "specificity")
SPLIT_ROLES = {
    "train": "the weights were trained on it",
    "val": "the epoch, the temperatures and the thresholds were chosen on it",
    "test": "only reported, nothing was chosen on it",
}


def model_card(recipe: Recipe, *, fields: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    """The text of MODEL_CARD.md; `fields` are the manifest's, `metrics` {split: evaluation report}."""
    sections = [
        f"# {recipe.name} {recipe.version}",
        f"**{DISCLAIMER}**",
        _intended_use(recipe),
        _network(recipe, fields),
        _data(recipe, fields),
        *(_measured(split, report) for split, report in metrics.items()),
        _operating(fields),
        _section("Limits", _bullets(recipe.limits)),
        _section("Attribution", _bullets(recipe.data.attribution)),
    ]
    return "\n\n".join(sections) + "\n"


def _intended_use(recipe: Recipe) -> str:
    findings = ", ".join(label for head in recipe.heads if head.kind == "sigmoid" for label in head.labels)
    lines = [
        "Intended: research, teaching and software tests on de-identified radiographs of the kind listed under Data: "
        f"how likely each finding ({findings}) is, and a heatmap of what spoke for it.",
        "Not intended: clinical use. It is no medical device and was not validated on patients; do not use it for "
        "diagnosis, triage, or to leave a radiograph unread.",
        "A heatmap shows where the network looked, not where a fracture is; a high probability is not a diagnosis, "
        "and a low one rules nothing out.",
    ]
    return _section("Intended use", _bullets(lines))


def _network(recipe: Recipe, fields: Mapping[str, Any]) -> str:
    training, size = fields["training"], recipe.preprocessing.size
    heads = [f"head {head.name} ({head.kind}): {', '.join(head.labels)}" for head in recipe.heads]
    lines = [
        f"{recipe.backbone}; input {size} × {size}, grey, letterboxed",
        *heads,
        "explanation: Grad-CAM of every label, computed in the same pass as the prediction",
        f"weights of phase “{training['best_phase']}”, epoch {training['best_epoch']}: best on the validation split",
    ]
    return _section("Network", _bullets(lines))


def _data(recipe: Recipe, fields: Mapping[str, Any]) -> str:
    counts = fields["training"]["images"]
    table = _table(
        ("split", "images", "use"), [(name, str(n), SPLIT_ROLES.get(name, "")) for name, n in counts.items()]
    )
    source = (
        f"{recipe.data.name}, licence {recipe.data.licence}; split by `{recipe.data.split}` in the data set's folder"
    )
    return _section("Data", f"{source}.\n\n{table}")


def _measured(split: str, report: Mapping[str, Any]) -> str:
    parts = [f"{report['n']} images, engine {report['engine']}; in brackets 95 % intervals by bootstrap."]
    if count := report["unreadable"]["count"]:
        parts.append(f"{count} files could not be read and are not counted.")
    for label, figures in report["findings"].items():
        parts.append(f"### {label}, `{split}`: {figures['positives']} of {figures['n']} images positive")
        parts.append(_table(("figure", "value"), [(title, _with_interval(figures, name)) for name, title in FIGURES]))
        matrix = figures["confusion_matrix"]
        parts.append(
            f"At the threshold {figures['threshold']:.4f}: {matrix['tp']} true positive, {matrix['fp']} false "
            f"positive, {matrix['tn']} true negative, {matrix['fn']} false negative. The bootstrap draws whole "
            f"{figures['bootstrap']['unit']}s."
        )
        if by_region := figures.get("by_region"):
            parts.append(_by_region(by_region))
        parts += figures["notes"]
    for name, figures in report["regions"].items():
        parts.append(f"### {name}, `{split}`: accuracy {_with_interval(figures, 'accuracy')}")
        rows = [
            (f"**{label}**", *map(str, row))
            for label, row in zip(figures["labels"], figures["confusion_matrix"], strict=True)
        ]
        parts.append("Rows are the truth, columns what was predicted.")
        parts.append(_table(("", *figures["labels"]), rows))
        parts += figures["notes"]
    return _section(f"Measured on `{split}`", "\n\n".join(parts))


def _by_region(figures: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [
        (
            name,
            str(row["n"]),
            str(row["positives"]),
            *(_value(row[key]) for key in REGION_FIGURES),
        )
        for name, row in figures.items()
    ]
    table = _table(("region", "images", "positive", "ROC AUC", "sensitivity", "specificity"), rows)
    return f"By region (few images each; no intervals):\n\n{table}"


def _operating(fields: Mapping[str, Any]) -> str:
    thresholds = [(label, f"{t['value']:.4f}", t["rule"]) for label, t in fields["thresholds"].items()]
    temperatures = ", ".join(f"{head['name']} {head['temperature']:.3f}" for head in fields["heads"])
    return _section(
        "Operating point and calibration",
        f"{_table(('finding', 'positive from', 'rule'), thresholds)}\n\n"
        f"Each head's logits are divided by a temperature fitted on `val` (log loss): {temperatures}. "
        "Probabilities hold for data with the same share of positives.",
    )


def _with_interval(figures: Mapping[str, Any], name: str) -> str:
    interval = figures.get(f"{name}_ci95")
    return _value(figures[name]) + (f" ({interval[0]:.3f}–{interval[1]:.3f})" if interval else "")


def _value(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


def _section(title: str, body: str) -> str:
    return f"## {title}\n\n{body}"


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line.strip()}" for line in lines)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
