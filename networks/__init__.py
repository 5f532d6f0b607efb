"""Backbones, classifiers, the Bundle and the engines that run it."""

import core.settings  # noqa: F401 - it silences the engines, which must not have loaded before
