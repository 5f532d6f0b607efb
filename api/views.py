"""From rows to what clients see. Call inside the session: rows are not read after it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote
from uuid import UUID

from fastapi.encoders import jsonable_encoder

from api.problems import problem_document
from api.schemas import (
    ExplanationLinks,
    FindingView,
    HeadlineView,
    ImageView,
    JobEventView,
    JobLinks,
    JobView,
    ModelVersionLinks,
    ModelVersionRef,
    ModelVersionView,
    PredictView,
    ProblemView,
    RegionView,
    ResultView,
    RoutingView,
    SanityView,
    ThreeWayView,
)
from core.errors import LucencyError
from core.headline import headline
from core.vocabulary import Decision, JobState, ModelState, ThreeWay
from db.repositories.batches import Item
from db.tables import Finding, Image, Job, JobEvent, ModelVersion, Prediction


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


def explanation_path(job_id: UUID, label: str) -> str:
    return f"{job_path(job_id)}/explanations/{quote(label, safe='')}.png"


def finding_view(job_id: UUID, finding: Finding) -> FindingView:
    explained = finding.explanation
    path = explanation_path(job_id, finding.label)
    return FindingView(
        label=finding.label,
        probability=finding.probability,
        threshold=finding.threshold,
        decision=Decision(finding.decision),
        three_way=ThreeWayView.model_validate(finding.three_way) if finding.three_way else None,
        stability=finding.stability,
        regions_of_interest=list(explained.regions) if explained else [],
        explanation=ExplanationLinks(overlay=path, heatmap=f"{path}?view=heatmap") if explained else None,
    )


def result_view(prediction: Prediction, image: Image) -> ResultView:
    return ResultView(
        job_id=prediction.job_id,
        # What was decoded is the truth about the size: it knows an EXIF orientation that a header's walk does not.
        image=ImageView(
            id=image.id,
            rows=prediction.rows,
            columns=prediction.columns,
            media_kind=image.media_kind,
            study_id=image.study_id,
        ),
        model_version=ModelVersionRef.model_validate(prediction.model_version),
        engine=prediction.engine,
        findings=[finding_view(prediction.job_id, finding) for finding in prediction.findings],
        region=RegionView(
            label=prediction.region,
            probability=prediction.region_probability,
            probabilities=prediction.region_probabilities,
        ),
        probabilities=prediction.probabilities,
        routing=RoutingView.model_validate(prediction.routing) if prediction.routing else None,
        sanity=SanityView.model_validate(prediction.sanity) if prediction.sanity else None,
        timings_ms=prediction.timings_ms,
    )


def model_path(model_version_id: UUID) -> str:
    return f"/v1/models/{model_version_id}"


def model_view(row: ModelVersion) -> ModelVersionView:
    path = model_path(row.id)
    return ModelVersionView(
        id=row.id,
        name=row.name,
        version=row.version,
        digest=row.digest,
        state=ModelState(row.state),
        shadow_share=row.shadow_share,
        labels=list(row.labels),
        explainable=list(row.explainable),
        created_at=row.created_at,
        activated_at=row.activated_at,
        metrics=headline(row.manifest),
        links=ModelVersionLinks(self=path, card=f"{path}/card"),
    )


def predict_view(result: ResultView) -> PredictView:
    """One Finding in two words: the label or `no_` and the label, with its own probability.

    Of several the most probable positive one, or, where none is positive, the most probable. A model without Findings
    is answered by its most probable class or region.
    """
    finding = max(_judged(result), key=lambda one: (one.decision == Decision.POSITIVE, one.probability), default=None)
    if finding is None:
        classes = result.probabilities or result.region.probabilities
        prediction = max(classes, key=classes.__getitem__)
        confidence = classes[prediction]
    else:
        positive = finding.decision == Decision.POSITIVE
        prediction = finding.label if positive else f"no_{finding.label}"
        confidence = finding.probability if positive else 1 - finding.probability
    path = job_path(result.job_id)
    return PredictView(
        prediction=prediction,
        confidence=confidence,
        three_way=finding.three_way.decision if finding and finding.three_way else None,
        flags=[flag.code for flag in result.sanity.flags] if result.sanity else [],
        region=result.region.label,
        explanation=finding.explanation.overlay if finding and finding.explanation else None,
        job=path,
        result=f"{path}/result",
        model_version=f"{result.model_version.name} {result.model_version.version}",
    )


def _judged(result: ResultView) -> list[FindingView]:
    """The Findings, without the regions and classes that a client had explained."""
    others = {*result.region.probabilities, *(result.probabilities or ())}
    return [finding for finding in result.findings if finding.label not in others]


def as_json(view: Any) -> Any:
    """Plain JSON values of a view, for responses that are built by hand."""
    return jsonable_encoder(view)
