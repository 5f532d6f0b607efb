"""The three-way decisions (positive, negative, refer) held against the truth: do they keep the coverage they state?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from core.vocabulary import ThreeWay
from trainer.evaluation.bootstrap import Bootstrap, Floats, Ints, ratio


class ThreeWayFigures:
    """(n,) truth 0/1 and (n,) decision 1, 0 or -1 (refer), as figures of any (r, n) weights.

    `coverage` is the share of images that were referred or decided rightly (what a conformal rule promises), also among
    the positives and the negatives alone; `referred` the share that a person has to look at; `decided_accuracy` the
    share of the others that is right.
    """

    def __init__(self, truth: Ints, decision: Ints) -> None:
        right, referred = decision == truth, decision == -1
        covered = right | referred
        columns = (np.ones(len(truth)), covered, referred, right)
        by_truth = [column * (truth == value) for value in (0, 1) for column in columns]
        self._columns = np.stack([*columns, *by_truth], axis=1).astype(np.float64)

    def __call__(self, weights: Floats) -> dict[str, Floats]:
        result: dict[str, Floats] = {}
        sums = weights @ self._columns
        for index, suffix in enumerate(("", "_of_negatives", "_of_positives")):
            total, covered, referred, right = (sums[:, 4 * index + column] for column in range(4))
            result[f"coverage{suffix}"] = ratio(covered, total)
            result[f"referred{suffix}"] = ratio(referred, total)
            result[f"decided_accuracy{suffix}"] = ratio(right, total - referred)
        return result


def three_way_metrics(
    truth: Ints, decision: Ints, *, stated: float | None, groups: Sequence[str | None] | None = None
) -> dict[str, Any]:
    """ThreeWayFigures with intervals, the stated coverage, and how often each truth got each answer."""
    counts = {
        name: {answer: int(((truth == value) & (decision == code)).sum()) for answer, code in ANSWERS}
        for value, name in ((1, "positives"), (0, "negatives"))
    }
    measured = Bootstrap(len(truth), groups=groups).measured(ThreeWayFigures(truth, decision))
    return {"n": len(truth), "stated_coverage": stated, **measured, "answers": counts}


CODES = {ThreeWay.POSITIVE: 1, ThreeWay.NEGATIVE: 0, ThreeWay.REFER: -1}
ANSWERS = tuple((answer.value, code) for answer, code in CODES.items())
