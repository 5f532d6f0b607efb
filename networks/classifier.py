"""RadiographClassifier: one grey radiograph in, one output a head out. A flat functional Keras model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import keras

from networks.backbones import backbone as find_backbone
from networks.backbones import scale_pixels

FEATURES = "features"
POOLED = "pooled"
RANDOM_SEED = 20


@dataclass(frozen=True, slots=True)
class HeadSpec:
    """A head: `kind` sigmoid (labels on their own) or softmax (labels exclude each other); outputs in `labels`' order.

    `batch_normalisation`, then one Dense + ReLU layer each of `hidden`, then `dropout`, then the Dense logits.
    """

    name: str
    kind: Literal["sigmoid", "softmax"]
    labels: tuple[str, ...]
    batch_normalisation: bool = False
    hidden: tuple[int, ...] = ()
    dropout: float = 0.0


@keras.saving.register_keras_serializable(package="lucency")
class RadiographClassifier(keras.Model):  # type: ignore[misc] # Keras ships no types
    """(n, size, size, 1) uint8 → {head name: (n, labels) float32 probabilities}, uncalibrated.

    Grey → RGB and the backbone's pixel scaling are its first layers. Every head hangs on the global average of the same
    features, and its last layers compute in float32 whatever the policy is.
    """

    def __init__(self, *, backbone: str, size: int, heads: Sequence[HeadSpec | dict[str, Any]], **kwargs: Any) -> None:
        specs = tuple(_head_spec(head) for head in heads)
        base = find_backbone(backbone)

        # === Layers ===
        features = keras.layers.Identity(name=FEATURES)
        pooling = keras.layers.GlobalAveragePooling2D(name=POOLED, dtype="float32")
        chains = {spec.name: _head_layers(spec) for spec in specs}

        # === Functional model ===
        image = keras.Input((size, size, 1), dtype="uint8", name="image")
        pooled = pooling(features(base.build(scale_pixels(image, base.scaling))))
        outputs = {}
        for spec in specs:
            tensor = pooled
            for layer in chains[spec.name]:
                tensor = layer(tensor)
            outputs[spec.name] = tensor
        super().__init__(inputs=image, outputs=outputs, **kwargs)

        # === Config ===
        self.backbone_name = backbone
        self.size = size
        self.heads = specs
        self.chain_names = {name: [layer.name for layer in chain] for name, chain in chains.items()}

    def get_config(self) -> dict[str, Any]:
        return {
            "backbone": self.backbone_name,
            "size": self.size,
            "heads": [asdict(head) for head in self.heads],
            "name": self.name,
            "trainable": self.trainable,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> RadiographClassifier:  # noqa: ARG003
        return cls(**config)

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels in the order of the heads."""
        return tuple(label for head in self.heads for label in head.labels)

    def head_chain(self, name: str) -> list[keras.layers.Layer]:
        """A head's layers from the pooled features to its probabilities, in order."""
        return [self.get_layer(layer) for layer in self.chain_names[name]]

    def head_names(self) -> set[str]:
        """The names of the layers after the features: those that a frozen backbone leaves to train."""
        return {layer for chain in self.chain_names.values() for layer in chain}

    def feature_extractor(self) -> keras.Model:
        """The same layers from the image to the pooled features: (n, size, size, 1) uint8 → (n, channels)."""
        return keras.Model(self.inputs[0], self.get_layer(POOLED).output, name="feature_extractor")

    def head_model(self) -> keras.Model:
        """The same layers from the pooled features to the outputs: (n, channels) → {head: (n, labels)}."""
        pooled = keras.Input(self.get_layer(POOLED).output.shape[1:], name="pooled_features")
        outputs = {}
        for head in self.heads:
            tensor = pooled
            for layer in self.head_chain(head.name):
                tensor = layer(tensor)
            outputs[head.name] = tensor
        return keras.Model(pooled, outputs, name="heads")


def _head_spec(head: HeadSpec | dict[str, Any]) -> HeadSpec:
    if isinstance(head, HeadSpec):
        return head
    return HeadSpec(**{**head, "labels": tuple(head["labels"]), "hidden": tuple(head.get("hidden", ()))})


def _head_layers(spec: HeadSpec) -> list[keras.layers.Layer]:
    layers: list[keras.layers.Layer] = []
    if spec.batch_normalisation:
        layers.append(keras.layers.BatchNormalization(name=f"{spec.name}_bn", dtype="float32"))
    for index, units in enumerate(spec.hidden):
        layers.append(keras.layers.Dense(units, activation="relu", name=f"{spec.name}_hidden{index}", dtype="float32"))
    if spec.dropout:
        layers.append(keras.layers.Dropout(spec.dropout, seed=RANDOM_SEED, name=f"{spec.name}_dropout"))
    layers.append(keras.layers.Dense(len(spec.labels), name=f"{spec.name}_logits", dtype="float32"))
    layers.append(keras.layers.Activation(spec.kind, name=spec.name, dtype="float32"))
    return layers
