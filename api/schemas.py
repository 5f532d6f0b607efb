"""The JSON that clients see. Every name is part of the API: add, never rename."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from core.vocabulary import DISCLAIMER, Decision, JobEventKind, JobState, MediaKind, ModelState

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
    replay_of: UUID | None
    problem: ProblemView | None
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


class FindingView(Schema):
    label: str
    probability: float = Field(ge=0, le=1)
    threshold: float
    decision: Decision
    regions_of_interest: list[RegionOfInterest]
    explanation: ExplanationLinks | None


class RegionView(Schema):
    """The body region that the model sees."""

    label: str | None
    probability: float | None
    probabilities: dict[str, float]


class ResultView(Schema):
    """The Prediction of a succeeded Job."""

    job_id: UUID
    image: ImageView
    model_version: ModelVersionRef
    engine: str
    findings: list[FindingView]
    region: RegionView
    timings_ms: dict[str, float]
    disclaimer: str = DISCLAIMER


class PredictView(Schema):
    """The short answer of `POST /predict`."""

    prediction: str = Field(description="`fracture` or `no_fracture`.")
    confidence: float = Field(ge=0, le=1, description="The calibrated probability of `prediction`.")
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
