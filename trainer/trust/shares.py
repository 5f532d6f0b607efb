"""Means of what was found of each image, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trainer.datasets import Record
from trainer.evaluation.bootstrap import Bootstrap, Floats, ratio
from trainer.evaluation.predictions import group_of


def means(columns: Mapping[str, Floats], records: Sequence[Record]) -> dict[str, Any]:
    """{"n", name: mean, name_ci95: bootstrap 95 % interval by group} of (n,) values each; None where n is 0."""
    table = np.stack([np.asarray(values, dtype=np.float64) for values in columns.values()], axis=1)

    def figures(weights: Floats) -> dict[str, Floats]:
        sums, total = weights @ table, weights.sum(axis=1)
        return {name: ratio(sums[:, index], total) for index, name in enumerate(columns)}

    bootstrap = Bootstrap(len(records), groups=[group_of(record) for record in records])
    return {"n": len(records), **bootstrap.measured(figures)}
