"""A recipe: everything that defines a training run, read from a YAML file and validated."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from core.decisions import DEFAULT_STUDY_RULE
from core.errors import RecipeInvalid
from core.vocabulary import StudyRule
from networks.manifest import Label
from networks.preprocessing import Preprocessing
from trainer.recipes.phases import Augmentation, Count, Loss, NotNegative, Part, Phase, Positive, Share

__all__ = ["Augmentation", "Recipe", "load_recipe", "training_part"]

# What only the export reads.
AFTER_TRAINING = {"version", "operating", "study", "refit", "limits", "options", "trust"}
# Of a data source, what changes which images are seen.
SELECTING = {"folder", "layout", "split", "where", "balance", "at_most", "splits", "leave_out", "repeat", "boxes"}


class HeadRecipe(Part):
    """A head and where its truth stands: `sigmoid` has one 0/1 column a label, `softmax` one column of label names.

    A head that `peaks` reads its labels off the places of a neck's features. `placement` weighs a second loss beside
    its own: where a source has boxes, the evidence of the first label is to lie in them.
    """

    name: Label
    kind: Literal["sigmoid", "softmax"]
    labels: Annotated[tuple[Label, ...], Field(min_length=1)]
    columns: tuple[str, ...]
    loss: Loss = Loss()
    loss_weight: Positive = 1.0
    batch_normalisation: bool = False
    hidden: tuple[Count, ...] = ()
    dropout: Share = 0.0
    peaks: bool = False
    placement: NotNegative = 0.0

    @model_validator(mode="after")
    def _columns_fit(self) -> Self:
        if self.peaks and (self.batch_normalisation or self.hidden):
            raise ValueError("a head that peaks has one linear layer")
        if self.placement and not self.peaks:
            raise ValueError("`placement` belongs to a head that peaks")
        if len(self.columns) != (len(self.labels) if self.kind == "sigmoid" else 1):
            raise ValueError("a sigmoid head has one column a label, a softmax head one column")
        return self


class NeckRecipe(Part):
    """Finer features for heads that peak: the grid of the first of the backbone's `layers`, named from fine to coarse,
    each half as large as the one before (`networks.neck`).
    """

    layers: Annotated[tuple[str, ...], Field(min_length=1)]
    channels: Count


class MarginalRecipe(Part):
    """A label whose probability is the sum of some `members` of a softmax head; its truth is that of the head."""

    label: Label
    head: Label
    members: Annotated[tuple[Label, ...], Field(min_length=1)]
    role: Literal["finding", "region"]


class Source(Part):
    """A data set: `folder` below the data setting, its `layout` (recognised where none is named), `split` a CSV in it.

    `where` keeps the records whose column holds one of the values; `balance` names a 0/1 column of which both values
    are kept equally often in each split; `at_most` so many records of each split, spread over the whole. Records named
    in `leave_out` are not used, of the others only those of the `splits` named, and the training ones `repeat` times
    over. `boxes` is a folder of YOLO label files. `attribution` is what the licence asks to be said.
    """

    folder: str
    layout: str | None = None
    split: str | None = None
    name: str
    licence: str
    attribution: tuple[str, ...] = ()
    where: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    balance: str | None = None
    at_most: Count | None = None
    splits: Annotated[tuple[Literal["train", "val", "test"], ...], Field(min_length=1)] = ("train", "val", "test")
    leave_out: tuple[str, ...] = ()
    repeat: Count = 1
    boxes: str | None = None


class DataRecipe(Part):
    """One source, or several that are trained on together: a mapping or a list of them in the file."""

    sources: Annotated[tuple[Source, ...], Field(min_length=1)]

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, value: Any) -> Any:
        if isinstance(value, list):
            return {"sources": value}
        return {"sources": [value]} if isinstance(value, dict) and "sources" not in value else value

    @property
    def name(self) -> str:
        """The names of the sources."""
        return " + ".join(source.name for source in self.sources)

    @property
    def licence(self) -> str:
        """Their licences, each once."""
        return " + ".join(dict.fromkeys(source.licence for source in self.sources))

    @property
    def attribution(self) -> tuple[str, ...]:
        """What all of them ask to be said, each line once."""
        return tuple(dict.fromkeys(line for source in self.sources for line in source.attribution))

    @property
    def split(self) -> str:
        """Where the splits come from, for people."""
        return " + ".join(source.split or "its published split" for source in self.sources)


class Operating(Part):
    """How a Finding's threshold is chosen on the validation split: the highest that keeps this sensitivity."""

    sensitivity: Annotated[float, Field(gt=0, le=1)]


