"""The manifest of a Bundle: what bundle.json holds, and what it must not. No TensorFlow here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from core.decisions import DEFAULT_STUDY_RULE, decide_three_way
from core.errors import BundleInvalid
from core.vocabulary import SanityFlag, StudyRule, ThreeWay
from networks.preprocessing import Preprocessing

MANIFEST_NAME = "bundle.json"
KERAS_MODEL = "model.keras"
SERVING_GRAPH = "model.onnx"
FORMAT: Literal[1] = 1
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

Label = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9_.-]*$")]
Quantity = Annotated[str, Field(max_length=80, pattern=r"^[a-z][a-z0-9_.-]*$")]
Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Head(_Frozen):
    """One output of the network. A `sigmoid` head's labels are Findings, each on its own; a `softmax` head's exclude
    each other. `temperature` divides the logits: probabilities that leave an engine are calibrated.
    """

    name: Label
    kind: Literal["sigmoid", "softmax"]
    labels: Annotated[tuple[Label, ...], Field(min_length=1)]
    temperature: Annotated[float, Field(gt=0.0)] = 1.0


class Threshold(_Frozen):
    """A Finding is positive from `value` on; `rule` says how, and on which data, the value was chosen."""

    value: Probability
    rule: str = ""


class Marginal(_Frozen):
    """A label whose probability is the sum of some labels of a softmax head: of 7 regions × normal/abnormal, "abnormal"
    is one and each region another. A `finding` has a threshold; `region` ones say which region the radiograph shows.
    """

    label: Label
    head: Label
    members: Annotated[tuple[Label, ...], Field(min_length=1)]
    role: Literal["finding", "region"]


class Conformal(_Frozen):
    """The three-way decision of a Finding: positive above `upper`, negative below `lower`, `refer` in between.

    Of exchangeable images at least the share `coverage` is referred or decided rightly; `rule` says how the limits were
    found, and on which data.
    """

    coverage: Probability
    lower: Probability
    upper: Probability
    rule: str = ""

    def decide(self, probability: float) -> ThreeWay:
        """The decision for a calibrated probability."""
        return decide_three_way(probability, lower=self.lower, upper=self.upper)


class Sanity(_Frozen):
    """A flag is raised where its score exceeds its limit. The scores come from `sanity.npz` (`networks.sanity`)."""

    limits: dict[SanityFlag, float]
    rule: str = ""


class Specialist(_Frozen):
    """The network that judges the radiographs of one region: its two files, and its own calibration and limits.

    `temperatures` by head, `thresholds` and `conformal` by Finding.
    """

    keras_model: str
    serving_graph: str
    temperatures: dict[Label, float]
    thresholds: dict[Label, Threshold]
    conformal: dict[Label, Conformal] = {}


class Routing(_Frozen):
    """A hierarchy: the softmax head `head` of model.onnx (the router) says which of the `specialists` (by region) gives
    what the manifest's other heads say. Below the router's probability `refer_below` every Finding is referred.
    """

    head: Label
    refer_below: Probability
    specialists: dict[Label, Specialist]


class Histogram(_Frozen):
    """Counts of values between `edges`, ascending: a value at an edge belongs above it."""

    edges: Annotated[tuple[float, ...], Field(min_length=1, max_length=100)]
    counts: tuple[Annotated[int, Field(ge=0)], ...]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if len(self.counts) != len(self.edges) + 1 or sorted(set(self.edges)) != list(self.edges):
            raise ValueError("a histogram has ascending edges, and a count more than edges")
        return self


class Drift(_Frozen):
    """How `n` images of a split look to this Bundle: what live ones are compared with (`core.drift`).

    `numbers`: `score.<finding>` and `input.<statistic>` (`networks.input_statistics`); `shares`: how often each word of
    `region` and `sanity` was said.
    """

    split: str
    n: Annotated[int, Field(gt=0)]
    numbers: dict[Quantity, Histogram]
    shares: dict[Quantity, dict[str, Annotated[int, Field(ge=0)]]]


@dataclass(frozen=True, slots=True)
class Part:
    """One network of a Bundle: its two files, and its heads and marginals in the order of its output."""

    keras_model: str
    serving_graph: str
    heads: tuple[Head, ...]
    marginals: tuple[Marginal, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        return labels_of(self.heads, self.marginals)


class ExplanationSpec(_Frozen):
    """`layer` is the Keras layer whose activations are explained, `grid` (rows, columns) of a heatmap.

    `labels` can be explained, `default` are explained when a client names none.
    """

    method: Literal["grad-cam"] = "grad-cam"
    layer: str
    grid: tuple[int, int]
    labels: tuple[Label, ...]
    default: tuple[Label, ...]


class Manifest(_Frozen):
    """The content of bundle.json. `study`: how the probabilities of a Study's images become one."""

    format: Literal[1] = FORMAT
    name: Label
    version: Annotated[str, Field(min_length=1, max_length=64)]
    created: str
    heads: Annotated[tuple[Head, ...], Field(min_length=1)]
    marginals: tuple[Marginal, ...] = ()
    thresholds: dict[Label, Threshold]
    conformal: dict[Label, Conformal] = {}
    study: StudyRule = DEFAULT_STUDY_RULE
    sanity: Sanity | None = None
    drift: Drift | None = None
    routing: Routing | None = None
    preprocessing: Preprocessing
    explanation: ExplanationSpec
    training: dict[str, Any] = {}
    metrics: dict[str, Any] = {}
    attribution: tuple[str, ...] = ()
    disclaimer: str
    files: dict[str, Sha256]

    @model_validator(mode="after")
    def _labels_agree(self) -> Self:
        labels = self.labels
        if len(set(labels)) != len(labels):
            raise ValueError("a label stands in two places")
        if set(self.thresholds) != set(self.finding_labels):
            raise ValueError("thresholds and findings differ")
        if not set(self.conformal) <= set(self.finding_labels):
            raise ValueError("a conformal decision of what is no finding")
        members = {head.name: set(head.labels) for head in self.heads if head.kind == "softmax"}
        # All labels of a head always sum to one: nothing to decide, and nothing to explain.
        if any(not set(marginal.members) < members.get(marginal.head, set()) for marginal in self.marginals):
            raise ValueError("a marginal names unknown labels, or all of its head's")
        if self.routing is not None:
            self._check_routing(self.routing, members.get(self.routing.head, set()))
        if not set(self.explanation.default) <= set(self.explanation.labels) <= set(labels):
            raise ValueError("the explanation names unknown labels")
        return self

    def _check_routing(self, routing: Routing, regions: set[str]) -> None:
        if set(routing.specialists) != regions:
            raise ValueError("the specialists are not the labels of the router's head")
        if self.marginals:
            raise ValueError("a hierarchy has no marginals")
        judged = {head.name for head in self.heads if head.name != routing.head}
        for specialist in routing.specialists.values():
            if set(specialist.temperatures) != judged or set(specialist.thresholds) != set(self.finding_labels):
                raise ValueError("a specialist's temperatures or thresholds are not those of its heads")
            if not set(specialist.conformal) <= set(self.finding_labels):
                raise ValueError("a conformal decision of what is no finding")

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels, in the order of an engine's output: the heads', then the marginals'."""
        return labels_of(self.heads, self.marginals)

    @property
    def finding_labels(self) -> tuple[str, ...]:
        """Labels of sigmoid heads and marginals that are findings: each is a Finding with a threshold."""
        return findings_of(self.heads, self.marginals)

    @property
    def part(self) -> Part:
        """The network in model.keras and model.onnx: the whole of a flat Bundle, a hierarchy's router."""
        if self.routing is None:
            return Part(KERAS_MODEL, SERVING_GRAPH, self.heads, self.marginals)
        return Part(KERAS_MODEL, SERVING_GRAPH, tuple(head for head in self.heads if head.name == self.routing.head))

    def specialist(self, region: str) -> Part:
        """The network that judges the radiographs of `region`. Raises KeyError where there is none."""
        if self.routing is None:
            raise KeyError(region)
        found = self.routing.specialists[region]
        heads = (head for head in self.heads if head.name != self.routing.head)
        own = tuple(head.model_copy(update={"temperature": found.temperatures[head.name]}) for head in heads)
        return Part(found.keras_model, found.serving_graph, own)

    @property
    def region_labels(self) -> tuple[str, ...]:
        """The regions that the network tells apart: marginals where there are some, else the head `region`; or none."""
        marginals = tuple(marginal.label for marginal in self.marginals if marginal.role == "region")
        return marginals or next((h.labels for h in self.heads if h.kind == "softmax" and h.name == "region"), ())


