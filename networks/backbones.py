"""Backbones: convolutional networks without their classifier, built into a caller's functional graph.

Each takes grey-as-RGB pixels 0–255 and says which pixel scaling it was pretrained with, so that no caller can feed the
wrong range. Those of `keras.applications` are built layer by layer into the same flat graph. Keras operations only: any
Keras backend runs them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
from keras import applications

from core.errors import DataInvalid
from networks.efficientnet_lite import activated, efficientnet_lite, normalised_convolution

Channels = tuple[float, float, float]

# Of ImageNet, of pixels 0–1, red first (`torch` mode of keras.applications), and of pixels 0–255, blue first (`caffe`).
IMAGENET_MEAN: Channels = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION: Channels = (0.229, 0.224, 0.225)
CAFFE_MEAN: Channels = (103.939, 116.779, 123.68)


@dataclass(frozen=True, slots=True)
class PixelScaling:
    """pixel · `scale` + `offset`, one number each or one a channel."""

    scale: float | Channels
    offset: float | Channels


@dataclass(frozen=True, slots=True)
class Backbone:
    """`scaling` maps pixels 0–255 to what the network was pretrained on; `build` adds its layers to a tensor.

    `pretrained` makes the same network of keras.applications, with their ImageNet weights (`"imagenet"`, downloaded) or
    random ones (None); a backbone of our own has none.
    """

    name: str
    scaling: PixelScaling
    build: Callable[[Any], Any]
    pretrained: Callable[[str | None], keras.Model] | None = None


def backbone(name: str) -> Backbone:
    """The backbone of this name. Raises DataInvalid for an unknown one."""
    try:
        return BACKBONES[name]
    except KeyError:
        raise DataInvalid(f"unknown backbone {name!r}; there are {', '.join(sorted(BACKBONES))}") from None


def scale_pixels(image: Any, scaling: PixelScaling) -> Any:
    """(n, h, w, 1) uint8 → (n, h, w, 3), scaled; by layers of fixed names.

    Grey has equal channels: where a network wants blue first, only the order of the means shows it.
    """
    rgb = keras.layers.Concatenate(name="grey_to_rgb")
    layer = keras.layers.Rescaling(_plain(scaling.scale), _plain(scaling.offset), name="pixel_scaling")
    if isinstance(scaling.scale, float) and isinstance(scaling.offset, float):
        scaled = layer(image)
        return rgb([scaled, scaled, scaled])
    return layer(rgb([image, image, image]))


def _plain(value: float | Channels) -> float | list[float]:
    return value if isinstance(value, float) else list(value)


def _custom_cnn(tensor: Any) -> Any:
    """(n, h, w, 3) → (n, ⌊h/16⌋, ⌊w/16⌋, 256): four blocks of convolution, BatchNormalization, ReLU, max pooling."""
    for index, filters in enumerate((32, 64, 128, 256)):
        name = f"custom{index}"
        tensor = keras.layers.ReLU(name=f"{name}_relu")(normalised_convolution(tensor, filters, 3, name))
        tensor = keras.layers.MaxPooling2D(name=f"{name}_pool")(tensor)
    return tensor


def _tiny(tensor: Any) -> Any:
    """(n, h, w, 3) → (n, h/8, w/8, 16): three convolutions, for tests and dry runs."""
    for index, filters in enumerate((8, 12, 16)):
        tensor = activated(normalised_convolution(tensor, filters, 3, f"tiny{index}", strides=2), f"tiny{index}_relu")
    return tensor


def _applied(
    name: str, scaling: PixelScaling, make: Callable[..., keras.Model], *, first: str | None = None
) -> Backbone:
    """A network of keras.applications, from its layer `first` on where what stands before only scales pixels."""

    def build(tensor: Any) -> Any:
        if first is None:
            return make(include_top=False, weights=None, input_tensor=tensor).output
        whole = make(include_top=False, weights=None, input_shape=tuple(tensor.shape[1:]))
        # `call`, not the function itself: that would be one opaque layer.
        return keras.Function(whole.get_layer(first).input, whole.output).call(tensor)

    def pretrained(weights: str | None) -> keras.Model:
        return make(include_top=False, weights=weights, input_shape=(224, 224, 3))

    return Backbone(name, scaling, build, pretrained)


LITE = PixelScaling(1 / 128, -127 / 128)
UNIT = PixelScaling(1 / 255, 0.0)
SIGNED = PixelScaling(1 / 127.5, -1.0)
CAFFE = PixelScaling(1.0, (-CAFFE_MEAN[0], -CAFFE_MEAN[1], -CAFFE_MEAN[2]))


def _standardised() -> PixelScaling:
    """(pixel / 255 − mean) / deviation."""
    scale = [1 / 255 / deviation for deviation in IMAGENET_DEVIATION]
    offset = [-mean / deviation for mean, deviation in zip(IMAGENET_MEAN, IMAGENET_DEVIATION, strict=True)]
    return PixelScaling((scale[0], scale[1], scale[2]), (offset[0], offset[1], offset[2]))


TORCH = _standardised()

BACKBONES = {
    entry.name: entry
    for entry in (
        Backbone("efficientnet_lite0", LITE, efficientnet_lite),
        Backbone("efficientnet_lite2", LITE, partial(efficientnet_lite, width=1.1, depth=1.2)),
        Backbone("custom_cnn", UNIT, _custom_cnn),
        Backbone("tiny", LITE, _tiny),
        # Keras' own first layers take their statistics from the downloaded file, and divide by their root twice.
        _applied("efficientnetb0", TORCH, applications.EfficientNetB0, first="stem_conv_pad"),
        _applied("efficientnetb1", TORCH, applications.EfficientNetB1, first="stem_conv_pad"),
        _applied("densenet121", TORCH, applications.DenseNet121),
        _applied("densenet169", TORCH, applications.DenseNet169),
        _applied("mobilenetv2", SIGNED, applications.MobileNetV2),
        _applied("mobilenetv2_035", SIGNED, partial(applications.MobileNetV2, alpha=0.35)),
        _applied("resnet50", CAFFE, applications.ResNet50),
        _applied("vgg16", CAFFE, applications.VGG16),
    )
}
