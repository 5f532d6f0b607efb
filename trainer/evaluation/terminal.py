"""An evaluation's figures as lines for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FIGURES = (
    "auc",
    "average_precision",
    "sensitivity",
    "specificity",
    "precision",
    "f1",
    "accuracy",
    "kappa",
    "ece",
    "brier",
)
CHOICE_FIGURES = ("accuracy", "top_3_accuracy", "kappa", "f1_macro", "f1_weighted", "ece")
THREE_WAY_FIGURES = ("coverage", "referred", "decided_accuracy")


def readable(report: Mapping[str, Any]) -> str:
    """The main figures of a report, one a line, and its notes."""
    lines = [f"{report['n']} images, {report['engine']}"]
    for label, figures in report["findings"].items():
        lines += _lines(label, figures, FIGURES)
        at = "its specialist's threshold" if figures["threshold"] is None else figures["threshold"]
        lines.append(f"{label} confusion matrix at {at}: {figures['confusion_matrix']}")
        lines += _lines(f"{label} three-way", figures.get("three_way", {}), THREE_WAY_FIGURES)
        hardware = figures.get("by_hardware", {})
        lines += _lines(f"{label} without hardware", hardware.get("without", {}), ("auc",))
        for way in ("mean", "max"):
            lines += _lines(f"{label} by study, {way}", figures.get("by_study", {}).get(way, {}), ("auc", "kappa"))
    lines += _lines("multi-label", report.get("multi_label", {}), ("auc_macro", "auc_micro"))
    for name, figures in report["regions"].items():
        lines += _lines(name, figures, CHOICE_FIGURES)
    parts = [*report["findings"].items(), *report["regions"].items()]
    return "\n".join([*lines, *(f"note: {name}: {note}" for name, part in parts for note in part["notes"])])


def _lines(title: str, figures: Mapping[str, Any], names: tuple[str, ...]) -> list[str]:
    return [f"{title} {name.replace('_', ' ')}: {_figure(figures, name)}" for name in names if name in figures]


def _figure(figures: Mapping[str, Any], name: str) -> str:
    value, interval = figures[name], figures[f"{name}_ci95"]
    if value is None:
        return "undefined"
    return f"{value:.4f}" + (f"  95 % {interval[0]:.4f}–{interval[1]:.4f}" if interval else "")
