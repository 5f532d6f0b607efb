"""A recipe: everything that defines a training run, read from a YAML file and validated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from core.errors import DataInvalid
from networks.preprocessing import Preprocessing

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class HeadRecipe(_Part):
    """A head and where its truth stands: for `sigmoid` one 0/1 column a label, for `softmax` one column of label names."""

    name: str
    kind: Literal["sigmoid", "softmax"]
    labels: tuple[str, ...]
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


class Recipe(_Part):
    """The whole file."""

    name: str
    version: str
    seed: int = 20
    backbone: str
    weights: str | None = None
    preprocessing: Preprocessing
    heads: Annotated[tuple[HeadRecipe, ...], Field(min_length=1)]
    data: DataRecipe
    phases: Annotated[tuple[Phase, ...], Field(min_length=1)]
    operating: dict[str, Operating]
    limits: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _every_finding_has_an_operating_point(self) -> Self:
        findings = {label for head in self.heads if head.kind == "sigmoid" for label in head.labels}
        if findings != set(self.operating):
            raise ValueError("`operating` must name exactly the labels of sigmoid heads")
        return self


def load_recipe(file: Path, *, overrides: tuple[str, ...] = ()) -> Recipe:
    """The recipe in `file`, with overrides like `phases.1.epochs=3` (YAML values). Raises DataInvalid."""
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataInvalid(f"{file.name}: no YAML file that can be read") from error
    for override in overrides:
        _apply(document, override)
    try:
        return Recipe.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise DataInvalid(f"{file.name}: {where}: {first['msg']}") from error


def _apply(document: Any, override: str) -> None:
    path, equals, value = override.partition("=")
    *parents, last = path.split(".")
    if not equals or not last:
        raise DataInvalid(f"--set {override}: expected key=value")
    place = document
    try:
        for key in parents:
            place = place[int(key)] if isinstance(place, list) else place.setdefault(key, {})
        if isinstance(place, list):
            place[int(last)] = yaml.safe_load(value)
        else:
            place[last] = yaml.safe_load(value)
    except (KeyError, IndexError, ValueError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise DataInvalid(f"--set {override}: the recipe has no such place") from error
