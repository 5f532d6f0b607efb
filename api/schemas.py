"""The JSON that clients see. Every name is part of the API: add, never rename."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from core.vocabulary import (
    DISCLAIMER,
    BurnedInPolicy,
    Decision,
    JobEventKind,
    JobState,
    MediaKind,
    ModelState,
    SanityFlag,
    ThreeWay,
)

JsonObject = dict[str, Any]


class Schema(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class ProblemView(Schema):
    """RFC 9457."""

    type: str
    title: str
    status: int
    code: str
    detail: str


class ImageView(Schema):
    """The stored radiograph, at full size."""

    id: UUID
    rows: int
    columns: int
    media_kind: MediaKind
    study_id: UUID | None = Field(default=None, description="Its exam, at `/v1/studies/{id}`; of DICOM only.")


class SiteView(Schema):
    """How the Site's data is handled."""

    id: UUID
    name: str
    burned_in: BurnedInPolicy = Field(
        description="Of an image that says that patient data may be burned into its pixels: refuse it, quarantine it "
        "(its job is held until it is released) or accept it."
    )
    retention_days: int | None = Field(description="Images and results older than this are removed; null keeps them.")


class SitePatch(BaseModel):
    """What is not named stays."""

    model_config = ConfigDict(extra="forbid")

    burned_in: BurnedInPolicy | None = None
    retention_days: int | None = Field(default=None, ge=1, le=36_500)


class HeadlineView(Schema):
    """A result in one line: its most probable positive Finding, or, where none is positive, the most probable one.

    Of a model without Findings the most probable class or region, undecided.
    """

    label: str | None
    probability: float | None = Field(ge=0, le=1, description="Calibrated.")
    decision: Decision | None = Field(description="The probability against the threshold.")
    three_way: ThreeWay | None = Field(description="Null where the model was not fitted to refer.")
    region: str | None = Field(description="The body region that the model sees; null of one that tells none apart.")
    model_version_id: UUID


class JobLinks(Schema):
    self: str
    result: str
    events: str
    cancel: str
    retry: str


class JobView(Schema):
    """One Job. A failed one says why in `problem`."""

    id: UUID
    state: JobState
    priority: int = Field(ge=-10, le=10)
    attempt: int
    max_attempts: int
    crash_count: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    image: ImageView
    explain: list[str]
    stability: bool
    replay_of: UUID | None
    problem: ProblemView | None
    result: HeadlineView | None = Field(default=None, description="Of a succeeded Job; the whole is at `links.result`.")
    links: JobLinks


class JobPage(Schema):
    items: list[JobView]
    next: str | None = Field(description="The cursor of the next page; null on the last one.")


class JobEventView(Schema):
    kind: JobEventKind
    state: JobState = Field(description="The Job's state after it.")
    fence: int = Field(description="Which claim of the Job it belongs to, counted from 1; 0 before the first.")
    at: datetime
    code: str | None


class JobEventList(Schema):
    items: list[JobEventView]


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


class RegionOfInterest(Schema):
    """A box in pixels of the full-size image, with the heatmap's peak inside it."""

    x: float
    y: float
    width: float
    height: float
    score: float


class ExplanationLinks(Schema):
    overlay: str
    heatmap: str


class ThreeWayView(Schema):
    """The conformal decision: positive above `upper`, negative below `lower`, else `refer`: a human should look.

    Of images like those it was fitted on at least the share `coverage` is referred or decided rightly. The limits are
    null where the finding is referred for another reason: see the result's `sanity` and `routing`.
    """

    decision: ThreeWay
    coverage: float | None
    lower: float | None
    upper: float | None


class FindingView(Schema):
    label: str
    probability: float = Field(ge=0, le=1)
    threshold: float
    decision: Decision
    three_way: ThreeWayView | None = Field(description="Null where the model was not fitted to refer.")
    stability: float | None = Field(
        ge=0, le=1, description="Agreement under small shifts, 1 best; null unless the job asked for it."
    )
    regions_of_interest: list[RegionOfInterest]
    explanation: ExplanationLinks | None


class RegionView(Schema):
    """The body region that the model sees; null, without probabilities, of a model that tells none apart."""

    label: str | None
    probability: float | None
    probabilities: dict[str, float]


class RoutingView(Schema):
    """Which specialist of a hierarchical model judged the radiograph, and how sure the router was."""

    specialist: str
    probability: float = Field(ge=0, le=1)
    referred: bool = Field(description="The router was too unsure: every finding's three-way decision is `refer`.")


class SanityFlagView(Schema):
    code: SanityFlag
    score: float
    limit: float = Field(description="The score is above it.")


class SanityView(Schema):
    """Whether the image is of the kind that the model knows. If not, every finding's three-way decision is `refer`."""

    accepted: bool
    flags: list[SanityFlagView]


class ResultView(Schema):
    """The Prediction of a succeeded Job."""

    job_id: UUID
    image: ImageView
    model_version: ModelVersionRef
    engine: str
    findings: list[FindingView]
    region: RegionView
    probabilities: dict[str, float] | None = Field(
        description="Of the classes that are neither findings nor regions, where the model has such."
    )
    routing: RoutingView | None = Field(description="Of a hierarchical model.")
    sanity: SanityView | None = Field(description="Null where the model does not judge its input.")
    timings_ms: dict[str, float]
    disclaimer: str = DISCLAIMER


class PredictView(Schema):
    """The short answer of `POST /predict`."""

    prediction: str = Field(
        description="`fracture` or `no_fracture`. Of a model with several findings the most probable positive one; "
        "where none is positive, `no_` and the most probable."
    )
    confidence: float = Field(ge=0, le=1, description="The calibrated probability of `prediction`.")
    three_way: ThreeWay | None = Field(
        description="`refer`: the model should not decide this one. Null: see FindingView."
    )
    flags: list[SanityFlag] = Field(description="What is wrong with the image, if it was judged.")
    region: str | None
    explanation: str | None = Field(description="Where the overlay PNG is.")
    job: str
    result: str
    model_version: str
    disclaimer: str = DISCLAIMER


class CheckView(Schema):
    status: str = Field(description="`up` or `down`.")
    detail: str | None = None


class ReadinessView(Schema):
    status: str = Field(description="`ready`, or `unavailable` with status 503.")
    checks: dict[str, CheckView]


class HealthView(Schema):
    status: str = "ok"


class IndexView(Schema):
    name: str = "Lucency"
    version: str
    docs: str = "/docs"
    openapi: str = "/openapi.json"
    disclaimer: str = DISCLAIMER
