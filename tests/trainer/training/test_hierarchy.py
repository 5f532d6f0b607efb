"""A hierarchy's recipes, its regions, and the limit below which the router is too unsure."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import DataInvalid
from tests.trainer import tiny_sets

pytestmark = [pytest.mark.keras, pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")]


def _recipe(*changes: str):
    from trainer.commands.train import RECIPES
    from trainer.recipes.recipe import load_recipe

    return load_recipe(RECIPES / "fractureai.yaml", overrides=changes)


def test_recipes_of_its_parts(tmp_path):
    from trainer.input_pipeline.sources import read_records
    from trainer.training.hierarchy import regions_of, router_recipe, specialist_recipe

    folder = tiny_sets.mura(tmp_path / "mura")
    recipe = _recipe("phases.1.class_weights={abnormal: balanced}", "hierarchy.regions=[hand, elbow]")
    hierarchy = recipe.hierarchy
    assert hierarchy is not None
    regions = regions_of(recipe, hierarchy, folder)
    assert regions == ("hand", "elbow")
    router = router_recipe(recipe, hierarchy, regions)
    assert [(head.name, head.kind, head.labels, head.columns) for head in router.heads] == [
        ("region", "softmax", ("hand", "elbow"), ("region",))
    ]
    assert (router.operating, router.hierarchy, router.phases[1].class_weights) == ({}, None, {})
    assert {record.columns["region"] for record in read_records(router, folder)[0]} == {"hand", "elbow"}
    specialist = specialist_recipe(recipe, hierarchy, "hand")
    assert (specialist.heads, specialist.phases) == (recipe.heads, recipe.phases)
    assert {record.columns["region"] for record in read_records(specialist, folder)[0]} == {"hand"}

    every = _recipe("hierarchy.regions=[]")
    assert every.hierarchy is not None
    assert regions_of(every, every.hierarchy, folder) == tuple(sorted(tiny_sets.MURA_REGIONS))
    other = _recipe("hierarchy.regions=[hand, foot]")
    assert other.hierarchy is not None
    with pytest.raises(DataInvalid, match="does not have the regions foot"):
        regions_of(other, other.hierarchy, folder)


def test_refer_below():
    from trainer.shipping.routing import refer_below

    confidence = np.array([0.9, 0.5, 0.7, 0.6, 0.8])
    right = np.array([True, False, False, True, True])
    # From the most sure: 1, 1, 2/3, 3/4, 3/5 right.
    for wanted, limit in ((1.0, 0.75), (0.75, 0.55), (0.7, 0.55), (0.6, 0.0)):
        assert refer_below(confidence, right, wanted=wanted) == pytest.approx(limit)
    assert refer_below(confidence, ~right, wanted=0.9) == 1.0
    # Equal confidences stand or fall together.
    assert refer_below(np.array([0.9, 0.8, 0.8]), np.array([True, True, False]), wanted=0.9) == pytest.approx(0.85)
    assert refer_below(np.empty(0), np.empty(0, bool), wanted=0.9) == 0.0