class Refit(Part):
    """A softmax head of one layer is fitted again on the final features by logistic regression; of the strengths (the
    inverse of the L2 penalty) the one with the lowest log loss on the validation split is kept."""

    inverse_regularisation: Annotated[tuple[Positive, ...], Field(min_length=1)] = (1e-4, 1e-3, 1e-2, 1e-1)


class Trust(Part):
    """What is fitted and measured after training: three-way decisions of this `coverage`, kept with probability
    1 − `risk`; whether input `sanity` is judged; `strangers`: images that are none of ours, as file patterns below the
    data folder by name, that sanity is measured on and never fitted to.
    """

    coverage: Annotated[float, Field(gt=0, lt=1)] = 0.9
    risk: Annotated[float, Field(gt=0, lt=1)] = 0.1
    sanity: bool = True
    strangers: dict[str, tuple[str, ...]] = Field(default_factory=dict)


class Option(Part):
    """A command-line flag that a recipe has for itself: the places that it sets, or, of a choice, what a word sets."""

    places: tuple[str, ...] = ()
    choices: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if bool(self.places) == bool(self.choices):
            raise ValueError("an option has either `places` or `choices`")
        return self

    def changes(self, value: Any) -> list[tuple[str, Any]]:
        """(place, value) for the flag's value. Raises RecipeInvalid for a word that is none of the choices."""
        if self.places:
            return [(place, value) for place in self.places]
        if value not in self.choices:
            raise RecipeInvalid(f"{value!r} is none of {', '.join(self.choices)}")
        return list(self.choices[value].items())


class Hierarchy(Part):
    """A router, which tells the regions in `column` apart, and for each region a specialist with the recipe's heads.

    No `regions` means all that the training split holds. `phases` are the router's; the recipe's where there are none.
    Below a router's probability every Finding is referred: the lowest that leaves `accuracy` of the others routed right
    on the validation split.
    """

    head: Label = "region"
    column: str = "region"
    regions: tuple[Label, ...] = ()
    phases: tuple[Phase, ...] = ()
    accuracy: Annotated[float, Field(gt=0, le=1)] = 0.99


class Recipe(Part):
    """The whole file. `weights` of the backbone: a file below the data setting, `imagenet` (downloaded) or `random`.

    `study` is how the probabilities of a study's images become one. `options` are the command-line flags that this
    recipe has for itself, without the dashes.
    """

    name: Label
    version: Annotated[str, Field(min_length=1, max_length=64)]
    seed: int = 20
    backbone: str
    weights: str | None = None
    preprocessing: Preprocessing
    neck: NeckRecipe | None = None
    heads: Annotated[tuple[HeadRecipe, ...], Field(min_length=1)]
    marginals: tuple[MarginalRecipe, ...] = ()
    hierarchy: Hierarchy | None = None
    data: DataRecipe
    phases: Annotated[tuple[Phase, ...], Field(min_length=1)]
    operating: dict[str, Operating]
    study: StudyRule = DEFAULT_STUDY_RULE
    refit: dict[str, Refit] = Field(default_factory=dict)
    trust: Trust = Trust()
    limits: tuple[str, ...] = ()
    options: dict[str, Option] = Field(default_factory=dict)

    def with_source(self, *, layout: str | None, split: str | None) -> Recipe:
        """The recipe with another layout or split (None: as it is). Raises RecipeInvalid for one of several sources."""
        if len(self.data.sources) > 1:
            raise RecipeInvalid(f"{self.name} has several sources: --set data.0.split=FILE")
        changes = {key: value for key, value in (("layout", layout), ("split", split)) if value is not None}
        source = self.data.sources[0].model_copy(update=changes)
        return self.model_copy(update={"data": DataRecipe(sources=(source,))})

    @model_validator(mode="after")
    def _labels_agree(self) -> Self:
        labels = [label for head in self.heads for label in head.labels] + [entry.label for entry in self.marginals]
        if len(set(labels)) != len(labels) or len({head.name for head in self.heads}) != len(self.heads):
            raise ValueError("the name of a head or label stands twice")
        findings = {label for head in self.heads if head.kind == "sigmoid" for label in head.labels}
        findings |= {entry.label for entry in self.marginals if entry.role == "finding"}
        if findings != set(self.operating):
            raise ValueError("`operating` must name exactly the findings: labels of sigmoid heads, finding marginals")
        plain = {head.name for head in self.heads if head.kind == "softmax" and not head.hidden}
        if not set(self.refit) <= {head.name for head in self.heads if not head.batch_normalisation} & plain:
            raise ValueError("`refit` may name softmax heads of one layer only")
        return self

    @model_validator(mode="after")
    def _peaks_have_a_neck(self) -> Self:
        if self.neck is None and any(head.peaks for head in self.heads):
            raise ValueError("a head that peaks needs a `neck`")
        if any(head.placement for head in self.heads) and not any(source.boxes for source in self.data.sources):
            raise ValueError("`placement` needs a source with `boxes`")
        return self

    @model_validator(mode="after")
    def _marginals_have_members(self) -> Self:
        members = {head.name: set(head.labels) for head in self.heads if head.kind == "softmax"}
        for entry in self.marginals:
            if not set(entry.members) < members.get(entry.head, set()):
                raise ValueError(f"the marginal {entry.label} must sum some, not all, labels of a softmax head")
        return self

    @model_validator(mode="after")
    def _hierarchy_fits(self) -> Self:
        if self.hierarchy is None:
            return self
        if self.marginals or self.refit or any(head.kind == "softmax" for head in self.heads):
            raise ValueError("the heads of a hierarchy's specialists are sigmoid, without marginals and refit")
        if any(head.name == self.hierarchy.head for head in self.heads):
            raise ValueError("the router's head has the name of a specialist's")
        return self

    @model_validator(mode="after")
    def _phases_name_heads(self) -> Self:
        heads = {head.name: set(head.labels) for head in self.heads}
        if len({phase.name for phase in self.phases}) != len(self.phases):
            raise ValueError("two phases have one name")
        for phase in self.phases:
            if not {*phase.loss, *phase.class_weights} <= set(heads):
                raise ValueError(f"the phase {phase.name} has a loss or class weights for what is no head")
            for head, weights in phase.class_weights.items():
                if isinstance(weights, dict) and not set(weights) <= heads[head]:
                    raise ValueError(f"the phase {phase.name} has class weights for what is no label of {head}")
        return self


