"""What one stretch of training is: which layers learn, at which rate, from which images, by which loss, how long."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]


class Part(BaseModel):
    """A piece of a recipe: unknown keys are refused, and nothing changes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Augmentation(Part):
    """Random changes of a training image. `rotation` in degrees, `zoom`, `shift`, `contrast` as fractions,
    `brightness` in grey values; each is drawn uniformly from ± its value.

    `crop_pad` moves each side on its own, by up to this fraction of the image: inwards (crop) or outwards (pad).
    Saturation is not among them: a grey image has none. `plate` is the share of images that get the bright edges of a
    plate that was exposed in its middle only, on one or two sides, each up to a fifth of the picture. `resample` is the
    share that is reduced, to no less than half of its size, and enlarged again; `jpeg` the share that is compressed,
    at a quality of 50 to 95. `exposure` bends the grey values: each becomes a power of itself, of up to e to ± this.
    """

    horizontal_flip: bool = False
    vertical_flip: bool = False
    rotation: NotNegative = 0.0
    zoom: Share = 0.0
    shift: NotNegative = 0.0
    crop_pad: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    contrast: Share = 0.0
    brightness: NotNegative = 0.0
    plate: Share = 0.0
    resample: Share = 0.0
    jpeg: Share = 0.0
    exposure: NotNegative = 0.0


class Loss(Part):
    """`crossentropy` is binary for sigmoid heads, categorical for softmax ones. `focal` is Keras' own form of either
    (Lin et al. 2017, arXiv 1708.02002); of a sigmoid head `alpha`, where given, weighs 1 against 0 (1 − alpha).
    """

    kind: Literal["crossentropy", "focal"] = "crossentropy"
    gamma: NotNegative = 2.0
    alpha: Annotated[float, Field(gt=0, le=1)] | None = None
    label_smoothing: Share = 0.0


class FromLayer(Part):
    """The heads, and the backbone from the layer `start` on."""

    start: str


class LastShare(Part):
    """The heads, and the last `last` (a fraction) of the backbone's layers."""

    last: Annotated[float, Field(gt=0, le=1)]


class EarlyStopping(Part):
    """The phase ends after `patience` epochs whose score is not above the best of the phase by more than `least`."""

    patience: Count
    least: NotNegative = 0.0


class ReduceOnPlateau(Part):
    """The learning rate times `factor` after `patience` epochs without a better score, not below `lowest`."""

    factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    patience: Count = 3
    least: NotNegative = 1e-4
    lowest: NotNegative = 0.0


# By head: "balanced" (from the training images: each class, or of a sigmoid head each label's 0 and 1, weighs the same
# in total), or the weight of each label (softmax), or of each label's 1 (sigmoid).
ClassWeights = dict[str, Literal["balanced"] | dict[str, Positive]]


class Phase(Part):
    """One stretch of training. `trainable: heads` trains what stands behind the features, on features computed once for
    the plain image and `copies` augmented ones; `all` every layer; `{start: LAYER}` and `{last: FRACTION}` a part of
    the backbone, on augmented images. The backbone's BatchNormalization layers learn only where `batch_normalisation`
    says so. `loss` replaces a head's own in this phase.

    With a neck nothing is computed once, and `copies` mean nothing: its features are not the pooled ones. `averaging`
    is the momentum, per batch, of a moving average of the weights, which is what is scored and kept.

    Where `agreement` is above 0, a batch holds half as many images, each twice and changed on its own, and the answers
    to both are to be the same: their symmetric divergence weighs so much beside the loss of each head.
    """

    name: str
    trainable: Literal["heads", "all"] | FromLayer | LastShare
    epochs: Count
    batch_size: Count
    learning_rate: Positive
    optimizer: Literal["adam", "adamw"] = "adamw"
    schedule: Literal["cosine", "constant"] = "cosine"
    weight_decay: NotNegative = 0.0
    warmup: Share = 0.0
    averaging: Share = 0.0
    agreement: NotNegative = 0.0
    copies: Annotated[int, Field(ge=0)] = 0
    batch_normalisation: bool = False
    augmentation: Augmentation = Augmentation()
    loss: dict[str, Loss] = {}
    class_weights: ClassWeights = {}
    early_stopping: EarlyStopping | None = None
    reduce_on_plateau: ReduceOnPlateau | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.reduce_on_plateau is not None and self.schedule != "constant":
            raise ValueError("`reduce_on_plateau` needs `schedule: constant`")
        if self.schedule == "constant" and self.warmup:
            raise ValueError("`warmup` belongs to `schedule: cosine`")
        if self.optimizer == "adam" and self.weight_decay:
            raise ValueError("`weight_decay` belongs to `optimizer: adamw`")
        if self.trainable == "heads" and self.batch_normalisation:
            raise ValueError("`batch_normalisation` of the backbone learns only where the backbone does")
        if self.agreement and self.batch_size % 2:
            raise ValueError("`agreement` needs an even `batch_size`")
        return self

    @property
    def heads_only(self) -> bool:
        """Whether the backbone stands still."""
        return self.trainable == "heads"
