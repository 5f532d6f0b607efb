"""Backbones: convolutional networks without their classifier, built into a caller's functional graph.

Each takes grey-as-RGB pixels 0–255 and applies its own pixel scaling first, so that no caller can feed the wrong range.
Keras operations only: any Keras backend runs them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from core.errors import DataInvalid

# EfficientNet-Lite0 (Tan & Le 2019, arXiv 1905.11946; the Lite form has ReLU6 and no squeeze-and-excitation):
# kernel, stride of the first block, expansion, output channels, blocks.
LITE0_STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)


@dataclass(frozen=True, slots=True)
class Backbone:
    """`scale` and `offset` map pixels 0–255 to what the network was pretrained on; `build` adds its layers."""

    name: str
    scale: float
    offset: float
    build: Callable[[Any], Any]


def backbone(name: str) -> Backbone:
    """The backbone of this name. Raises DataInvalid for an unknown one."""
    try:
        return BACKBONES[name]
    except KeyError:
        raise DataInvalid(f"unknown backbone {name!r}; there are {', '.join(sorted(BACKBONES))}") from None


def load_weights(model: keras.Model, file: Path) -> int:
    """Copy the weights of a saved Keras model into the layers of `model` that have the same names; their number.

    Raises DataInvalid where the file cannot be read, or one of its layers with weights has no counterpart.
    """
    try:
        source = keras.models.load_model(file, compile=False)
    except (OSError, ValueError) as error:
        raise DataInvalid(f"{file.name} is no Keras model that can be read") from error
    targets = {layer.name: layer for layer in model.layers}
    copied = 0
    for layer in source.layers:
        if not layer.weights:
            continue
        target = targets.get(layer.name)
        if target is None or [w.shape for w in target.weights] != [w.shape for w in layer.weights]:
            raise DataInvalid(f"{file.name}: the network has no layer like {layer.name}")
        target.set_weights(layer.get_weights())
        copied += 1
    return copied


def _normalised(tensor: Any, prefix: str) -> Any:
    return keras.layers.BatchNormalization(epsilon=1e-3, name=f"{prefix}_bn")(tensor)


def _convolution(tensor: Any, filters: int, kernel: int, name: str, *, strides: int = 1) -> Any:
    layer = keras.layers.Conv2D(filters, kernel, strides=strides, padding="same", use_bias=False, name=f"{name}_conv")
    return _normalised(layer(tensor), name)


def _activated(tensor: Any, name: str) -> Any:
    return keras.layers.ReLU(max_value=6.0, name=name)(tensor)


def _inverted_residual(tensor: Any, index: int, *, kernel: int, stride: int, expansion: int, filters: int) -> Any:
    """MobileNetV2's block: expand 1×1, depthwise, project 1×1, and a shortcut where the shapes agree."""
    name, channels, entry = f"block{index}", tensor.shape[-1], tensor
    if expansion != 1:
        expand = keras.layers.Conv2D(channels * expansion, 1, use_bias=False, name=f"{name}_expand_conv")
        tensor = _activated(_normalised(expand(tensor), f"{name}_expand"), f"{name}_expand_relu")
    depthwise = keras.layers.DepthwiseConv2D(
        kernel, strides=stride, padding="same", use_bias=False, name=f"{name}_dwconv"
    )
    tensor = _activated(_normalised(depthwise(tensor), name), f"{name}_relu")
    project = keras.layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_project_conv")
    tensor = _normalised(project(tensor), f"{name}_project")
    if stride == 1 and channels == filters:
        tensor = keras.layers.Add(name=f"{name}_add")([entry, tensor])
    return tensor


def _efficientnet_lite0(tensor: Any) -> Any:
    """(n, h, w, 3) → (n, ⌈h/32⌉, ⌈w/32⌉, 1280)."""
    tensor = _activated(_convolution(tensor, 32, 3, "stem", strides=2), "stem_relu")
    index = itertools.count()
    for kernel, stride, expansion, filters, blocks in LITE0_STAGES:
        for block in range(blocks):
            tensor = _inverted_residual(
                tensor,
                next(index),
                kernel=kernel,
                stride=stride if block == 0 else 1,
                expansion=expansion,
                filters=filters,
            )
    return _activated(_convolution(tensor, 1280, 1, "top"), "top_activation")


def _tiny(tensor: Any) -> Any:
    """(n, h, w, 3) → (n, h/8, w/8, 16): three convolutions, for tests and dry runs."""
    for index, filters in enumerate((8, 12, 16)):
        tensor = _activated(_convolution(tensor, filters, 3, f"tiny{index}", strides=2), f"tiny{index}_relu")
    return tensor


BACKBONES = {
    entry.name: entry
    for entry in (
        Backbone("efficientnet_lite0", scale=1 / 128, offset=-127 / 128, build=_efficientnet_lite0),
        Backbone("tiny", scale=1 / 128, offset=-127 / 128, build=_tiny),
    )
}
