"""The main figures of a Bundle's manifest, for lists: what was measured on which split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FINDING_FIGURES = ("auc", "average_precision", "sensitivity", "specificity", "accuracy", "ece")
REGION_FIGURES = ("accuracy", "kappa", "f1_macro")


def headline(manifest: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """{split: {n, findings: {label: {figure: value}}, regions: {head: {figure: value}}}}, as far as they were measured.

    Reads manifests of older and newer releases alike: what is not there, or of another form, is left out.
    """
    found = {}
    for split, report in _mapping(manifest, "metrics").items():
        if isinstance(report, Mapping):
            parts = {
                "findings": _figures(_mapping(report, "findings"), FINDING_FIGURES),
                "regions": _figures(_mapping(report, "regions"), REGION_FIGURES),
            }
            kept: dict[str, Any] = {name: part for name, part in parts.items() if part}
            if kept:
                found[split] = {"n": report.get("n"), **kept}
    return found


def _figures(parts: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, dict[str, float]]:
    numbers = {
        label: {name: float(part[name]) for name in names if isinstance(part.get(name), int | float)}
        for label, part in parts.items()
        if isinstance(part, Mapping)
    }
    return {label: figures for label, figures in numbers.items() if figures}


def _mapping(whole: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = whole.get(name)
    return part if isinstance(part, Mapping) else {}