def load_recipe(file: Path, *, overrides: tuple[str, ...] = (), options: Mapping[str, Any] | None = None) -> Recipe:
    """The recipe in `file`, with the values of its own `options`, then overrides like `phases.1.epochs=3` (YAML).

    Raises RecipeInvalid, also for an option that the recipe does not have.
    """
    document = read_document(file)
    for name, value in (options or {}).items():
        for place, entry in _option(document, name, recipe=file.stem).changes(value):
            _put(document, place, entry, said=f"--{name} {value}")
    for override in overrides:
        _apply(document, override)
    return _validated(document, file.name)


def _validated(document: Any, origin: str) -> Recipe:
    try:
        return Recipe.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RecipeInvalid(f"{origin}: {where}: {first['msg']}") from error


def _option(document: Any, name: str, *, recipe: str) -> Option:
    options = document.get("options", {}) if isinstance(document, dict) else {}
    if not isinstance(options, dict) or name not in options:
        raise RecipeInvalid(f"--{name} is no option of {recipe}; change its values with --set key=value")
    try:
        return Option.model_validate(options[name])
    except ValidationError as error:
        raise RecipeInvalid(f"{recipe}: options.{name}: {error.errors()[0]['msg']}") from error


def read_document(file: Path) -> Any:
    """The YAML in `file` as it stands. Raises RecipeInvalid."""
    try:
        return yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RecipeInvalid(f"{file.name}: no YAML file that can be read") from error


def training_part(document: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe's JSON without what does not change the weights: these may differ between a run and its resumption.

    A document of an earlier release is read with today's defaults. Raises RecipeInvalid where it cannot be.
    """
    try:
        whole = Recipe.model_validate(document).model_dump(mode="json")
    except ValidationError as error:
        raise RecipeInvalid("the recipe is of another release") from error
    sources = [
        {name: value for name, value in source.items() if name in SELECTING} for source in whole["data"]["sources"]
    ]
    data = {**whole["data"], "sources": sources}
    return {name: value for name, value in whole.items() if name not in AFTER_TRAINING} | {"data": data}


def _apply(document: Any, override: str) -> None:
    path, equals, value = override.partition("=")
    if not equals or not path:
        raise RecipeInvalid(f"--set {override}: expected key=value")
    try:
        _put(document, path, yaml.safe_load(value), said=f"--set {override}")
    except yaml.YAMLError as error:
        raise RecipeInvalid(f"--set {override}: no YAML value") from error


def _put(document: Any, path: str, value: Any, *, said: str) -> None:
    *parents, last = path.split(".")
    place = document
    try:
        for key in parents:
            place = place[int(key)] if isinstance(place, list) else place.setdefault(key, {})
        if isinstance(place, list):
            place[int(last)] = value
        else:
            place[last] = value
    except (KeyError, IndexError, ValueError, TypeError, AttributeError) as error:
        raise RecipeInvalid(f"{said}: the recipe has no such place") from error
