"""RadiographClassifier: one grey radiograph in, one output a head out. A flat functional Keras model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import keras

from networks.backbones import backbone as find_backbone
from networks.backbones import scale_pixels
from networks.neck import PeakPooling, pyramid

# The explained features, the backbone's last ones, and their global average. Without a neck the first two are one.
FEATURES = "features"
TOP = "top_features"
POOLED = "pooled"
RANDOM_SEED = 20


@dataclass(frozen=True, slots=True)
class HeadSpec:
    """A head: `kind` sigmoid (labels on their own) or softmax (labels exclude each other); outputs in `labels`' order.

    `batch_normalisation`, then one Dense + ReLU layer each of `hidden`, then `dropout`, then the Dense logits. A head
    that `peaks` needs a neck: a linear map of its features gives each place's evidence, and `PeakPooling` the logits.
    """

    name: str
    kind: Literal["sigmoid", "softmax"]
    labels: tuple[str, ...]
    batch_normalisation: bool = False
    hidden: tuple[int, ...] = ()
    dropout: float = 0.0
    peaks: bool = False


@dataclass(frozen=True, slots=True)
class NeckSpec:
    """Features of `channels` on the grid of the finest of the backbone's `layers`, which lead from fine to coarse, each
    half as large as the one before; the backbone's last features come after them.
    """

    layers: tuple[str, ...]
    channels: int


@keras.saving.register_keras_serializable(package="lucency")
class RadiographClassifier(keras.Model):  # type: ignore[misc] # Keras ships no types
    """(n, size, size, 1) uint8 → {head name: (n, labels) float32 probabilities}, uncalibrated.

    Grey → RGB and the backbone's pixel scaling are its first layers. A head hangs on the global average of the
    backbone's features, or, where it peaks, on the neck's; its last layers compute in float32 whatever the policy is.
    """

    def __init__(
        self,
        *,
        backbone: str,
        size: int,
        heads: Sequence[HeadSpec | dict[str, Any]],
        neck: NeckSpec | dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        specs = tuple(_head_spec(head) for head in heads)
        base = find_backbone(backbone)
        neck_spec = _neck_spec(neck)
        if neck_spec is None and any(spec.peaks for spec in specs):
            raise ValueError("a head that peaks needs a neck")

        # === Layers ===
        features = keras.layers.Identity(name=FEATURES)
        pooling = keras.layers.GlobalAveragePooling2D(name=POOLED, dtype="float32")
        chains = {spec.name: _head_layers(spec) for spec in specs}

        # === Functional model ===
        image = keras.Input((size, size, 1), dtype="uint8", name="image")
        last = base.build(scale_pixels(image, base.scaling))
        if neck_spec is None:
            top = fine = features(last)
        else:
            top = keras.layers.Identity(name=TOP)(last)
            inner = keras.Model(image, last)
            levels = [inner.get_layer(name).output for name in neck_spec.layers]
            fine = features(pyramid([*levels, top], channels=neck_spec.channels))
        pooled = pooling(top)
        outputs = {}
        for spec in specs:
            tensor = fine if spec.peaks else pooled
            for layer in chains[spec.name]:
                tensor = layer(tensor)
            outputs[spec.name] = tensor
        super().__init__(inputs=image, outputs=outputs, **kwargs)

        # === Config ===
        self.backbone_name = backbone
        self.size = size
        self.heads = specs
        self.neck = neck_spec
        self.chain_names = {name: [layer.name for layer in chain] for name, chain in chains.items()}

    def get_config(self) -> dict[str, Any]:
        return {
            "backbone": self.backbone_name,
            "size": self.size,
            "heads": [asdict(head) for head in self.heads],
            "neck": None if self.neck is None else asdict(self.neck),
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
        """A head's layers from the pooled features (the neck's, where it peaks) to its probabilities, in order."""
        return [self.get_layer(layer) for layer in self.chain_names[name]]

    def evidence(self, name: str) -> Any:
        """The tensor (n, gh, gw, labels) of a peaking head: the evidence of each place, before it is pooled."""
        return next(layer for layer in self.head_chain(name) if isinstance(layer, keras.layers.Dense)).output

    def head_names(self) -> set[str]:
        """The names of the layers after the backbone: those that a frozen one leaves to train."""
        neck = {layer.name for layer in self.layers if layer.name.startswith("neck")}
        return neck | {layer for chain in self.chain_names.values() for layer in chain}

    def feature_extractor(self) -> keras.Model:
        """The same layers from the image to the pooled features: (n, size, size, 1) uint8 → (n, channels)."""
        return keras.Model(self.inputs[0], self.get_layer(POOLED).output, name="feature_extractor")

    def head_model(self) -> keras.Model:
        """The same layers from the pooled features to the outputs: (n, channels) → {head: (n, labels)}.

        Raises ValueError where a head does not start from them.
        """
        if any(head.peaks for head in self.heads):
            raise ValueError("a head that peaks does not start from the pooled features")
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


def _neck_spec(neck: NeckSpec | dict[str, Any] | None) -> NeckSpec | None:
    if neck is None or isinstance(neck, NeckSpec):
        return neck
    return NeckSpec(layers=tuple(neck["layers"]), channels=neck["channels"])


def _head_layers(spec: HeadSpec) -> list[keras.layers.Layer]:
    layers: list[keras.layers.Layer] = []
    if spec.batch_normalisation:
        layers.append(keras.layers.BatchNormalization(name=f"{spec.name}_bn", dtype="float32"))
    for index, units in enumerate(spec.hidden):
        layers.append(keras.layers.Dense(units, activation="relu", name=f"{spec.name}_hidden{index}", dtype="float32"))
    if spec.dropout:
        layers.append(keras.layers.Dropout(spec.dropout, seed=RANDOM_SEED, name=f"{spec.name}_dropout"))
    # The evidence of a place has no bias of its own: where nothing speaks for the label, its heatmap is nothing.
    layers.append(
        keras.layers.Dense(len(spec.labels), use_bias=not spec.peaks, name=f"{spec.name}_logits", dtype="float32")
    )
    if spec.peaks:
        layers.append(PeakPooling(name=f"{spec.name}_peak", dtype="float32"))
    layers.append(keras.layers.Activation(spec.kind, name=spec.name, dtype="float32"))
    return layers
