"""The last layer of a softmax head again, on the final features: multinomial logistic regression.

Fine-tuning follows the findings, and their loss bends the features while a region head is still chasing them. On
features that stand still its last layer is a convex problem with one answer.
"""

from __future__ import annotations

import math
import warnings

import keras
import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler

from networks.classifier import RadiographClassifier
from trainer.datasets import UNKNOWN
from trainer.recipes.recipe import Refit
from trainer.training.calibration import fit_shift, logits_of
from trainer.training.train import PREDICT_BATCH, Split, predict

ITERATIONS = 500
# A label without a training image is never the answer.
NEVER = -30.0

Floats = NDArray[np.float32]


def refit_heads(
    classifier: RadiographClassifier, refits: dict[str, Refit], *, training: Split, validation: Split
) -> dict[str, float]:
    """Replace the named heads' last layers in place; the inverse regularisation that was chosen for each.

    The strength is the one with the lowest log loss on `validation`. Images are seen plain and mirrored.
    """
    if not refits:
        return {}
    extractor = classifier.feature_extractor()
    plain, mirrored = (_features(extractor, pixels) for pixels in (training.images.pixels, _Mirrored(training)))
    seen = np.concatenate([plain, mirrored])
    unseen = _features(extractor, validation.images.pixels)
    return {
        name: _refit(
            classifier.head_chain(name),
            refit,
            seen=(seen, np.tile(training.targets[name], 2)),
            unseen=(unseen, validation.targets[name]),
        )
        for name, refit in refits.items()
    }


def centre_findings(classifier: RadiographClassifier, *, validation: Split) -> dict[str, float]:
    """Add to the last bias of every label of a sigmoid head what Platt scaling on `validation` asks for; by label."""
    outputs = predict(classifier, validation.images.pixels)
    shifts: dict[str, float] = {}
    for head in classifier.heads:
        if head.kind != "sigmoid":
            continue
        logits = logits_of(outputs[head.name].astype(np.float64), kind="sigmoid")
        known = validation.targets[head.name]
        own = [fit_shift(logits[:, index], known[:, index]) for index in range(len(head.labels))]
        last = next(layer for layer in reversed(classifier.head_chain(head.name)) if layer.weights)
        *others, bias = last.get_weights()
        last.set_weights([*others, bias + np.array(own, dtype=bias.dtype)])
        shifts |= dict(zip(head.labels, own, strict=True))
    return shifts


class _Mirrored(keras.utils.PyDataset):  # type: ignore[misc] # Keras ships no types
    """The training images, left and right exchanged, in batches: the array itself may not fit into memory twice."""

    def __init__(self, split: Split) -> None:
        super().__init__()
        self._pixels = split.images.pixels

    def __len__(self) -> int:
        return math.ceil(len(self._pixels) / PREDICT_BATCH)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        batch = self._pixels[index * PREDICT_BATCH : (index + 1) * PREDICT_BATCH]
        return np.ascontiguousarray(batch[:, :, ::-1])


def _features(extractor: keras.Model, images: NDArray[np.uint8] | _Mirrored) -> Floats:
    return np.asarray(extractor.predict(images, batch_size=PREDICT_BATCH, verbose=0), dtype=np.float32)


def _refit(
    chain: list[keras.layers.Layer],
    refit: Refit,
    *,
    seen: tuple[Floats, NDArray[np.int64]],
    unseen: tuple[Floats, NDArray[np.int64]],
) -> float:
    logits = next(layer for layer in chain if isinstance(layer, keras.layers.Dense))
    (x, y), (x_val, y_val) = _known(*seen), _known(*unseen)
    scaler = StandardScaler().fit(x)
    fitted: list[tuple[float, float, LogisticRegression]] = []
    for strength in refit.inverse_regularisation:
        with warnings.catch_warnings():
            # Not yet at the optimum is no fault here: the validation split judges what came out.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = LogisticRegression(C=strength, max_iter=ITERATIONS).fit(scaler.transform(x), y)
        judged = np.isin(y_val, model.classes_)
        probabilities = model.predict_proba(scaler.transform(x_val[judged]))
        fitted.append((float(log_loss(y_val[judged], probabilities, labels=model.classes_)), strength, model))
    _, strength, model = min(fitted, key=lambda entry: entry[0])
    kernel, bias = logits.get_weights()
    kernel[:], bias[:] = 0.0, NEVER
    # Two classes give one row of coefficients: that of the second.
    rows = model.coef_ if len(model.classes_) > 2 else np.concatenate([-model.coef_, model.coef_]) / 2
    offsets = model.intercept_ if len(model.classes_) > 2 else np.concatenate([-model.intercept_, model.intercept_]) / 2
    scaled = rows / scaler.scale_
    kernel[:, model.classes_] = scaled.T
    bias[model.classes_] = offsets - scaled @ scaler.mean_
    logits.set_weights([kernel, bias])
    return strength


def _known(features: Floats, labels: NDArray[np.int64]) -> tuple[Floats, NDArray[np.int64]]:
    known = labels != UNKNOWN
    return features[known], labels[known]
