"""What a network's answer to one radiograph means: decisions, referrals, the region, and where it was routed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.vocabulary import Decision, ThreeWay
from networks.bundle import Bundle, Route
from networks.sanity import SanityVerdict
from networks.stability import agreement
from worker.inference.inputs import PreparedInput
from worker.inference.models import LoadedModel

# A region or class that a client wants explained is one of a softmax: what reaches one half is it.
SOFTMAX_THRESHOLD = 0.5


@dataclass(frozen=True, slots=True)
class Interpretation:
    """`probabilities` of all labels, calibrated; `route` of a hierarchy; `sanity` where the model judges its input."""

    bundle: Bundle
    probabilities: Mapping[str, float]
    route: Route | None
    sanity: SanityVerdict | None

    @property
    def referred(self) -> bool:
        """Every Finding is for a human: the input is not of the model's kind, or the router is unsure of it."""
        return (self.sanity is not None and not self.sanity.accepted) or (
            self.route is not None and self.route.referred
        )

    @property
    def regions(self) -> dict[str, float]:
        """The probability of each region; empty of a model that tells none apart."""
        return {label: self.probabilities[label] for label in self.bundle.manifest.region_labels}

    @property
    def region(self) -> str | None:
        """The most probable region."""
        regions = self.regions
        return max(regions, key=regions.__getitem__) if regions else None

    @property
    def classes(self) -> dict[str, float] | None:
        """The probabilities of labels that are neither Findings nor regions; None where there are no such."""
        others = {*self.bundle.finding_labels, *self.bundle.manifest.region_labels}
        return {label: value for label, value in self.probabilities.items() if label not in others} or None

    def threshold(self, label: str) -> float:
        """The probability from which on the label is positive."""
        if label in self.bundle.finding_labels:
            return self.bundle.threshold(label, route=self.route)
        return SOFTMAX_THRESHOLD

    def decision(self, label: str) -> Decision:
        return Decision.POSITIVE if self.probabilities[label] >= self.threshold(label) else Decision.NEGATIVE

    def three_way(self, label: str) -> dict[str, Any] | None:
        """{decision, coverage, lower, upper}; None where nothing refers the label and the model cannot."""
        if label not in self.bundle.finding_labels:
            return None
        conformal = self.bundle.conformal(label, route=self.route)
        if conformal is None:
            none = {"coverage": None, "lower": None, "upper": None}
            return {"decision": ThreeWay.REFER.value, **none} if self.referred else None
        decision = ThreeWay.REFER if self.referred else conformal.decide(self.probabilities[label])
        limits = {"coverage": conformal.coverage, "lower": conformal.lower, "upper": conformal.upper}
        return {"decision": decision.value, **limits}

    def stability(self, label: str, shifted: NDArray[np.float32] | None) -> float | None:
        """The agreement in [0, 1] with `shifted` (k, L), the answers to the radiograph's shifts; None without any."""
        if shifted is None or label not in self.bundle.finding_labels:
            return None
        column = shifted[:, self.bundle.labels.index(label)]
        return round(agreement(self.probabilities[label], column, self.threshold(label)), 4)

    def routing_record(self) -> dict[str, Any] | None:
        """The route as it is stored."""
        if self.route is None:
            return None
        return {
            "specialist": self.route.specialist,
            "probability": self.route.probability,
            "referred": self.route.referred,
        }

    def sanity_record(self) -> dict[str, Any] | None:
        """The verdict as it is stored, with the flags that were raised."""
        if self.sanity is None:
            return None
        return {
            "accepted": self.sanity.accepted,
            "flags": [
                {"code": found.flag.value, "score": found.score, "limit": found.limit} for found in self.sanity.raised
            ],
        }


def interpret(
    model: LoadedModel,
    prepared: PreparedInput,
    *,
    probabilities: NDArray[np.float32],
    features: NDArray[np.float32] | None,
) -> Interpretation:
    """Of one row of an engine's output: `probabilities` (L,), and `features` (C,) where the graph gives them."""
    found = dict(zip(model.bundle.labels, map(float, probabilities), strict=True))
    regions = {label: found[label] for label in model.bundle.manifest.region_labels}
    sanity = None
    if model.sanity is not None and features is not None:
        sanity = model.sanity.judge(
            features,
            prepared.tensor,
            window=prepared.window,
            rows=prepared.rows,
            columns=prepared.columns,
        )
    return Interpretation(bundle=model.bundle, probabilities=found, route=model.bundle.route(regions), sanity=sanity)
