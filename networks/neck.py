"""A neck: fine features from a backbone's coarse ones, and how a head reads a label off one place of them.

Fractures are small: half of the boxes of FracAtlas are narrower than 36 of 512 pixels, so that the highest cell of a
stride-32 grid can hardly lie in one. The neck brings what the deep layers know to a finer grid (feature pyramid, Lin et
al. 2017, arXiv 1612.03144).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

MOMENTUM = 0.97


def pyramid(levels: Sequence[Any], *, channels: int) -> Any:
    """`levels`, fine to coarse, each (n, hᵢ, wᵢ, cᵢ) with hᵢ = ⌈h₀ / 2ⁱ⌉ → (n, h₀, w₀, channels), not negative.

    From the coarsest level on: brought to `channels`, doubled in size, added to the next finer level, and smoothed by a
    depthwise separable convolution. At last each place is averaged with its neighbours: a single cell's accident is not
    where the fracture is.
    """
    merged = None
    for index, level in reversed(list(enumerate(levels))):
        name = f"neck{index}"
        lateral = _normalised(
            keras.layers.Conv2D(channels, 1, use_bias=False, name=f"{name}_lateral_conv")(level), name
        )
        if merged is not None:
            larger = keras.layers.UpSampling2D(2, name=f"{name}_enlarge")(merged)
            surplus = [(0, have - want) for have, want in zip(larger.shape[1:3], level.shape[1:3], strict=True)]
            if any(itertools.chain.from_iterable(surplus)):
                larger = keras.layers.Cropping2D(surplus, name=f"{name}_crop")(larger)
            lateral = keras.layers.Add(name=f"{name}_add")([lateral, larger])
        merged = _smoothed(keras.layers.ReLU(name=f"{name}_relu")(lateral), channels, name)
    return keras.layers.AveragePooling2D(3, strides=1, padding="same", name="neck_average")(merged)


@keras.saving.register_keras_serializable(package="lucency")
class PeakPooling(keras.layers.Layer):  # type: ignore[misc] # Keras ships no types
    """(n, h, w, L) evidence of each place → (n, L) logits: log Σ exp over the places, and one bias a label.

    One strong place is enough, as one fracture is. The gradient with respect to the places sums to 1, so that behind a
    linear map Grad-CAM's weights are the map's own weights divided by the number of places, whatever the image.
    """

    def build(self, input_shape: Sequence[int | None]) -> None:
        _, rows, columns, labels = input_shape
        # No evidence anywhere is a logit of −2: about the share of positives that is usual.
        start = -2.0 - math.log((rows or 1) * (columns or 1))
        self.bias = self.add_weight(shape=(labels,), initializer=keras.initializers.Constant(start), name="bias")

    def call(self, evidence: Any) -> Any:
        return ops.logsumexp(evidence, axis=(1, 2)) + self.bias


def _smoothed(tensor: Any, channels: int, name: str) -> Any:
    layer = keras.layers.SeparableConv2D(channels, 3, padding="same", use_bias=False, name=f"{name}_smooth_conv")
    return keras.layers.ReLU(name=f"{name}_smooth_relu")(_normalised(layer(tensor), f"{name}_smooth"))


def _normalised(tensor: Any, prefix: str) -> Any:
    return keras.layers.BatchNormalization(epsilon=1e-3, momentum=MOMENTUM, name=f"{prefix}_bn")(tensor)
