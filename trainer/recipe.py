"""A recipe: everything that defines a training run, read from a YAML file and validated."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from core.errors import RecipeInvalid
from networks.bundle import Label
from networks.preprocessing import Preprocessing

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]


# What only the export reads.
AFTER_TRAINING = {"version", "operating", "refit", "limits"}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class HeadRecipe(_Part):
    """A head and where its truth stands: `sigmoid` has one 0/1 column a label, `softmax` one column of label names."""

    name: Label
    kind: Literal["sigmoid", "softmax"]
    labels: Annotated[tuple[Label, ...], Field(min_length=1)]
    columns: tuple[str, ...]
    loss_weight: Positive = 1.0
    batch_normalisation: bool = False
    hidden: tuple[Count, ...] = ()
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0

    @model_validator(mode="after")
    def _columns_fit(self) -> Self:
        if len(self.columns) != (len(self.labels) if self.kind == "sigmoid" else 1):
            raise ValueError("a sigmoid head has one column a label, a softmax head one column")
        return self


class Augmentation(_Part):
    """Random changes of a training image. `rotation` in degrees, `zoom`, `shift`, `contrast` as fractions,
    `brightness` in grey values; each is drawn uniformly from ± its value."""

    horizontal_flip: bool = False
    vertical_flip: bool = False
    rotation: NotNegative = 0.0
    zoom: Annotated[float, Field(ge=0, lt=1)] = 0.0
    shift: NotNegative = 0.0
    contrast: Annotated[float, Field(ge=0, lt=1)] = 0.0
    brightness: NotNegative = 0.0


class Phase(_Part):
    """One stretch of training. `heads` trains what stands behind the features, on features computed once for the plain
    image and `copies` augmented ones; `all` trains every layer but BatchNormalization of the backbone."""

    name: str
    trainable: Literal["heads", "all"]
    epochs: Count
    batch_size: Count
    learning_rate: Positive
    weight_decay: NotNegative = 0.0
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.0
    copies: Annotated[int, Field(ge=0)] = 0
    augmentation: Augmentation = Augmentation()


class DataRecipe(_Part):
    """`folder` below the data setting; `split` the CSV in it; `attribution` what the licence asks to be said."""

    folder: str
    split: str = "split.csv"
    name: str
    licence: str
    attribution: tuple[str, ...] = ()


class Operating(_Part):
    """How a Finding's threshold is chosen on the validation split: the highest that keeps this sensitivity."""

    sensitivity: Annotated[float, Field(gt=0, le=1)]


class Refit(_Part):
    """A softmax head of one layer is fitted again on the final features by logistic regression; of the strengths (the
    inverse of the L2 penalty) the one with the lowest log loss on the validation split is kept."""

    inverse_regularisation: Annotated[tuple[Positive, ...], Field(min_length=1)] = (1e-4, 1e-3, 1e-2, 1e-1)


class Recipe(_Part):
    """The whole file."""

    name: Label
    version: Annotated[str, Field(min_length=1, max_length=64)]
    seed: int = 20
    backbone: str
    weights: str | None = None
    preprocessing: Preprocessing
    heads: Annotated[tuple[HeadRecipe, ...], Field(min_length=1)]
    data: DataRecipe
    phases: Annotated[tuple[Phase, ...], Field(min_length=1)]
    operating: dict[str, Operating]
    refit: dict[str, Refit] = {}
    limits: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _labels_agree(self) -> Self:
        labels = [label for head in self.heads for label in head.labels]
        if len(set(labels)) != len(labels) or len({head.name for head in self.heads}) != len(self.heads):
            raise ValueError("the name of a head or label stands twice")
        findings = {label for head in self.heads if head.kind == "sigmoid" for label in head.labels}
        if findings != set(self.operating):
            raise ValueError("`operating` must name exactly the labels of sigmoid heads")
        plain = {head.name for head in self.heads if head.kind == "softmax" and not head.hidden}
        if not set(self.refit) <= {head.name for head in self.heads if not head.batch_normalisation} & plain:
            raise ValueError("`refit` may name softmax heads of one layer only")
        return self


def load_recipe(file: Path, *, overrides: tuple[str, ...] = ()) -> Recipe:
    """The recipe in `file`, with overrides like `phases.1.epochs=3` (YAML values). Raises RecipeInvalid."""
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RecipeInvalid(f"{file.name}: no YAML file that can be read") from error
    for override in overrides:
        _apply(document, override)
    try:
        return Recipe.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RecipeInvalid(f"{file.name}: {where}: {first['msg']}") from error


def training_part(document: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe's JSON without what does not change the weights: these may differ between a run and its resumption."""
    data = {name: document["data"].get(name) for name in ("folder", "split")}
    return {name: value for name, value in document.items() if name not in AFTER_TRAINING} | {"data": data}


def _apply(document: Any, override: str) -> None:
    path, equals, value = override.partition("=")
    *parents, last = path.split(".")
    if not equals or not last:
        raise RecipeInvalid(f"--set {override}: expected key=value")
    place = document
    try:
        for key in parents:
            place = place[int(key)] if isinstance(place, list) else place.setdefault(key, {})
        if isinstance(place, list):
            place[int(last)] = yaml.safe_load(value)
        else:
            place[last] = yaml.safe_load(value)
    except (KeyError, IndexError, ValueError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise RecipeInvalid(f"--set {override}: the recipe has no such place") from error
