"""The JSON of workers."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field

from api.schemas import Schema
from core.vocabulary import WorkerWish


class WorkerJobView(Schema):
    """A Job that a worker is at."""

    job_id: UUID
    site_id: UUID


class WorkerModelView(Schema):
    """The ModelVersion that a worker has loaded."""

    id: UUID
    name: str
    version: str


class WorkerView(Schema):
    """A worker process as it last told of itself."""

    name: str
    host: str | None
    pid: int
    engine: str
    device: str | None = Field(description="What the model runs on; null without a model.")
    model: WorkerModelView | None
    failed_code: str | None = Field(description="Why it could not load the active model; it serves the one before.")
    state: str = Field(description="`ready`, `waiting` (no model), `draining`, `drained` or `restarting`.")
    wish: WorkerWish
    alive: bool = Field(description="Heard of in the last 30 s, and getting on with its work.")
    started_at: datetime
    seen_at: datetime
    progress_at: datetime
    jobs: list[WorkerJobView] = Field(description="What it holds now.")


class WorkerList(Schema):
    """The workers that were heard of in the last day, by name."""

    items: list[WorkerView]
