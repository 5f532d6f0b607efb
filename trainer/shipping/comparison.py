"""A shadow beside the versions whose results were given: where they agree, and which jobs they would part on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.vocabulary import Decision
from db.repositories.shadow_predictions import Pair

# So many jobs are named for each direction of a changed decision.
NAMED = 50


def compare(pairs: Sequence[Pair]) -> dict[str, Any]:
    """The report on one shadow against one other version: {n, findings: {label: figures}, latency}.

    `pairs` hold each Finding of each job once. What cannot be computed (no variance, no jobs) is None.
    """
    by_label: dict[str, list[Pair]] = {}
    for pair in pairs:
        by_label.setdefault(pair.label, []).append(pair)
    by_job = {pair.job_id: pair for pair in pairs}
    return {
        "n": len(by_job),
        "findings": {label: _figures(found) for label, found in by_label.items()},
        "latency": _latency(list(by_job.values())),
    }


def kappa(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float | None:
    """Cohen's κ of two raters' yes and no, (n,) each; None where both always give one and the same answer."""
    if not first.size:
        return None
    observed = float((first == second).mean())
    one, two = float(first.mean()), float(second.mean())
    expected = one * two + (1 - one) * (1 - two)
    return None if expected == 1 else round((observed - expected) / (1 - expected), 4)


def _figures(pairs: list[Pair]) -> dict[str, Any]:
    active = np.array([pair.probability for pair in pairs])
    shadow = np.array([pair.shadow_probability for pair in pairs])
    positive = np.array([pair.decision == Decision.POSITIVE for pair in pairs])
    shadow_positive = np.array([pair.shadow_decision == Decision.POSITIVE for pair in pairs])
    jobs = np.array([str(pair.job_id) for pair in pairs])
    gained, lost = jobs[shadow_positive & ~positive].tolist(), jobs[positive & ~shadow_positive].tolist()
    return {
        "n": len(pairs),
        "agreement": round(float((positive == shadow_positive).mean()), 4),
        "kappa": kappa(positive, shadow_positive),
        "mean_difference": round(float(np.abs(active - shadow).mean()), 6),
        "correlation": _correlation(active, shadow),
        "positives": {"active": int(positive.sum()), "shadow": int(shadow_positive.sum())},
        "negative_to_positive": {"count": len(gained), "jobs": gained[:NAMED]},
        "positive_to_negative": {"count": len(lost), "jobs": lost[:NAMED]},
    }


def _correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float | None:
    """Pearson's r; None where one of them does not vary."""
    if first.size < 2 or not first.std() or not second.std():
        return None
    return round(float(np.corrcoef(first, second)[0, 1]), 4)


def _latency(pairs: list[Pair]) -> dict[str, float | None]:
    """Medians of ms per image. A pass of the active version is over a batch: its share of the pass is taken."""
    active = [pair.infer_ms / pair.batch for pair in pairs if pair.infer_ms is not None]
    shadow = [pair.shadow_infer_ms for pair in pairs]
    if not active or not shadow:
        return {"active_ms": None, "shadow_ms": None, "ratio": None, "active_batch": None}
    one, two = float(np.median(active)), float(np.median(shadow))
    return {
        "active_ms": round(one, 2),
        "shadow_ms": round(two, 2),
        "ratio": round(two / one, 3) if one > 0 else None,
        "active_batch": round(float(np.mean([pair.batch for pair in pairs])), 2),
    }
