"""Lists of Jobs as clients ask for them, and what is answered beside the Jobs. Every name is part of the API."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from api.schemas import Schema
from core.vocabulary import JobState, ThreeWay
from db.repositories.jobs import Filter

MOST_VALUES = 50
MOST_JOBS = 1000

# Postgres' texts hold no NUL.
Word = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f]{1,100}$")]
Priority = Annotated[int, Field(ge=-10, le=10)]


class JobFilter(Schema):
    """Which Jobs are meant: all that is named must hold, and of several values one."""

    state: list[JobState] = Field(default=[], max_length=MOST_VALUES, description="In one of these states.")
    model: list[UUID] = Field(default=[], max_length=MOST_VALUES, description="Judged by one of these ModelVersions.")
    batch: UUID | None = Field(default=None, description="Of a file of this Batch.")
    priority: list[Priority] = Field(default=[], max_length=MOST_VALUES)
    region: list[Word] = Field(default=[], max_length=MOST_VALUES, description="Where the model saw this body region.")
    decision: list[ThreeWay] = Field(
        default=[], max_length=MOST_VALUES, description="The headline's three-way decision, or its plain one."
    )
    code: list[Word] = Field(default=[], max_length=MOST_VALUES, description="Ended with one of these error codes.")
    text: Word | None = Field(
        default=None,
        description="The whole id of a job, an image or a study; or the first eight or more digits of a job's id; or "
        "the beginning of the headline's label or of an error code. Nothing else is searched.",
    )
    replayed: bool | None = Field(default=None, description="Whether a later job repeats it (`replay_of`).")
    replay_of: UUID | None = Field(default=None, description="Repeats this job.")
    created_from: AwareDatetime | None = Field(default=None, description="Made then or later.")
    created_to: AwareDatetime | None = Field(default=None, description="Made before.")

    def wanted(self) -> Filter:
        """The same for the database."""
        return Filter(
            states=tuple(self.state),
            models=tuple(self.model),
            batch=self.batch,
            priorities=tuple(self.priority),
            regions=tuple(self.region),
            decisions=tuple(self.decision),
            codes=tuple(self.code),
            text=self.text,
            replayed=self.replayed,
            replay_of=self.replay_of,
            created_from=self.created_from,
            created_to=self.created_to,
        )

    def asked(self) -> dict[str, Any]:
        """What was named, as JSON values."""
        return self.model_dump(mode="json", include=set(JobFilter.model_fields), exclude_defaults=True)

    def recorded(self) -> dict[str, Any]:
        """As `asked`, for the audit log; a text that somebody typed is not repeated there."""
        return {name: value if name != "text" else True for name, value in self.asked().items()}


class JobQuery(JobFilter):
    """A page of them."""

    limit: int = Field(default=50, ge=1, le=200)
    cursor: str | None = Field(default=None, max_length=200, description="`next` of the page before.")


class JobCountView(Schema):
    count: int
    exact: bool = Field(description="False: there are more than `count`; they were not counted to the end.")


class CauseView(Schema):
    """Jobs that ended alike: the same state, the same error."""

    code: str | None = Field(description="The error's code; null where there was none, as of most cancelled jobs.")
    title: str | None = Field(description="The error in words.")
    retryable: bool = Field(description="Whether the error may pass by itself. If not, a replay fails again.")
    state: JobState
    jobs: int
    oldest: datetime = Field(description="When the first of them was made.")
    newest: datetime


class CauseList(Schema):
    items: list[CauseView]


class BulkAction(StrEnum):
    CANCEL = "cancel"
    RETRY = "retry"


class BulkFilter(JobFilter):
    # A name that is not known would mean more jobs than were meant.
    model_config = ConfigDict(extra="forbid")


class BulkBody(BaseModel):
    """Either `ids` or `filter`. Of a filter's jobs those that can be cancelled, or retried and were not yet."""

    model_config = ConfigDict(extra="forbid")

    action: BulkAction
    ids: list[UUID] | None = Field(default=None, min_length=1, max_length=MOST_JOBS)
    filter: BulkFilter | None = None
    limit: int = Field(default=MOST_JOBS, ge=1, le=MOST_JOBS, description="Of a filter's jobs at most so many.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.ids is None) == (self.filter is None):
            raise ValueError("either ids or filter")
        return self


class BulkView(Schema):
    """What became of the Jobs. Those not done were left as they were."""

    action: BulkAction
    done: int
    unfit: int = Field(description="In a state that does not allow it.")
    repeated: int = Field(description="A later job repeats it already.")
    missing: int = Field(description="Not known.")
    no_room: int = Field(description="The queue, or the Site's share of it, is full: ask again later.")
    more: bool = Field(description="The filter matched more jobs than `limit`: ask again.")