def labels_of(heads: Iterable[Head], marginals: Iterable[Marginal]) -> tuple[str, ...]:
    """The heads' labels, then the marginals'."""
    return (*(label for head in heads for label in head.labels), *(marginal.label for marginal in marginals))


def findings_of(heads: Iterable[Head], marginals: Iterable[Marginal]) -> tuple[str, ...]:
    """Those of `labels_of` that are Findings: labels of sigmoid heads, and marginals with that role."""
    return (
        *(label for head in heads if head.kind == "sigmoid" for label in head.labels),
        *(marginal.label for marginal in marginals if marginal.role == "finding"),
    )


def parse_manifest(content: bytes) -> Manifest:
    """The manifest in `content`; BundleInvalid where it is damaged, of an unknown format, or names unsafe files."""
    try:
        document = json.loads(content)
        if isinstance(document, dict) and document.get("format") != FORMAT:
            raise BundleInvalid(f"Bundle format {document.get('format')!r} is unknown; this release reads {FORMAT}")
        manifest = Manifest.model_validate(document)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise BundleInvalid("bundle.json is not JSON") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BundleInvalid(f"bundle.json: {where}: {first['msg']}") from error
    for name in manifest.files:
        if not FILE_NAME.fullmatch(name) or name == MANIFEST_NAME:
            raise BundleInvalid("bundle.json names a file outside the Bundle")
    return manifest
