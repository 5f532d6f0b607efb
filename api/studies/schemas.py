"""The JSON of Studies. Every name is part of the API: add, never rename."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field

from api.models.schemas import ModelVersionRef
from api.results.schemas import ThreeWayView
from api.schemas import Schema
from core.vocabulary import DISCLAIMER, Decision, JobState, MediaKind, StudyRule, StudyState


class StudyFindingView(Schema):
    label: str
    probability: float = Field(ge=0, le=1, description="Of the whole study: by `rule` over its images.")
    threshold: float
    decision: Decision
    three_way: ThreeWayView | None = Field(
        description="`refer` also where an image of the study failed, was judged by another model only, or is for a "
        "human in any case. `coverage` is null: what a model states holds for images, not for studies."
    )
    images: int = Field(description="How many images it was judged by.")


class StudyLinks(Schema):
    self: str


class StudyView(Schema):
    """One exam. `findings` is null while it is open: images may still come, or are not all judged."""

    id: UUID
    study_instance_uid: str = Field(description="As stored: not the original one.")
    state: StudyState
    revision: int = Field(description="How often it was settled; a late image opens it again.")
    created_at: datetime = Field(description="When its first image came; lists are in this order, newest first.")
    last_image_at: datetime
    settled_at: datetime | None = Field(description="The last time, also of an open one.")
    images: int | None = Field(description="When it was settled; null while it is open, as are the next three.")
    stored_images: int = Field(description="How many are stored now, whether it is open or settled.")
    judged_images: int | None
    failed_images: int | None = Field(description="Images without any result.")
    other_model_images: int | None = Field(description="Images that only another model judged; send them again.")
    rule: StudyRule | None
    model_version: ModelVersionRef | None
    findings: list[StudyFindingView] | None
    links: StudyLinks
    disclaimer: str = DISCLAIMER


class StudyPage(Schema):
    items: list[StudyView]
    next: str | None = Field(description="The cursor of the next page; null on the last one.")


class StudyImageView(Schema):
    """An image of a Study, with its newest Job and the one whose result is in the Study's."""

    id: UUID
    rows: int
    columns: int
    media_kind: MediaKind
    job: str | None
    job_state: JobState | None
    judged_by: str | None = Field(description="Null while the study is open, and of images that it was judged without.")


class StudyDetailView(StudyView):
    members: list[StudyImageView] = Field(description="Its images, newest first.")
    next: str | None = Field(description="The cursor of the next page of `members`; null on the last one.")
