"""The three-way decision of a Finding, fitted on the validation split: class-conditional split conformal prediction.

A class c stays in the prediction set of an image while its probability is not among the k lowest that validation images
of class c got. {positive} is decided `positive`, {negative} `negative`; both, or neither, `refer`. So each class on its
own (Mondrian: Vovk, Gammerman & Shafer 2005, §4.5) is missed by no more than k of its n validation images.

k is not the usual ⌊(1 − coverage)(n + 1)⌋, which holds on average over validation splits only: of exchangeable images
the share missed follows Beta(k, n + 1 − k) (Vovk 2012, arXiv 1209.2673; Angelopoulos & Bates 2021, arXiv 2107.07511,
§3.2), and k is the largest for which it stays within 1 − coverage with probability 1 − `risk` (training-conditional).
Images of one group resemble each other: k is also no larger than what a bootstrap over groups says the same of. Where
even k = 1 cannot promise it (fewer than 22 images at 0.9 and 0.1), the class is never ruled out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import binom  # type: ignore[import-untyped]

from networks.manifest import Conformal
from trainer.evaluation.bootstrap import Bootstrap, Floats, Ints

COVERAGE = 0.9
RISK = 0.1
# Serving engines differ in the fifth digit; the limits give way to it.
MARGIN = 1e-3


def fit_conformal(
    probability: Floats,
    truth: Ints,
    *,
    coverage: float = COVERAGE,
    risk: float = RISK,
    groups: Sequence[str | None] | None = None,
) -> Conformal:
    """The limits of a Finding from (n,) calibrated probability and (n,) truth 0/1 of its validation images.

    Raises ValueError for a coverage or risk outside (0, 1).
    """
    if not (0 < coverage < 1 and 0 < risk < 1):
        raise ValueError("coverage and risk lie between 0 and 1")
    names = [None] * len(truth) if groups is None else list(groups)
    positive, negative = np.flatnonzero(truth == 1), np.flatnonzero(truth == 0)
    lower, positives_missed = _limit(probability[positive], [names[r] for r in positive], coverage=coverage, risk=risk)
    mirrored, negatives_missed = _limit(
        1 - probability[negative], [names[r] for r in negative], coverage=coverage, risk=risk
    )
    low, high = lower * (1 - MARGIN), 1 - mirrored * (1 - MARGIN)
    # Where the classes part so well that both could be ruled out at once, neither is: that is never less careful.
    low, high = min(low, high), max(low, high)
    referred = float(((probability >= low) & (probability <= high)).mean()) if len(probability) else 1.0
    rule = (
        f"class-conditional split conformal on the val split ({len(positive)} positive, {len(negative)} negative "
        f"images): each class keeps {coverage:g} with probability {1 - risk:g}, so at most {positives_missed} "
        f"positives and {negatives_missed} negatives are decided wrongly there; {referred:.1%} are referred"
    )
    return Conformal(coverage=coverage, lower=float(low), upper=float(high), rule=rule)


def allowed_misses(count: int, *, coverage: float, risk: float) -> int:
    """The largest k for which, after the k lowest of `count` exchangeable images set the limit, no more than
    1 − `coverage` of all images lie below it with probability 1 − `risk`; 0 where there is none."""
    # P[Beta(k, n + 1 − k) > a] = P[Binomial(n, a) ≤ k − 1], which grows with k.
    ranks = np.arange(1, count + 1)
    return int((binom.cdf(ranks - 1, count, 1 - coverage) <= risk).sum())


def allowed_misses_by_group(groups: Sequence[str | None], *, coverage: float, risk: float) -> int:
    """The largest k whose first k images are no more than 1 − `coverage` of all in 1 − `risk` of the resamples in which
    whole groups are drawn; `groups` are those of the images, lowest probability first."""
    if not groups:
        return 0
    found = []
    for weights in Bootstrap(len(groups), groups=groups).weights():
        total = weights.sum(axis=1, keepdims=True)
        found.append(np.cumsum(weights, axis=1) <= (1 - coverage) * total)
    kept = np.concatenate(found).mean(axis=0) >= 1 - risk
    return int(kept.sum())


def _limit(own: Floats, groups: Sequence[str | None], *, coverage: float, risk: float) -> tuple[float, int]:
    """The probability below which a class is ruled out, and how many of its own validation images that misses."""
    order = np.argsort(own, kind="stable")
    rank = min(
        allowed_misses(len(own), coverage=coverage, risk=risk),
        allowed_misses_by_group([groups[row] for row in order], coverage=coverage, risk=risk),
    )
    # Strictly below the k-th lowest: k − 1 of the validation images.
    return (float(own[order[rank - 1]]), rank - 1) if rank else (0.0, 0)
