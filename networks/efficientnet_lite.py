"""EfficientNet-Lite (Tan & Le 2019, arXiv 1905.11946): the form with ReLU6 and without squeeze-and-excitation."""

from __future__ import annotations

import itertools
import math
from typing import Any

import keras

# Of Lite0: kernel, stride of the first block, expansion, output channels, blocks.
STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)


def efficientnet_lite(tensor: Any, *, width: float = 1.0, depth: float = 1.0) -> Any:
    """(n, h, w, 3) → (n, ⌈h/32⌉, ⌈w/32⌉, 1280). Lite0 is 1, 1; Lite2 1.1, 1.2. Stem, top, first and last stage keep
    their size in all of them.
    """
    tensor = activated(normalised_convolution(tensor, 32, 3, "stem", strides=2), "stem_relu")
    index = itertools.count()
    for stage, (kernel, stride, expansion, filters, blocks) in enumerate(STAGES):
        ends = stage in {0, len(STAGES) - 1}
        for block in range(blocks if ends else math.ceil(blocks * depth)):
            tensor = _inverted_residual(
                tensor,
                next(index),
                kernel=kernel,
                stride=stride if block == 0 else 1,
                expansion=expansion,
                filters=_rounded(filters * width),
            )
    return activated(normalised_convolution(tensor, 1280, 1, "top"), "top_activation")


def normalised_convolution(tensor: Any, filters: int, kernel: int, name: str, *, strides: int = 1) -> Any:
    """A convolution `<name>_conv` without bias and its BatchNormalization `<name>_bn`."""
    layer = keras.layers.Conv2D(filters, kernel, strides=strides, padding="same", use_bias=False, name=f"{name}_conv")
    return _normalised(layer(tensor), name)


def activated(tensor: Any, name: str) -> Any:
    """ReLU6."""
    return keras.layers.ReLU(max_value=6.0, name=name)(tensor)


def _rounded(filters: float) -> int:
    """The nearest multiple of 8, unless that takes more than a tenth away."""
    near = max(8, int(filters + 4) // 8 * 8)
    return near + 8 if near < 0.9 * filters else near


def _normalised(tensor: Any, prefix: str) -> Any:
    return keras.layers.BatchNormalization(epsilon=1e-3, name=f"{prefix}_bn")(tensor)


def _inverted_residual(tensor: Any, index: int, *, kernel: int, stride: int, expansion: int, filters: int) -> Any:
    """MobileNetV2's block: expand 1×1, depthwise, project 1×1, and a shortcut where the shapes agree."""
    name, channels, entry = f"block{index}", tensor.shape[-1], tensor
    if expansion != 1:
        expand = keras.layers.Conv2D(channels * expansion, 1, use_bias=False, name=f"{name}_expand_conv")
        tensor = activated(_normalised(expand(tensor), f"{name}_expand"), f"{name}_expand_relu")
    depthwise = keras.layers.DepthwiseConv2D(
        kernel, strides=stride, padding="same", use_bias=False, name=f"{name}_dwconv"
    )
    tensor = activated(_normalised(depthwise(tensor), name), f"{name}_relu")
    project = keras.layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_project_conv")
    tensor = _normalised(project(tensor), f"{name}_project")
    if stride == 1 and channels == filters:
        tensor = keras.layers.Add(name=f"{name}_add")([entry, tensor])
    return tensor
