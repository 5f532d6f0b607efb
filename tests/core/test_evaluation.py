"""The figures for pages: those of the shipped manifest, whole and with their intervals, and none of a strange one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.evaluation import Figure, evaluations, measures

MANIFEST = Path(__file__).parents[2] / "bundles" / "default" / "bundle.json"


def test_the_shipped_figures() -> None:
    if not MANIFEST.exists():
        pytest.skip("bundles/default is not there")
    manifest = json.loads(MANIFEST.read_text())
    found = {(one.split, one.subject, one.label): one for one in evaluations(manifest)}
    assert set(found) == {
        (split, *subject) for split in ("val", "test") for subject in (("finding", "fracture"), ("choice", "region"))
    }
    told = manifest["metrics"]["test"]["findings"]["fracture"]
    finding = found["test", "finding", "fracture"]
    assert finding.figures[0] == Figure("auc", told["auc"], *told["auc_ci95"])
    assert (finding.n, finding.positives, finding.threshold) == (told["n"], told["positives"], told["threshold"])
    counts = told["confusion_matrix"]
    assert finding.matrix == ((counts["tp"], counts["fn"]), (counts["fp"], counts["tn"]))
    assert [figure.name for figure in finding.three_way][:2] == ["stated_coverage", "coverage"]
    by = {(part.by, part.name): part for part in finding.parts}
    assert by["region", "hand"].n == told["by_region"]["hand"]["n"]
    # The largest part first, and what is undefined stays: a figure without a value.
    assert [part.n for part in finding.parts if part.by == "view"] == [292, 168, 36, 33, 2, 2]
    assert Figure("auc", None) in by["hardware", "with"].figures or "auc" not in told["by_hardware"]["with"]
    choice = found["test", "choice", "region"]
    assert sum(map(sum, choice.matrix)) == choice.n
    assert {one.kind for one in measures(manifest)} == {"localisation", "sanity", "stability", "hardware"}
    assert all(one.figures for one in measures(manifest))


def test_strange_manifests_are_passed_over() -> None:
    odd = {"metrics": {"test": {"findings": {"fracture": {"auc": "high", "auc_ci95": [1], "f1": True, "ece": 0.1}}}}}
    (found,) = evaluations(odd)
    assert (found.figures, found.n, found.matrix) == ((Figure("ece", 0.1),), None, ())
    for manifest in ({}, {"metrics": []}, {"metrics": {"test": [], "sanity": {"val": 3}}}):
        assert evaluations(manifest) == []
        assert measures(manifest) == []
