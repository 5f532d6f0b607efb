"""The figures of labels that exclude each other (a softmax head, or the sums over one): regions, or the 14 classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trainer.evaluation.binary import mean_of_defined
from trainer.evaluation.bootstrap import Bootstrap, Floats, Ints, ratio
from trainer.evaluation.reliability import Reliability

TOP = 3
CONFUSED_PAIRS = 10


class MulticlassFigures:
    """(n,) truth (label index) and (n, K) probability, as figures of any (r, n) weights."""

    def __init__(self, truth: Ints, probability: Floats) -> None:
        self.labels = probability.shape[1]
        self.predicted = probability.argmax(axis=1)
        self._right = (self.predicted == truth).astype(np.int64)
        # Rank of the true label: how many labels got more; equal ones in the order of the labels, as argmax does.
        own = probability[np.arange(len(truth)), truth][:, None]
        earlier = np.arange(self.labels)[None] < truth[:, None]
        rank = ((probability > own) | ((probability == own) & earlier)).sum(axis=1)
        self._hits = np.stack([rank == 0, rank < TOP], axis=1).astype(np.float64)
        self._cells = truth * self.labels + self.predicted
        self.reliability = Reliability(self._right, probability.max(axis=1, initial=0.0))

    def confusion(self, weights: Floats) -> Floats:
        """(r, K, K): how much weight of each class (rows) was taken for each (columns)."""
        cells, place = np.unique(self._cells, return_inverse=True)
        matrix = np.zeros((len(weights), self.labels**2))
        matrix[:, cells] = weights @ np.eye(len(cells))[place]
        return matrix.reshape(-1, self.labels, self.labels)

    def __call__(self, weights: Floats) -> dict[str, Floats]:
        """Those of all labels together, and "precision 0", "recall 0", "f1 0", … of each."""
        total = weights.sum(axis=1)
        hits = ratio(weights @ self._hits, total[:, None])
        matrix = self.confusion(weights)
        support, taken = matrix.sum(axis=2), matrix.sum(axis=1)
        precision, recall, f1 = class_figures(matrix)
        chance = ratio((support * taken).sum(axis=1), total**2)
        return {
            "accuracy": hits[:, 0],
            **({"top_3_accuracy": hits[:, 1]} if self.labels > TOP else {}),
            "balanced_accuracy": mean_of_defined(recall),
            "f1_macro": mean_of_defined(f1),
            "f1_weighted": ratio((np.nan_to_num(f1) * support).sum(axis=1), total),
            "kappa": ratio(hits[:, 0] - chance, 1 - chance),
            **self.reliability.errors(weights),
            **{f"precision {label}": precision[:, label] for label in range(self.labels)},
            **{f"recall {label}": recall[:, label] for label in range(self.labels)},
            **{f"f1 {label}": f1[:, label] for label in range(self.labels)},
        }


def class_figures(matrix: Floats) -> tuple[Floats, Floats, Floats]:
    """(r, K, K) confusion → (r, K) precision, recall and F1 of each class, NaN where undefined."""
    right = np.diagonal(matrix, axis1=1, axis2=2)
    support, taken = matrix.sum(axis=2), matrix.sum(axis=1)
    return ratio(right, taken), ratio(right, support), ratio(2 * right, support + taken)


def region_metrics(
    truth: Ints, probability: Floats, *, labels: Sequence[str], groups: Sequence[str | None] | None = None
) -> dict[str, Any]:
    """All figures of (n,) truth and (n, labels) probability, with intervals; the confusion matrix has the truth in its
    rows and the predictions in its columns. Macro means are over the classes that occur in truth or predictions.
    """
    figures = MulticlassFigures(truth, probability)
    bootstrap = Bootstrap(len(truth), groups=groups)
    matrix = figures.confusion(np.ones((1, len(truth))))[0].astype(np.int64)
    measured = bootstrap.measured(figures)
    return {
        "n": len(truth),
        **{name: value for name, value in measured.items() if " " not in name},
        "labels": list(labels),
        "confusion_matrix": matrix.tolist(),
        "per_class": {
            label: {
                "support": int(matrix[index].sum()),
                **{
                    f"{name}{suffix}": measured[f"{name} {index}{suffix}"]
                    for name in ("precision", "recall", "f1")
                    for suffix in ("", "_ci95")
                },
            }
            for index, label in enumerate(labels)
        },
        "most_confused": most_confused(matrix, labels),
        "reliability": figures.reliability.bins(),
        "bootstrap": bootstrap.described(),
        "notes": [] if len(truth) else ["no image has a known label"],
    }


def most_confused(matrix: Ints, labels: Sequence[str]) -> list[dict[str, Any]]:
    """The pairs (truth, predicted) that occur most, with their share of the true class; the most frequent first."""
    wrong = [
        (int(matrix[row, column]), row, column)
        for row in range(len(labels))
        for column in range(len(labels))
        if row != column and matrix[row, column]
    ]
    wrong.sort(key=lambda pair: (-pair[0], pair[1], pair[2]))
    return [
        {
            "truth": labels[row],
            "predicted": labels[column],
            "count": count,
            "share": round(count / int(matrix[row].sum()), 4),
        }
        for count, row, column in wrong[:CONFUSED_PAIRS]
    ]
