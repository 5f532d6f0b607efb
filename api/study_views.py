"""Studies as clients see them. Every name is part of the API: add, never rename."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field

from api.schemas import ModelVersionRef, Schema, ThreeWayView
from api.views import job_path
from core.vocabulary import DISCLAIMER, Decision, JobState, MediaKind, StudyRule, StudyState
from db.repositories.studies import MemberRow, StudyRow


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


def study_path(study_id: UUID) -> str:
    return f"/v1/studies/{study_id}"


def study_view(row: StudyRow) -> StudyView:
    """What an open one said before is not shown: it lacks an image, or has one too many."""
    result, settled = row.result, row.result.state == StudyState.SETTLED
    return StudyView(
        id=result.study_id,
        study_instance_uid=row.study_instance_uid,
        state=StudyState(result.state),
        revision=result.revision,
        created_at=result.created_at,
        last_image_at=result.last_image_at,
        settled_at=result.settled_at,
        images=result.images if settled else None,
        stored_images=row.stored_images,
        judged_images=result.images - result.failed_images - result.other_images if settled else None,
        failed_images=result.failed_images if settled else None,
        other_model_images=result.other_images if settled else None,
        rule=StudyRule(result.rule) if settled and result.rule else None,
        model_version=ModelVersionRef.model_validate(row.model_version) if settled and row.model_version else None,
        findings=[StudyFindingView.model_validate(finding) for finding in result.findings or ()] if settled else None,
        links=StudyLinks(self=study_path(result.study_id)),
    )


def member_view(row: MemberRow, *, settled: bool) -> StudyImageView:
    return StudyImageView(
        id=row.image_id,
        rows=row.rows,
        columns=row.columns,
        media_kind=MediaKind(row.media_kind),
        job=job_path(row.job_id) if row.job_id else None,
        job_state=JobState(row.job_state) if row.job_state else None,
        judged_by=job_path(row.used_job_id) if settled and row.used_job_id else None,
    )
