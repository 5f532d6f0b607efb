"""The result record: everything that a report says of one succeeded Job, in two queries."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, contains_eager, joinedload, selectinload

from core.errors import ResultNotReady
from core.result_record import Box, ReportedFinding, ReportedImage, ResultRecord
from db.repositories.jobs.queries import get
from db.tables import Explanation, Finding, Image, Job, ModelVersion, Prediction, Study


def record(session: Session, *, site_id: UUID, job_id: UUID) -> ResultRecord:
    """The record of one Job, with its heatmaps.

    Raises NotFound, also for another Site's, and ResultNotReady where it has no result.
    """
    found = records(session, site_id=site_id, job_ids=[job_id])
    if not found:
        get(session, site_id=site_id, job_id=job_id)
        raise ResultNotReady
    return found[job_id]


def records(
    session: Session, *, site_id: UUID, job_ids: Collection[UUID], heatmaps: bool = True
) -> dict[UUID, ResultRecord]:
    """By id the records of those of `job_ids` that are the Site's and have a result; the others are left out.

    Without `heatmaps` nothing can be drawn from them.
    """
    rows = session.execute(_query(heatmaps=heatmaps).where(Job.id.in_(job_ids), Job.site_id == site_id))
    return {
        job.id: _record(job, study_instance_uid, prediction, heatmaps=heatmaps)
        for job, study_instance_uid, prediction in rows
    }


def explanation(session: Session, *, site_id: UUID, job_id: UUID, label: str) -> dict[str, Any] | None:
    """What the picture of one explained label is drawn from, in one query; None where that was not explained.

    Raises NotFound, also for another Site's, and ResultNotReady where the Job has no result.
    """
    found = session.execute(
        select(
            Explanation.id,
            Explanation.heatmap,
            Explanation.heatmap_key,
            Explanation.regions,
            Finding.probability,
            Prediction.preview_key,
            Prediction.window,
            Prediction.rows,
            Prediction.columns,
            Image.sha256,
            Image.attributes,
            Image.reduced_revision,
        )
        .join(Prediction, Prediction.job_id == Job.id)
        .join(Image, Image.id == Job.image_id)
        .outerjoin(Finding, (Finding.prediction_id == Prediction.id) & (Finding.label == label))
        .outerjoin(Explanation, Explanation.finding_id == Finding.id)
        .where(Job.id == job_id, Job.site_id == site_id)
        .select_from(Job)
    ).one_or_none()
    if found is None:
        get(session, site_id=site_id, job_id=job_id)
        raise ResultNotReady
    return dict(found._mapping) if found.id is not None else None


def _query(*, heatmaps: bool) -> Select[Job, str, Prediction]:
    explanations = selectinload(Prediction.findings).joinedload(Finding.explanation)
    return (
        select(Job, Study.study_instance_uid, Prediction)
        .join(Prediction, Prediction.job_id == Job.id)
        .join(Image, Image.id == Job.image_id)
        .outerjoin(Study, Study.id == Image.study_id)
        .options(
            contains_eager(Job.image),
            joinedload(Prediction.model_version),
            explanations.undefer(Explanation.heatmap) if heatmaps else explanations,
        )
    )


def _record(job: Job, study_instance_uid: str | None, prediction: Prediction, *, heatmaps: bool) -> ResultRecord:
    version = prediction.model_version
    left, top, right, bottom = prediction.window
    return ResultRecord(
        job_id=job.id,
        site_id=job.site_id,
        image=_image(job.image, study_instance_uid),
        submitted_at=job.created_at,
        predicted_at=prediction.created_at,
        model_version_id=version.id,
        model_name=version.name,
        model_version=version.version,
        model_digest=version.digest,
        engine=prediction.engine,
        findings=tuple(_finding(finding, prediction, heatmap=heatmaps) for finding in prediction.findings),
        region=prediction.region,
        region_probability=prediction.region_probability,
        region_probabilities=prediction.region_probabilities,
        probabilities=prediction.probabilities,
        routing=prediction.routing,
        sanity=prediction.sanity,
        rows=prediction.rows,
        columns=prediction.columns,
        window=(left, top, right, bottom),
        preview_key=prediction.preview_key,
        timings_ms=prediction.timings_ms,
        limits=_limits(version),
        rules=_rules(version, prediction.routing),
        release=_mapping(prediction.produced_by, "libraries").get("lucency"),
    )


def _image(image: Image, study_instance_uid: str | None) -> ReportedImage:
    return ReportedImage(
        image_id=image.id,
        study_id=image.study_id,
        sha256=image.sha256,
        media_kind=image.media_kind,
        rows=image.rows,
        columns=image.columns,
        modality=image.modality,
        body_part=image.body_part,
        sop_class_uid=image.sop_class_uid,
        sop_instance_uid=image.sop_instance_uid,
        series_instance_uid=image.series_instance_uid,
        study_instance_uid=study_instance_uid,
        photometric_interpretation=image.photometric_interpretation,
        attributes=image.attributes or {},
        reduced=image.reduced_revision is not None,
    )


def _finding(finding: Finding, prediction: Prediction, *, heatmap: bool) -> ReportedFinding:
    explained = finding.explanation
    return ReportedFinding(
        label=finding.label,
        probability=finding.probability,
        threshold=finding.threshold,
        decision=finding.decision,
        role=_role(finding.label, prediction),
        three_way=finding.three_way,
        stability=finding.stability,
        explained=explained is not None,
        heatmap=None if explained is None or not heatmap else explained.heatmap,
        heatmap_key=None if explained is None else explained.heatmap_key,
        regions=() if explained is None else _boxes(explained),
    )


def _boxes(explanation: Explanation) -> tuple[Box, ...]:
    return tuple(
        Box(*(float(region.get(side, 0.0)) for side in ("x", "y", "width", "height", "score")))
        for region in explanation.regions
    )


def _role(label: str, prediction: Prediction) -> str:
    if label in prediction.region_probabilities:
        return "region"
    return "class" if label in (prediction.probabilities or ()) else "finding"


def _limits(version: ModelVersion) -> tuple[str, ...]:
    """What the recipe states, as the model card does; none of a Bundle that was not trained here."""
    recipe = _mapping(_mapping(version.manifest, "training"), "recipe")
    stated = recipe.get("limits")
    return tuple(str(limit) for limit in stated) if isinstance(stated, list) else ()


def _rules(version: ModelVersion, routing: Mapping[str, Any] | None) -> dict[str, str]:
    """By label how the threshold was chosen: a specialist's own, where one judged the radiograph."""
    own = _mapping(version.manifest, "thresholds")
    if routing is not None:
        specialists = _mapping(_mapping(version.manifest, "routing"), "specialists")
        own = {**own, **_mapping(_mapping(specialists, str(routing.get("specialist"))), "thresholds")}
    return {label: str(rule) for label, one in own.items() if isinstance(one, Mapping) and (rule := one.get("rule"))}


def _mapping(whole: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = whole.get(name)
    return part if isinstance(part, Mapping) else {}
