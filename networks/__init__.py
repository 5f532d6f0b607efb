"""Backbones, classifiers, the Bundle and the engines that run it."""

import core.settings  # noqa: F401 - it silences ONNX Runtime, which must not have loaded before
