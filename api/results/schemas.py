"""The JSON of results. Every name is part of the API: add, never rename."""

from __future__ import annotations

from uuid import UUID

from pydantic import Field

from api.jobs.schemas import ImageView
from api.models.schemas import ModelVersionRef
from api.schemas import Schema
from core.vocabulary import DISCLAIMER, Decision, SanityFlag, ThreeWay


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
