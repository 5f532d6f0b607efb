"""What is set after training, on the validation split: temperature of each head, threshold of each Finding."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar  # type: ignore[import-untyped]

from trainer.datasets import UNKNOWN

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Kind = Literal["sigmoid", "softmax"]
TEMPERATURES = (0.1, 10.0)
MARGIN = 1e-4


def logits_of(probability: Floats, *, kind: Kind) -> Floats:
    """Logits (up to a constant for softmax) of uncalibrated probabilities (n, labels)."""
    clipped = np.clip(probability.astype(np.float64), 1e-7, 1 - 1e-7)
    logarithm: Floats = np.log(clipped)
    return logarithm - np.log1p(-clipped) if kind == "sigmoid" else logarithm


def calibrated(logits: Floats, *, kind: Kind, temperature: float) -> Floats:
    """Probabilities (n, labels) of logits divided by `temperature`."""
    scaled = logits / temperature
    if kind == "sigmoid":
        return 1 / (1 + np.exp(-scaled))
    exponent = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    result: Floats = exponent / exponent.sum(axis=1, keepdims=True)
    return result


def fit_temperature(logits: Floats, truth: Ints, *, kind: Kind) -> float:
    """The temperature of the lowest log loss (Guo et al. 2017, arXiv 1706.04599); 1 where no truth is known."""
    known = truth != UNKNOWN
    if not known.any():
        return 1.0

    def log_loss(log_temperature: float) -> float:
        probability = np.clip(calibrated(logits, kind=kind, temperature=float(np.exp(log_temperature))), 1e-9, 1)
        if kind == "softmax":
            return float(-np.log(probability[known, truth[known]]).mean())
        right = np.where(truth == 1, probability, np.clip(1 - probability, 1e-9, 1))
        return float(-np.log(right[known]).mean())

    lowest, highest = np.log(TEMPERATURES)
    found = minimize_scalar(log_loss, bounds=(lowest, highest), method="bounded")
    return round(float(np.exp(found.x)), 4)


def fit_shift(logits: Floats, truth: Ints) -> float:
    """What must be added to the (n,) logits of a label, before the temperature, for the lowest log loss of both (Platt
    scaling): training images need not be as often positive as the validation split's. 0 where one truth alone is known.
    """
    known = truth != UNKNOWN
    if len(np.unique(truth[known])) < 2:
        return 0.0
    sign = 2.0 * truth[known] - 1.0

    def log_loss(slope_and_offset: Floats) -> float:
        slope, offset = slope_and_offset
        return float(np.logaddexp(0.0, -sign * (np.exp(slope) * logits[known] + offset)).mean())

    # Where the logits hardly differ, the slope says nothing: it stays within what a temperature may be.
    steepest = float(np.log(TEMPERATURES[1]))
    slope, offset = minimize(log_loss, x0=np.zeros(2), bounds=[(-steepest, steepest), (None, None)]).x
    return round(float(offset / np.exp(slope)), 4)


def threshold_for(probability: Floats, truth: Ints, *, sensitivity: float) -> float:
    """The highest threshold that (n,) `probability` of at least `sensitivity` of the positives reach; 0.5 if none."""
    positives = np.sort(probability[truth == 1])[::-1]
    if not len(positives):
        return 0.5
    needed = int(np.ceil(sensitivity * len(positives) - 1e-9))
    # Below the last positive that it must find by more than what engines differ in, or a serving engine may miss it.
    return max(0.0, round(float(positives[needed - 1]) - MARGIN, 6))
