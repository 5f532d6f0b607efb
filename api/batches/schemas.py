"""The JSON of batches. Every name is part of the API: add, never rename."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field

from api.jobs.schemas import HeadlineView
from api.schemas import Schema
from core.vocabulary import BatchItemState, BatchState, JobState

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class FileBody(Schema):
    """One file of a manifest: the client's own name for it, and the SHA-256 of its bytes."""

    model_config = ConfigDict(extra="forbid")
    path: str = Field(min_length=1, max_length=4096)
    sha256: Sha256
    size: int | None = Field(default=None, ge=0, description="Bytes.")


class ManifestBody(Schema):
    """What a batch consists of."""

    model_config = ConfigDict(extra="forbid")
    files: list[FileBody] = Field(min_length=1)
    priority: int = Field(default=0, ge=-10, le=10)
    explain: list[str] | None = Field(default=None, max_length=32, description="Labels; null for the model's own.")


class UploadsBody(Schema):
    """The contents to be sent straight to the object store."""

    model_config = ConfigDict(extra="forbid")
    sha256: list[Sha256] = Field(min_length=1, max_length=1000)


class OutcomeView(Schema):
    """What became of a file that was sent. `awaiting`: this try did not count, and `code` says why."""

    sha256: str | None = Field(description="Null where the file was cut before it could be hashed.")
    state: BatchItemState
    job: UUID | None = Field(description="The Job that has, or will have, the result.")
    code: str | None
    title: str | None
    detail: str | None
    retryable: bool


class OutcomeList(Schema):
    results: list[OutcomeView]


class NeededPage(Schema):
    items: list[str]
    next: str | None = Field(description="The cursor of the next page; null on the last one.")


class PresignedView(Schema):
    """POST `fields` and then `file` as multipart/form-data to `url`."""

    sha256: str
    url: str
    fields: dict[str, str]


class PresignedList(Schema):
    items: list[PresignedView]
    expires_at: datetime


class BatchLinks(Schema):
    self: str
    items: str
    needed: str
    csv: str
    ndjson: str
    zip: str


class BatchSummary(Schema):
    """A Batch without its counts."""

    id: UUID
    state: BatchState
    files: int
    priority: int
    explain: list[str] | None
    created_at: datetime
    closed_at: datetime | None
    links: BatchLinks


class FailureView(Schema):
    """A cause: of files that were rejected, or of files whose job ended without a result."""

    stage: str = Field(description="`rejected` or `job`.")
    code: str
    title: str
    count: int


class ThroughputView(Schema):
    """Files a second over the last `window_s` seconds: decided, and through."""

    window_s: float
    received_per_s: float
    finished_per_s: float


class BatchView(BatchSummary):
    """A Batch with what became of its files. `counts` add up to `files`."""

    counts: dict[BatchItemState, int]
    jobs: dict[JobState, int] = Field(description="Of the files that are `job`, by the state of the job.")
    failures: list[FailureView]
    progress: float = Field(ge=0, le=1, description="The share of the files that are rejected or whose job has ended.")
    done: bool = Field(description="Closed, and every file is through.")
    throughput: ThroughputView
    eta_s: float | None
    through_at: datetime | None = Field(description="When the last file was through; null until `done`.")


class NewBatchView(BatchView):
    """A Batch as it was made: what has to be sent."""

    needed: list[str]
    needed_next: str | None


class BatchPage(Schema):
    items: list[BatchSummary]
    next: str | None = Field(description="The cursor of the next page; null on the last one.")


class ItemQuery(Schema):
    """Which files of a Batch are listed, and how."""

    model_config = ConfigDict(extra="ignore")
    state: list[BatchItemState] = Field(default=[], description="Only files in these states.")
    job_state: list[JobState] = Field(default=[], description="Only files whose job is in one of these states.")
    code: str | None = Field(
        default=None,
        pattern="^[a-z0-9_]{1,100}$",
        description="Only files of this cause: of the rejection, or of the failed job.",
    )
    paths: bool = Field(default=True, description="False leaves `path` out; nothing is written to the audit log then.")
    limit: int = Field(default=100, ge=1, le=1000)
    cursor: str | None = Field(default=None, max_length=200, description="`next` of the page before.")


class ItemView(Schema):
    """A file of a Batch. `code` is that of its rejection, or of its failed job."""

    position: int
    path: str | None = Field(description="Null where paths were not asked for.")
    sha256: str
    size: int | None
    state: BatchItemState
    job: UUID | None
    job_state: JobState | None
    code: str | None
    title: str | None
    detail: str | None
    result: HeadlineView | None = Field(description="Of its Job, once that succeeded.")


class ItemPage(Schema):
    items: list[ItemView]
    next: str | None = Field(description="The cursor of the next page; null on the last one.")
