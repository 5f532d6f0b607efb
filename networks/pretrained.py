"""Weights for a backbone: from a file, or from what keras.applications downloads. Never silently random."""

from __future__ import annotations

from pathlib import Path

import keras

from core.errors import DataInvalid
from networks.backbones import Backbone, backbone
from networks.classifier import RadiographClassifier

HDF5 = {".h5", ".hdf5"}
SIDE = 224


def load_weights(classifier: RadiographClassifier, file: Path) -> int:
    """Copy the backbone weights of `file` into `classifier`; the number of layers that took some.

    A saved Keras model (.keras; of a classifier of ours the backbone's layers), or the weights alone (.weights.h5, .h5)
    as Keras or keras.applications write them.
    Raises DataInvalid where the file cannot be read, or one of its layers with weights has no counterpart.
    """
    source = _from_hdf5(classifier.backbone_name, file) if file.suffix in HDF5 else _saved_model(file)
    return _copy(source, classifier, origin=file.name)


def download_weights(classifier: RadiographClassifier) -> int:
    """As `load_weights`, with the ImageNet weights of keras.applications, from Keras' cache or downloaded.

    Raises DataInvalid where there are none for this backbone, or they cannot be had.
    """
    name = classifier.backbone_name
    pretrained = backbone(name).pretrained
    if pretrained is None:
        raise DataInvalid(f"keras.applications has no {name}: give its weights with --weights FILE")
    try:
        source = pretrained("imagenet")
    except Exception as error:
        raise DataInvalid(
            f"the ImageNet weights of {name} could not be downloaded: give them with --weights FILE, or train from "
            "scratch with --weights random"
        ) from error
    return _copy(source, classifier, origin="ImageNet")


def _saved_model(file: Path) -> keras.Model:
    try:
        return keras.models.load_model(file, compile=False)
    except (OSError, ValueError) as error:
        raise DataInvalid(f"{file.name} is no Keras model that can be read") from error


def _from_hdf5(name: str, file: Path) -> keras.Model:
    """The backbone on its own with the weights of `file`."""
    model = _alone(backbone(name))
    try:
        model.load_weights(file)
    except (OSError, KeyError, ValueError) as error:
        raise DataInvalid(
            f"{file.name} cannot be read, or holds no weights of {name} without its classifier"
        ) from error
    return model


def _alone(base: Backbone) -> keras.Model:
    if base.pretrained is not None:
        return base.pretrained(None)
    image = keras.Input((SIDE, SIDE, 3))
    return keras.Model(image, base.build(image))


def _copy(source: keras.Model, classifier: keras.Model, *, origin: str) -> int:
    targets = {layer.name: layer for layer in classifier.layers}
    heads = source.head_names() if isinstance(source, RadiographClassifier) else set()
    copied = 0
    for layer in source.layers:
        # A Normalization holds the pixel statistics, which our pixel scaling applies itself.
        if not layer.weights or layer.name in heads or isinstance(layer, keras.layers.Normalization):
            continue
        target = targets.get(layer.name)
        if target is None or [w.shape for w in target.weights] != [w.shape for w in layer.weights]:
            raise DataInvalid(f"{origin}: the network has no layer like {layer.name}")
        target.set_weights(layer.get_weights())
        copied += 1
    return copied
