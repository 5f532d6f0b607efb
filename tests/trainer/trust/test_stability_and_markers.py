"""Stability of answers, and what markers are worth, on generated images."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from networks.bundle import Bundle
from networks.engines import Engine
from networks.stability import agreement, shifted
from tests.data import generated_radiograph
from tests.trainer.trust.conftest import Seeing, bones
from trainer.datasets import UNKNOWN
from trainer.trust.markers import marker_mask, measure_markers, without_markers
from trainer.trust.stability import agreements, measure_stability

pytestmark = [
    pytest.mark.keras,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]
LABEL = "fracture"


def test_agreements_are_those_of_the_engine(bundle: Bundle, engine: Engine, see: Seeing) -> None:
    seen = see(bones(5, seed=3))
    index = bundle.labels.index(LABEL)
    values = agreements(bundle, engine, seen, label=LABEL)
    own = engine.run(shifted(seen.tensors[2], seen.windows[2])).probabilities[:, index]
    assert values[2] == agreement(float(seen.probabilities[2, index]), own, bundle.threshold(LABEL))


def test_stability_is_held_against_the_errors(bundle: Bundle, engine: Engine, see: Seeing) -> None:
    seen = see(bones(12, seed=4))
    decided = seen.probabilities[:, bundle.labels.index(LABEL)] >= bundle.threshold(LABEL)
    truth = decided.astype(np.int64)
    truth[:3] = 1 - truth[:3]
    truth[11] = UNKNOWN
    figures = measure_stability(bundle, engine, seen, truth, label=LABEL)
    assert (figures["n"], figures["right"]["n"], figures["wrong"]["n"]) == (12, 8, 3)
    assert 0 <= figures["agreement"] <= 1
    assert 0 <= figures["errors_auroc"] <= 1
    assert measure_stability(bundle, engine, seen, decided.astype(np.int64), label=LABEL)["errors_auroc"] is None


def lettered(seed: int) -> np.ndarray:
    pixels = generated_radiograph(288, 216, seed=seed)
    cv2.putText(pixels, "L", (12, 40), cv2.FONT_HERSHEY_SIMPLEX, 0.9, 255, 2)
    return pixels


def test_a_letter_beside_the_bone_is_a_marker_and_the_bone_is_not() -> None:
    mask = marker_mask(lettered(1))
    assert mask[15:42, 10:32].any()
    assert not mask[:, 60:].any()
    assert not marker_mask(generated_radiograph(288, 216, seed=1)).any()


def test_markers_are_covered_and_nothing_else_is_touched() -> None:
    random = np.random.default_rng(0)
    pixels = lettered(2)
    covered = without_markers(pixels, random)
    assert int(covered[15:42, 10:32].max()) < 120 < int(pixels[15:42, 10:32].max())
    assert (covered[60:] == pixels[60:]).all()
    plain = generated_radiograph(288, 216, seed=2)
    assert (without_markers(plain, random) == plain).all()


def test_markers_cost_what_covering_them_changes(bundle: Bundle, engine: Engine, see: Seeing) -> None:
    seen = see([lettered(index) if index % 2 else generated_radiograph(288, 216, seed=index) for index in range(10)])
    truth = np.arange(10) % 2
    figures = measure_markers(bundle, engine, seen, truth, label=LABEL)
    if figures:  # at 64 pixels a letter may be too faint to be found: then there is nothing to measure
        assert figures["with_markers"] <= 5
        assert figures["auc_minus_covered"] == round(figures["auc"] - figures["auc_markers_covered"], 4)
    assert measure_markers(bundle, engine, seen, np.zeros(10, np.int64), label=LABEL) == {}
