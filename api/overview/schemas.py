"""The JSON of the overview."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from api.schemas import CheckView, Schema
from core.vocabulary import JobState


class QueueView(Schema):
    """Jobs of one priority that wait for a worker."""

    priority: int
    waiting: int
    oldest_seconds: float | None = Field(description="How long the oldest that is due has waited.")


class EndedView(Schema):
    """Jobs that came to an end within a span of time. Cancelled ones are no failure."""

    succeeded: int
    failed: int = Field(description="Failed, dead or expired.")
    cancelled: int
    failure_rate: float | None = Field(description="Failed in all that failed or succeeded; null of none.")


class PhaseView(Schema):
    """How long a phase of a job takes, in milliseconds, over the latest results."""

    name: str = Field(description="`queued`, `fetch`, `decode`, …; `total` is from the submission to the end.")
    p50_ms: float
    p95_ms: float


class WorkersAliveView(Schema):
    """The workers of the platform: they work for every Site."""

    known: int
    alive: int
    drained: int = Field(description="Of those alive, how many claim nothing more.")


class QuarterView(Schema):
    """What happened in a quarter of an hour, which begins `at`."""

    at: datetime
    submitted: int
    succeeded: int
    failed: int
    cancelled: int


class OverviewView(Schema):
    """The place at one glance: of the caller's Site, or of the platform."""

    at: datetime
    jobs: dict[JobState, int] = Field(description="Jobs that are not at an end, by state.")
    queue: list[QueueView] = Field(description="By priority, highest first.")
    oldest_seconds: float | None = Field(description="How long the oldest due job has waited.")
    per_minute: int = Field(description="Jobs that came to an end within the last 60 s.")
    last_hour: EndedView
    last_day: EndedView
    phases: list[PhaseView]
    measured: int = Field(description="How many results the phases are of.")
    workers: WorkersAliveView
    checks: dict[str, CheckView] = Field(description="Database, object store and broker.")
    history: list[QuarterView] = Field(description="The last 24 h by quarters of an hour, oldest first.")
