"""The JSON of Jobs. Every name is part of the API: add, never rename."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field

from api.schemas import ProblemView, Schema
from core.vocabulary import Decision, JobEventKind, JobState, MediaKind, ThreeWay


class ImageView(Schema):
    """The stored radiograph, at full size."""

    id: UUID
    rows: int
    columns: int
    media_kind: MediaKind
    study_id: UUID | None = Field(default=None, description="Its exam, at `/v1/studies/{id}`; of DICOM only.")


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
