"""Grad-CAM of every label in the forward pass (Selvaraju et al. 2017, arXiv 1610.02391).

A label's map is ReLU(Σ_k α_k A_k) with α_k the spatial mean of ∂y/∂A_k, where y is the label's logit (before sigmoid
or softmax). Behind a global average pooling of Z positions y depends on A_k only through g_k = mean(A_k), so that
α_k = ∂y/∂g_k / Z at every position: the gradient of a head of Dense, ReLU and BatchNormalization layers is a product of
their matrices, scales and masks. It is written here as forward operations; no gradient tape, nothing that a serving
graph cannot hold.

A marginal sums softmax probabilities. Its y is the logit of that sum, times the temperature T as for every label:
T·(log Σ_members e^{z/T} − log Σ_others e^{z/T}), whose gradient is the members' gradients weighted by their softmax
among themselves, minus the others' likewise. Before the ReLU a map is linear in the gradient: the weights combine maps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from networks.classifier import FEATURES, POOLED, TOP, HeadSpec, RadiographClassifier
from networks.manifest import Marginal
from networks.neck import PeakPooling

# Added to a logit, it leaves nothing of it in a softmax, and is exact in float32.
NOTHING = -1e9


class ExplainedClassifier(keras.Model):  # type: ignore[misc] # Keras ships no types
    """(n, size, size, 1) uint8 → {"probabilities": (n, L), "class_activations": (n, L, gh, gw), "features": (n, C)},
    float32.

    What is served: calibrated probabilities (`temperatures` by head name divide the logits), the raw Grad-CAM of all
    labels, in the order of the classifier's heads and then of `marginals`, and the pooled features. It shares the
    classifier's layers and weights, and is never saved.
    """

    def __init__(
        self,
        classifier: RadiographClassifier,
        *,
        temperatures: Mapping[str, float],
        marginals: Sequence[Marginal] = (),
    ) -> None:
        super().__init__(name="explained_classifier")
        top = FEATURES if classifier.neck is None else TOP
        self.trunk = keras.Model(
            classifier.inputs[0], [classifier.get_layer(name).output for name in (FEATURES, top, POOLED)]
        )
        self.chains = [(head, classifier.head_chain(head.name)) for head in classifier.heads]
        self.temperatures = dict(temperatures)
        self.marginals = tuple(marginals)

    def call(self, image: Any) -> dict[str, Any]:
        features, top, pooled = self.trunk(image, training=False)
        features, top = ops.cast(features, "float32"), ops.cast(top, "float32")
        outputs, maps = {}, {}
        for head, chain in self.chains:
            if head.peaks:
                logits, maps[head.name] = peak_logits_and_maps(chain, features)
            else:
                logits, gradient = logits_and_gradient(chain, pooled)
                maps[head.name] = _enlarged(unrectified_maps(top, gradient), top, features)
            outputs[head.name] = logits / self.temperatures.get(head.name, 1.0)
        probabilities = [_probabilities(head.kind, outputs[head.name]) for head, _ in self.chains]
        activations = [maps[head.name] for head, _ in self.chains]
        for marginal in self.marginals:
            mask = _mask(next(head for head, _ in self.chains if head.name == marginal.head), marginal)
            summed = ops.sum(ops.softmax(outputs[marginal.head]) * mask, axis=-1, keepdims=True)
            probabilities.append(ops.clip(summed, 0.0, 1.0))
            weights = ops.expand_dims(marginal_weights(outputs[marginal.head], mask), 1)
            activations.append(ops.matmul(weights, maps[marginal.head]))
        stacked = ops.relu(ops.concatenate(activations, axis=1))
        return {
            "probabilities": ops.concatenate(probabilities, axis=-1),
            "class_activations": ops.reshape(stacked, (-1, stacked.shape[1], *features.shape[1:3])),
            "features": ops.cast(pooled, "float32"),
        }


def marginal_weights(logits: Any, mask: Any) -> Any:
    """(n, L) calibrated logits and the (1, L) mask of a marginal's members → (n, L): the weights of the labels'
    gradients in the marginal's own.
    """
    members = ops.softmax(logits + NOTHING * (1.0 - mask))
    others = ops.softmax(logits + NOTHING * mask)
    return members - others


def unrectified_maps(features: Any, gradient: Any) -> Any:
    """(n, gh, gw, K) features and a head's gradient with respect to their mean → (n, L, gh·gw) Grad-CAM before ReLU."""
    _, rows, columns, channels = features.shape
    flat = ops.reshape(features, (-1, rows * columns, channels))
    if gradient.shape[0] == 1:  # the same for every image: one matrix product over all positions
        maps = ops.transpose(ops.matmul(flat, ops.transpose(gradient[0])), (0, 2, 1))
    else:
        maps = ops.matmul(gradient, ops.transpose(flat, (0, 2, 1)))
    return maps / float(rows * columns)


def peak_logits_and_maps(chain: list[keras.layers.Layer], features: Any) -> tuple[Any, Any]:
    """From the neck's (n, gh, gw, K) features a peaking head's logits (n, L) and Grad-CAM before ReLU (n, L, gh·gw).

    ∂y/∂A = p·w with w the linear map's weights of a label and p the softmax over the places; p sums to 1, so that the
    spatial mean α is w / Z, and Σ α_k A_k is the evidence itself divided by Z.
    """
    tensor, maps = features, None
    for layer in chain[:-1]:
        if isinstance(layer, keras.layers.Dropout):
            continue
        if isinstance(layer, PeakPooling):
            _, rows, columns, labels = tensor.shape
            maps = ops.transpose(ops.reshape(tensor, (-1, rows * columns, labels)), (0, 2, 1)) / float(rows * columns)
        elif not isinstance(layer, keras.layers.Dense) or keras.activations.serialize(layer.activation) != "linear":
            raise TypeError(f"a peaking head has a linear map alone, not {layer.name} ({type(layer).__name__})")
        tensor = layer(tensor)
    return tensor, maps


def _enlarged(maps: Any, top: Any, features: Any) -> Any:
    """(n, L, th·tw) maps of the backbone's grid on the neck's, each cell repeated."""
    (rows, columns), (want_rows, want_columns) = top.shape[1:3], features.shape[1:3]
    if (rows, columns) == (want_rows, want_columns):
        return maps
    grid = ops.reshape(maps, (-1, maps.shape[1], rows, columns))
    grid = ops.repeat(grid, -(-want_rows // rows), axis=2)[:, :, :want_rows]
    grid = ops.repeat(grid, -(-want_columns // columns), axis=3)[:, :, :, :want_columns]
    return ops.reshape(grid, (-1, maps.shape[1], want_rows * want_columns))


def _probabilities(kind: str, logits: Any) -> Any:
    return ops.sigmoid(logits) if kind == "sigmoid" else ops.softmax(logits)


def _mask(head: HeadSpec, marginal: Marginal) -> Any:
    return np.array([[label in marginal.members for label in head.labels]], dtype=np.float32)


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
