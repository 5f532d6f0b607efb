"""Grad-CAM of every label in the forward pass (Selvaraju et al. 2017, arXiv 1610.02391).

A label's map is ReLU(Σ_k α_k A_k) with α_k the spatial mean of ∂y/∂A_k, where y is the label's logit (before sigmoid
or softmax). Behind a global average pooling of Z positions y depends on A_k only through g_k = mean(A_k), so that
α_k = ∂y/∂g_k / Z at every position: the gradient of a head of Dense, ReLU and BatchNormalization layers is a product of
their matrices, scales and masks. It is written here as forward operations; no gradient tape, nothing that a serving
graph cannot hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from networks.classifier import FEATURES, POOLED, RadiographClassifier


class ExplainedClassifier(keras.Model):  # type: ignore[misc] # Keras ships no types
    """(n, size, size, 1) uint8 → {"probabilities": (n, L), "class_activations": (n, L, gh, gw)}, float32.

    What is served: calibrated probabilities (`temperatures` by head name divide the logits) and the raw Grad-CAM of all
    labels, in the order of the classifier's heads. It shares the classifier's layers and weights, and is never saved.
    """

    def __init__(self, classifier: RadiographClassifier, *, temperatures: Mapping[str, float]) -> None:
        super().__init__(name="explained_classifier")
        self.trunk = keras.Model(
            classifier.inputs[0], [classifier.get_layer(FEATURES).output, classifier.get_layer(POOLED).output]
        )
        self.chains = [(head, classifier.head_chain(head.name)) for head in classifier.heads]
        self.temperatures = dict(temperatures)

    def call(self, image: Any) -> dict[str, Any]:
        features, pooled = self.trunk(image, training=False)
        features = ops.cast(features, "float32")
        probabilities, weights = [], []
        for head, chain in self.chains:
            logits, gradient = logits_and_gradient(chain, pooled)
            scaled = logits / self.temperatures.get(head.name, 1.0)
            probabilities.append(ops.sigmoid(scaled) if head.kind == "sigmoid" else ops.softmax(scaled))
            weights.append(gradient)
        return {
            "probabilities": ops.concatenate(probabilities, axis=-1),
            "class_activations": class_activations(features, weights),
        }


def logits_and_gradient(chain: list[keras.layers.Layer], pooled: Any) -> tuple[Any, Any]:
    """A head's logits (n, L) and their gradient with respect to its input: (n, L, channels), or (1, L, channels) where
    the head is linear and the gradient the same for every image.

    `chain` is the head's layers, the last of which is the activation. Raises TypeError for a layer that is none of
    Dense (linear or ReLU), BatchNormalization, ReLU, Dropout.
    """
    tensor = pooled
    backward = []  # per layer, what it does to the gradient on the way back
    for layer in chain[:-1]:
        tensor, step = _forward(layer, tensor)
        backward.append(step)
    gradient = ops.expand_dims(ops.eye(tensor.shape[-1], dtype="float32"), 0)
    for step in reversed(backward):
        gradient = step(gradient)
    return tensor, gradient


def class_activations(features: Any, gradients: list[Any]) -> Any:
    """(n, gh, gw, K) features and each head's gradient with respect to their mean → (n, L, gh, gw) Grad-CAM, ReLU'd."""
    _, rows, columns, channels = features.shape
    flat = ops.reshape(features, (-1, rows * columns, channels))
    maps = []
    for gradient in gradients:
        if gradient.shape[0] == 1:  # the same for every image: one matrix product over all positions
            maps.append(ops.transpose(ops.matmul(flat, ops.transpose(gradient[0])), (0, 2, 1)))
        else:
            maps.append(ops.matmul(gradient, ops.transpose(flat, (0, 2, 1))))
    stacked = ops.concatenate(maps, axis=1) if len(maps) > 1 else maps[0]
    stacked = ops.relu(stacked / float(rows * columns))
    return ops.reshape(stacked, (-1, stacked.shape[1], rows, columns))


def _forward(layer: keras.layers.Layer, tensor: Any) -> tuple[Any, Any]:
    if isinstance(layer, keras.layers.Dropout):
        return tensor, lambda gradient: gradient
    if isinstance(layer, keras.layers.BatchNormalization):
        return layer(tensor, training=False), lambda gradient: gradient * _normalisation_scale(layer)
    if isinstance(layer, keras.layers.ReLU) and not layer.max_value and not layer.negative_slope:
        mask = ops.expand_dims(ops.cast(tensor > 0, "float32"), 1)
        return layer(tensor), lambda gradient: gradient * mask
    if isinstance(layer, keras.layers.Dense):
        return _forward_dense(layer, tensor)
    raise TypeError(f"no gradient is written for the head layer {layer.name} ({type(layer).__name__})")


def _forward_dense(layer: keras.layers.Dense, tensor: Any) -> tuple[Any, Any]:
    output = layer(tensor)
    activation = keras.activations.serialize(layer.activation)
    if activation == "linear":
        return output, lambda gradient: ops.matmul(gradient, ops.transpose(layer.kernel))
    if activation == "relu":
        mask = ops.expand_dims(ops.cast(output > 0, "float32"), 1)
        return output, lambda gradient: ops.matmul(gradient * mask, ops.transpose(layer.kernel))
    raise TypeError(f"no gradient is written for the activation {activation} of {layer.name}")


def _normalisation_scale(layer: keras.layers.BatchNormalization) -> Any:
    scale = ops.rsqrt(layer.moving_variance + layer.epsilon)
    return scale * layer.gamma if layer.scale else scale
