"""Studies as clients see them. Every name is part of the API: add, never rename."""

from __future__ import annotations

from uuid import UUID

from api.jobs.views import job_path
from api.models.schemas import ModelVersionRef
from api.studies.schemas import StudyFindingView, StudyImageView, StudyLinks, StudyView
from core.vocabulary import JobState, MediaKind, StudyRule, StudyState
from db.repositories.studies import MemberRow, StudyRow


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
