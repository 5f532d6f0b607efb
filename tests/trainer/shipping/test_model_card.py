"""The model card says what was measured, on what, and what is wrong with it."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.trainer.conftest import RECIPE
from tests.trainer.evaluation.made import MURA, bundle_of, mura_rows, predictions, record
from trainer.evaluation import judged
from trainer.recipes.recipe import Recipe
from trainer.shipping.model_card import model_card

FIELDS = {
    "heads": [{"name": "fracture", "temperature": 1.25}],
    "thresholds": {"fracture": {"value": 0.125, "rule": "sensitivity ≥ 0.85 on val"}},
    "training": {"images": {"train": 20, "test": 60}, "best_phase": "all", "best_epoch": 3},
}


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return Recipe.model_validate(RECIPE)


@pytest.fixture(scope="module")
def report() -> dict:
    """60 images of two regions, with hardware and studies, judged with a three-way decision."""
    random = np.random.default_rng(6)
    fields = {**MURA, "conformal": {"abnormal": {"coverage": 0.9, "lower": 0.2, "upper": 0.8}}}
    bundle = bundle_of(**fields)
    truth = random.integers(0, 4, 60)
    classes = random.dirichlet(np.ones(4), 60) + 0.5 * np.eye(4)[truth]
    names = fields["heads"][0]["labels"]
    records = [
        record(i, study=f"s{i // 2}", hardware=i % 2, **{"class": names[truth[i]], "region": names[truth[i]][:4]})
        for i in range(60)
    ]
    rows = mura_rows(classes / classes.sum(axis=1, keepdims=True))
    return judged(bundle, predictions(bundle, records, rows))


def _tables(card: str) -> list[list[str]]:
    blocks = [block.splitlines() for block in card.split("\n\n")]
    return [block for block in blocks if block[0].startswith("|")]


def test_everything_measured_is_said(recipe, report):
    card = model_card(recipe, fields=FIELDS, metrics={"test": report})
    abnormal = report["findings"]["abnormal"]
    low, high = abnormal["ece_ci95"]
    assert f"| ECE, 10 bins of equal width | {abnormal['ece']:.3f} ({low:.3f}–{high:.3f}) |" in card
    for said in ("Brier score", "Cohen's κ", "three-way decision", "abnormal by region", "abnormal of whole studies"):
        assert said in card
    for said in ("The mean is what is served.", "by the mean of their probabilities"):
        assert said in card
    assert (
        f"ROC AUC of all images minus that without hardware: {abnormal['by_hardware']['auc_all_minus_without']:.3f}"
        in card
    )
    assert "at least 0.90" in card
    for table in _tables(card):
        assert len({line.count("|") for line in table}) == 1, table[0]
    assert "None" not in card
    assert "CAUTION" not in card
    assert not re.search(r"\n\n\n", card)


def test_trust_and_training(recipe, report):
    fields = {
        **FIELDS,
        "conformal": {"fracture": {"coverage": 0.9, "lower": 0.05, "upper": 0.6, "rule": "on val"}},
        "training": {
            **FIELDS["training"],
            "history": [
                {"phase": "heads", "epoch": 1, "loss": 0.9, "score": 0.7, "seconds": 60.0},
                {"phase": "heads", "epoch": 2, "loss": 0.5, "score": 0.8, "seconds": 60.0},
                {"phase": "all", "epoch": 1, "loss": 0.25, "score": 0.75, "seconds": 240.0},
            ],
        },
    }
    metrics = {
        "test": report,
        "localisation": {
            "tolerance": "15 px",
            "all": {"n": 7, "pointing": 0.75, "pointing_ci95": [0.5, 0.9], "none": None, "none_ci95": None},
        },
        "stability": {},
    }
    card = model_card(recipe, fields=fields, metrics=metrics)
    assert "| all · pointing | 0.750 (0.500–0.900) |" in card
    assert "| all · n | 7 |" in card
    assert "| all · none | undefined |" in card
    assert "- tolerance: 15 px" in card
    assert "Stability" not in card
    assert "| heads | 2 | 0.900 → 0.500 | 0.8000 (epoch 2) | 2 |" in card
    assert "| all | 1 | 0.250 → 0.250 | 0.7500 (epoch 1) | 4 |" in card
    assert "| fracture | 0.90 | 0.0500 | 0.6000 | on val |" in card


def test_a_leak_is_marked_in_red(recipe, report):
    audit = {"leaks": {"exact": 869, "rotated": 1200}, "leaks_allowed": True, "reasons": ["869 identical groups"]}
    fields = {**FIELDS, "training": {**FIELDS["training"], "audit": audit}}
    card = model_card(recipe, fields=fields, metrics={"test": report})
    banner = card.index("> [!CAUTION]")
    assert banner < card.index("## Intended use")
    assert "> - 869 identical groups" in card
    assert "| leaks, rotated | 1,200 |" in card
    honest = {**audit, "leaks_allowed": False}
    fields = {**FIELDS, "training": {**FIELDS["training"], "audit": honest}}
    assert "CAUTION" not in model_card(recipe, fields=fields, metrics={"test": report})
