"""What figures mean: thresholds, referrals and routes, on a manifest without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.vocabulary import Decision, SanityFlag
from networks.bundle import Bundle
from networks.manifest import Manifest
from networks.sanity import SanityScore, SanityVerdict
from worker.inference.postprocessing import Interpretation

LIMITS = {"coverage": 0.9, "lower": 0.2, "upper": 0.8}
FIELDS: dict[str, Any] = {
    "name": "made-up",
    "version": "1",
    "created": "2026-01-01T00:00:00Z",
    "heads": [
        {"name": "fracture", "kind": "sigmoid", "labels": ["fracture"]},
        {"name": "region", "kind": "softmax", "labels": ["hand", "leg"]},
    ],
    "thresholds": {"fracture": {"value": 0.25}},
    "conformal": {"fracture": LIMITS},
    "preprocessing": {"size": 64},
    "explanation": {"layer": "features", "grid": [8, 8], "labels": ["fracture", "leg"], "default": ["fracture"]},
    "disclaimer": "none",
    "files": {},
}


def specialist(name: str, threshold: float, **limits: float) -> dict[str, Any]:
    return {
        "keras_model": f"{name}.keras",
        "serving_graph": f"{name}.onnx",
        "temperatures": {"fracture": 1.0},
        "thresholds": {"fracture": {"value": threshold}},
        "conformal": {"fracture": LIMITS | limits},
    }


ROUTED = FIELDS | {
    "routing": {
        "head": "region",
        "refer_below": 0.6,
        "specialists": {"hand": specialist("hand", 0.5), "leg": specialist("leg", 0.75, upper=0.9)},
    }
}


def judged(fields: dict[str, Any], fracture: float, *, hand: float = 0.9, flag: float | None = None) -> Interpretation:
    """`flag`: the score of one sanity flag, whose limit is 1."""
    bundle = Bundle(Path(), Manifest.model_validate(fields), "digest")
    probabilities = {"fracture": fracture, "hand": hand, "leg": 1 - hand}
    route = bundle.route({"hand": hand, "leg": 1 - hand})
    scores = () if flag is None else (SanityScore(SanityFlag.BLURRED, score=flag, limit=1.0),)
    sanity = None if flag is None else SanityVerdict(accepted=flag <= 1.0, flags=scores)
    return Interpretation(bundle=bundle, probabilities=probabilities, route=route, sanity=sanity)


def three_way(interpretation: Interpretation) -> str:
    found = interpretation.three_way("fracture")
    assert found is not None
    return str(found["decision"])


@pytest.mark.parametrize(
    ("probability", "expected"), [(0.2499, Decision.NEGATIVE), (0.25, Decision.POSITIVE), (0.9, Decision.POSITIVE)]
)
def test_a_finding_is_positive_from_its_threshold_on(probability: float, expected: Decision) -> None:
    interpretation = judged(FIELDS, probability)
    assert interpretation.decision("fracture") is expected
    assert interpretation.bundle.decide("fracture", probability) is expected


def test_a_region_is_the_one_that_reaches_a_half() -> None:
    interpretation = judged(FIELDS, 0.9, hand=0.5)
    assert (interpretation.decision("hand"), interpretation.region) == (Decision.POSITIVE, "hand")
    assert (judged(FIELDS, 0.9, hand=0.4).decision("hand"), judged(FIELDS, 0.9, hand=0.4).region) == ("negative", "leg")


def test_each_specialist_has_its_own_threshold() -> None:
    assert judged(ROUTED, 0.6, hand=0.9).decision("fracture") is Decision.POSITIVE
    assert judged(ROUTED, 0.6, hand=0.1).decision("fracture") is Decision.NEGATIVE
    assert (three_way(judged(ROUTED, 0.85, hand=0.9)), three_way(judged(ROUTED, 0.85, hand=0.1))) == (
        "positive",
        "refer",
    )


def test_whatever_is_strange_is_referred() -> None:
    assert three_way(judged(FIELDS, 0.99)) == "positive"
    assert three_way(judged(FIELDS, 0.99, flag=1.0)) == "positive"
    assert three_way(judged(FIELDS, 0.99, flag=1.01)) == "refer"
    # The router: sure enough from its limit on.
    assert three_way(judged(ROUTED, 0.99, hand=0.6)) == "positive"
    unsure = judged(ROUTED, 0.99, hand=0.59)
    assert (three_way(unsure), unsure.routing_record()) == (
        "refer",
        {"specialist": "hand", "probability": 0.59, "referred": True},
    )
    # A model that cannot refer is none the less referred, without limits; a region is no Finding.
    plain = FIELDS | {"conformal": {}}
    assert judged(plain, 0.99).three_way("fracture") is None
    none = {"coverage": None, "lower": None, "upper": None}
    assert judged(plain, 0.99, flag=2.0).three_way("fracture") == {"decision": "refer", **none}
    assert judged(FIELDS, 0.99, flag=2.0).three_way("hand") is None
