"""From a Prediction's rows to what clients see. Call inside the session: rows are not read after it."""

from __future__ import annotations

from urllib.parse import quote
from uuid import UUID

from api.jobs.schemas import ImageView
from api.jobs.views import job_path
from api.models.schemas import ModelVersionRef
from api.results.schemas import (
    ExplanationLinks,
    FindingView,
    PredictView,
    RegionView,
    ResultView,
    RoutingView,
    SanityView,
    ThreeWayView,
)
from core.vocabulary import Decision
from db.tables import Finding, Image, Prediction


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
