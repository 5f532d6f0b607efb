"""The model card: what a Bundle was made of, what was measured, and what it must not be used for. Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.vocabulary import DISCLAIMER
from trainer.recipe import Recipe

FIGURES = (
    ("auc", "ROC AUC"),
    ("average_precision", "average precision"),
    ("sensitivity", "sensitivity"),
    ("specificity", "specificity"),
    ("accuracy", "accuracy"),
)


def model_card(recipe: Recipe, *, fields: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    """The text of MODEL_CARD.md; `fields` are the manifest's, `metrics` {split: evaluation report}."""
    sections = [
        f"# {recipe.name} {recipe.version}",
        f"**{DISCLAIMER}**",
        _network(recipe, fields),
        _data(recipe, fields),
        *(_measured(split, report) for split, report in metrics.items()),
        _operating(fields),
        "## Limits\n\n" + "\n".join(f"- {limit}" for limit in recipe.limits),
        "## Attribution\n\n" + "\n".join(f"- {line}" for line in recipe.data.attribution),
    ]
    return "\n\n".join(sections) + "\n"


def _network(recipe: Recipe, fields: Mapping[str, Any]) -> str:
    heads = "; ".join(f"{head.name} ({head.kind}: {', '.join(head.labels)})" for head in recipe.heads)
    training = fields["training"]
    return (
        "## Network\n\n"
        f"{recipe.backbone}, input {recipe.preprocessing.size} × {recipe.preprocessing.size} grey, letterboxed. "
        f"Heads: {heads}. Explanation: Grad-CAM of each label, computed with the prediction.\n\n"
        f"Weights of phase “{training['best_phase']}”, epoch {training['best_epoch']}: the best by the validation split."
    )


def _data(recipe: Recipe, fields: Mapping[str, Any]) -> str:
    counts = fields["training"]["images"]
    rows = "\n".join(f"| {split} | {count} |" for split, count in counts.items())
    return (
        f"## Data\n\n{recipe.data.name}, licence {recipe.data.licence}; split file `{recipe.data.split}`. "
        "Training saw `train`; epoch, temperature and threshold were chosen on `val`; `test` was only reported.\n\n"
        f"| split | images |\n|---|---|\n{rows}"
    )


def _measured(split: str, report: Mapping[str, Any]) -> str:
    lines = [
        f"## Measured on `{split}`",
        f"{report['n']} images; 95 % intervals by bootstrap.",
    ]
    for label, figures in report["findings"].items():
        matrix = figures["confusion_matrix"]
        table = "\n".join(f"| {title} | {_with_interval(figures, name)} |" for name, title in FIGURES)
        lines.append(f"**{label}** ({figures['positives']} positives)\n\n| figure | value |\n|---|---|\n{table}")
        lines.append(", ".join(f"{name.upper()} {count}" for name, count in matrix.items()))
    lines += [
        f"**{name}**: accuracy {_with_interval(figures, 'accuracy')}" for name, figures in report["regions"].items()
    ]
    return "\n\n".join(lines)


def _operating(fields: Mapping[str, Any]) -> str:
    rows = "\n".join(f"| {label} | {t['value']:.4f} | {t['rule']} |" for label, t in fields["thresholds"].items())
    temperatures = ", ".join(f"{head['name']} {head['temperature']:.3f}" for head in fields["heads"])
    return (
        f"## Operating point\n\n| finding | threshold | rule |\n|---|---|---|\n{rows}\n\n"
        f"Probabilities are calibrated by temperature on `val`: {temperatures}."
    )


def _with_interval(figures: Mapping[str, Any], name: str) -> str:
    value, interval = figures.get(name), figures.get(f"{name}_ci95")
    if value is None:
        return "undefined"
    return f"{value:.3f}" + (f" ({interval[0]:.3f}–{interval[1]:.3f})" if interval else "")
