"""From a Job's rows to what clients see. Call inside the session: rows are not read after it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from api.jobs.schemas import HeadlineView, ImageView, JobEventView, JobLinks, JobView
from api.problems import problem_document
from api.schemas import ProblemView
from core.errors import LucencyError
from core.vocabulary import Decision, JobState, ThreeWay
from db.repositories.batches import Item
from db.tables import Image, Job, JobEvent


def _tree(cls: type[LucencyError]) -> dict[str, type[LucencyError]]:
    found = {cls.code: cls}
    for child in cls.__subclasses__():
        found |= _tree(child)
    return found


ERRORS = _tree(LucencyError)


def job_path(job_id: UUID) -> str:
    return f"/v1/jobs/{job_id}"


def image_view(image: Image) -> ImageView:
    return ImageView.model_validate(image)


def job_problem(job: Job) -> dict[str, Any] | None:
    """Why a Job ended without a result, as a problem document."""
    if job.error_code is None or not JobState(job.state).terminal:
        return None
    error = ERRORS.get(job.error_code, LucencyError)
    return problem_document(
        job.error_code, title=error.title, status=error.status, detail=job.error_detail or error.title
    )


def job_view(job: Job, image: Image) -> JobView:
    path = job_path(job.id)
    problem = job_problem(job)
    return JobView(
        id=job.id,
        state=JobState(job.state),
        priority=job.priority,
        attempt=job.attempt,
        max_attempts=job.max_attempts,
        crash_count=job.crash_count,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        image=image_view(image),
        explain=list(job.explain),
        stability=job.stability,
        replay_of=job.replay_of,
        problem=ProblemView(**problem) if problem else None,
        result=headline_view(job),
        links=JobLinks(
            self=path,
            result=f"{path}/result",
            events=f"{path}/events",
            cancel=f"{path}/cancel",
            retry=f"{path}/retry",
        ),
    )


def headline_view(job: Job | Item) -> HeadlineView | None:
    if job.model_version_id is None:
        return None
    return HeadlineView(
        label=job.result_label,
        probability=job.result_probability,
        decision=Decision(job.result_decision) if job.result_decision else None,
        three_way=ThreeWay(job.result_three_way) if job.result_three_way else None,
        region=job.result_region,
        model_version_id=job.model_version_id,
    )


def event_view(event: JobEvent) -> JobEventView:
    return JobEventView.model_validate(event)
