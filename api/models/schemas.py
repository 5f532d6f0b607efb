"""The JSON of models in full: card, figures, history, shadows, drift. Every name is part of the API."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from api.schemas import JsonObject, Schema
from core.drift import DriftState
from core.vocabulary import ModelEventKind, ModelState


class ModelVersionRef(Schema):
    id: UUID
    name: str
    version: str
    digest: str


class ModelVersionLinks(Schema):
    self: str
    card: str


class ModelVersionView(ModelVersionRef):
    state: ModelState
    shadow_share: float | None = Field(description="Of a shadow: the share of the jobs that it judges too, unseen.")
    labels: list[str]
    explainable: list[str]
    created_at: datetime
    activated_at: datetime | None
    metrics: JsonObject = Field(description="The main figures by split, as its training measured them.")
    links: ModelVersionLinks


class ModelVersionList(Schema):
    items: list[ModelVersionView]
    rollback_to: UUID | None = Field(default=None, description="What a rollback would make active; null: nothing was.")


class FigureView(Schema):
    """A measured value with its 95 % interval; a null value is undefined for these images."""

    name: str
    value: float | None
    low: float | None
    high: float | None


class PartView(Schema):
    """The figures of some of the images: those of one region, view, hardware or class."""

    by: str
    name: str
    n: int | None
    positives: int | None
    figures: list[FigureView]


class EvaluationView(Schema):
    """A finding, or a choice among labels, on one split of the data."""

    split: str
    subject: Literal["finding", "choice"]
    label: str
    n: int | None
    positives: int | None
    threshold: float | None
    figures: list[FigureView]
    parts: list[PartView]
    three_way: list[FigureView] = Field(description="What is referred, and how much is referred or decided rightly.")
    labels: list[str]
    matrix: list[list[int]] = Field(description="A row for each true label, a column for each that was said.")


class MeasureView(Schema):
    """Figures of trust: localisation, sanity, stability, variations, hardware; `path` names the part, empty of all."""

    kind: str
    split: str
    path: str
    n: int | None
    figures: list[FigureView]


class CardHead(Schema):
    name: str
    kind: str
    labels: list[str]


class CardThreshold(Schema):
    """A finding is positive from `value` on; the three-way limits are null where the model has none."""

    label: str
    value: float
    rule: str
    coverage: float | None
    lower: float | None
    upper: float | None


class CardView(Schema):
    """What a model card says, without its tables: what the model is, was made of, and must not be used for."""

    created: str | None
    backbone: str | None
    input_size: int | None
    heads: list[CardHead]
    thresholds: list[CardThreshold]
    data: str | None
    licence: str | None
    images: dict[str, int] = Field(description="How many images of each split.")
    leaks: list[str] | None = Field(description="Why its split leaks; null where nobody looked.")
    limits: list[str]
    attribution: list[str]
    disclaimer: str


class ModelDetailView(ModelVersionView):
    """One ModelVersion in full."""

    card: CardView
    evaluations: list[EvaluationView]
    measures: list[MeasureView]
    predictions: int = Field(description="Results it gave, as far as the caller may see them.")
    workers: int = Field(description="Live workers that have it loaded.")
    failing: list[str] = Field(description="Why live workers cannot load it: error codes.")
    has_reference: bool = Field(description="Whether drift can be told: its Bundle has a reference.")


class ModelEventView(Schema):
    """A change of a model's state; `state` and `share` are those after it."""

    kind: ModelEventKind
    state: ModelState
    share: float | None
    actor: str
    actor_name: str | None = Field(
        default=None, description="What the user or the key is called, for administrators and operators who know it."
    )
    at: datetime


class ModelHistory(Schema):
    items: list[ModelEventView]


class ShadowFinding(Schema):
    """How a shadow's decisions differ on one finding: counts of jobs."""

    label: str
    n: int
    agreement: float
    kappa: float | None = Field(description="Cohen's κ; null where both always gave one and the same answer.")
    mean_difference: float = Field(description="Of the probabilities, without sign.")
    correlation: float | None
    positives: int
    shadow_positives: int
    negative_to_positive: int
    positive_to_negative: int
    active_ms: float | None = Field(description="Median per image, of its share of a batch's pass.")
    shadow_ms: float


class ShadowAgainst(Schema):
    """A shadow beside one version whose results were given meanwhile."""

    active: ModelVersionRef
    findings: list[ShadowFinding]


class ShadowReport(Schema):
    jobs: int
    against: list[ShadowAgainst]


class ShadowRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    share: float = Field(gt=0, le=1, description="Of the live jobs.")


class RetireRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    instead: UUID | None = Field(default=None, description="For the active one: the model that takes its place.")


class RollbackRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    expected: UUID | None = Field(default=None, description="Refuse where another would become active than this.")


class DriftPoint(Schema):
    """One quantity on one day; `psi`, `ks` and `line` are null of too few images."""

    day: date
    n: int
    psi: float | None
    ks: float | None
    line: float | None
    state: DriftState


class DriftReading(Schema):
    n: int
    psi: float | None
    ks: float | None
    line: float | None
    state: DriftState


class DriftBin(Schema):
    """Shares of images in [0, 1]. A number's bin goes from `low` (null: no limit) to below `high`; else a `word`."""

    low: float | None
    high: float | None
    word: str | None
    reference: float
    recent: float | None


class DriftQuantity(Schema):
    name: str = Field(description="`score.<finding>`, `input.<statistic>`, `region` or `sanity`.")
    state: DriftState = Field(description="Shifted where the recent days together, or the latest day, are.")
    recent: DriftReading
    bins: list[DriftBin]
    points: list[DriftPoint]


class DriftReference(Schema):
    split: str
    n: int


class DriftView(Schema):
    """What a model sees and says, by day (UTC), against what it saw and said of its own split."""

    model_version: ModelVersionRef
    since: date
    until: date
    recent_days: int = Field(description="So many latest days are judged together as `recent`.")
    psi_line: float
    fewest: int = Field(description="Images below which nothing is said.")
    predictions: int
    state: DriftState | None = Field(description="Of all quantities; null without a reference.")
    reference: DriftReference | None = Field(description="Null of a model whose Bundle was made without one.")
    quantities: list[DriftQuantity]
