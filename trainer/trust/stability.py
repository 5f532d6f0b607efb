"""How far answers hold under small shifts (`networks.stability`), and whether those that do not are the wrong ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from networks.bundle import Bundle
from networks.engines import Engine
from networks.stability import SHIFTS, agreement, shifted
from trainer.datasets import UNKNOWN
from trainer.trust.observation import Observation, decision_thresholds, probabilities_of
from trainer.trust.shares import means


def agreements(bundle: Bundle, engine: Engine, observation: Observation, *, label: str) -> NDArray[np.float64]:
    """(n,) the agreement of each image's answer for `label`, in [0, 1]."""
    copies = [shifted(t, window) for t, window in zip(observation.tensors, observation.windows, strict=True)]
    index = bundle.labels.index(label)
    moved = probabilities_of(engine, np.concatenate(copies))[:, index].reshape(len(observation), len(SHIFTS))
    return np.array(
        [
            agreement(float(own), others, float(threshold))
            for own, others, threshold in zip(
                observation.probabilities[:, index],
                moved,
                decision_thresholds(bundle, observation, label),
                strict=True,
            )
        ]
    )


def measure_stability(
    bundle: Bundle, engine: Engine, observation: Observation, truth: NDArray[np.int64], *, label: str
) -> dict[str, Any]:
    """Mean agreement, the share of images one of whose shifts is decided otherwise, and the agreement of right and of
    wrong answers; `errors_auroc` is how well low agreement tells wrong from right ones (0.5: not at all).

    `truth` (n,) is 0, 1 or UNKNOWN.
    """
    values = agreements(bundle, engine, observation, label=label)
    index = bundle.labels.index(label)
    decided = observation.probabilities[:, index] >= decision_thresholds(bundle, observation, label)
    known = truth != UNKNOWN
    wrong = known & (decided != (truth == 1))
    # One shift decided otherwise costs at least half of that shift's share.
    changed = values <= 1 - 0.5 / len(SHIFTS)
    everything = means({"agreement": values, "unstable": changed.astype(np.float64)}, observation.records)
    right_rows, wrong_rows = np.flatnonzero(known & ~wrong), np.flatnonzero(wrong)
    return {
        "label": label,
        **everything,
        "right": means({"agreement": values[right_rows]}, [observation.records[row] for row in right_rows]),
        "wrong": means({"agreement": values[wrong_rows]}, [observation.records[row] for row in wrong_rows]),
        "errors_auroc": round(float(roc_auc_score(wrong[known], -values[known])), 4)
        if 0 < wrong.sum() < known.sum()
        else None,
    }
