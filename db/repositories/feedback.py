"""What readers say of Findings: kept once for each reader, counted per ModelVersion and label, read for training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, text, tuple_
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from core.errors import NotFound
from core.vocabulary import AuditAction, Verdict
from db.repositories import audit, results
from db.repositories.sites import Principal
from db.tables import Feedback, Finding, Job, ModelVersion, Prediction

_KEEP = text("""
INSERT INTO feedback (id, site_id, job_id, label, user_id, key_id, verdict, decision, sealed_comment)
VALUES (:id, :site_id, :job_id, :label, :user_id, :key_id, :verdict, :decision, :sealed_comment)
ON CONFLICT (job_id, label, COALESCE(user_id, key_id)) DO UPDATE SET verdict = excluded.verdict,
    decision = excluded.decision, sealed_comment = excluded.sealed_comment, updated_at = now()
""")

# A Finding that several readers judged counts once, as most of them said. Labels that are regions or classes, and were
# only explained, are no Findings.
_COUNTS = text("""
WITH judged AS (
    SELECT prediction.model_version_id, finding.label, finding.decision, job.id AS job_id
    FROM job JOIN prediction ON prediction.job_id = job.id JOIN finding ON finding.prediction_id = prediction.id
    WHERE job.site_id = :site AND job.created_at >= :since
        AND (CAST(:model AS uuid) IS NULL OR prediction.model_version_id = CAST(:model AS uuid))
        AND NOT jsonb_exists(prediction.region_probabilities, finding.label)
        AND NOT coalesce(jsonb_exists(prediction.probabilities, finding.label), false)
), votes AS (
    SELECT job_id, label, count(*) FILTER (WHERE verdict = 'accept') AS accepts,
        count(*) FILTER (WHERE verdict = 'reject') AS rejects
    FROM feedback WHERE site_id = :site GROUP BY job_id, label
)
SELECT model_version.id AS model_version_id, model_version.name, model_version.version, model_version.digest,
    judged.label, judged.decision, count(*) AS findings,
    count(*) FILTER (WHERE accepts > rejects) AS accepted, count(*) FILTER (WHERE accepts < rejects) AS rejected,
    count(*) FILTER (WHERE accepts = rejects) AS disputed
FROM judged JOIN model_version ON model_version.id = judged.model_version_id
LEFT JOIN votes ON votes.job_id = judged.job_id AND votes.label = judged.label
GROUP BY model_version.id, judged.label, judged.decision
ORDER BY model_version.created_at DESC, model_version.id DESC, judged.label, judged.decision DESC
""")


@dataclass(frozen=True, slots=True)
class DecisionCount:
    """Of one ModelVersion's Findings of one label with one decision: how many there are, and what readers said."""

    model_version_id: UUID
    name: str
    version: str
    digest: str
    label: str
    decision: str
    findings: int
    accepted: int
    rejected: int
    disputed: int


@dataclass(frozen=True, slots=True)
class JudgedFinding:
    """A reader's word, and the Finding that it is about."""

    feedback: Feedback
    image_id: UUID
    probability: float
    threshold: float
    model_version: ModelVersion


def context_of(job_id: UUID, label: str) -> str:
    """The context that a comment is sealed and opened with."""
    return f"feedback {job_id} {label}"


def give(
    session: Session,
    principal: Principal,
    *,
    job_id: UUID,
    label: str,
    verdict: Verdict,
    sealed_comment: bytes | None,
) -> None:
    """Keep what this reader says of a Finding, in place of what the same reader said before; audited, last.

    Raises NotFound, also for another Site's Job and for a label that is no Finding of it, and ResultNotReady.
    """
    record = results.record(session, site_id=principal.site_id, job_id=job_id)
    decision = next((finding.decision for finding in record.judged if finding.label == label), None)
    if decision is None:
        raise NotFound("This job has no finding of that label.")
    values = {
        "id": uuid7(),
        "site_id": principal.site_id,
        "job_id": job_id,
        "label": label,
        "user_id": principal.user_id,
        "key_id": principal.key_id,
        "verdict": verdict.value,
        "decision": decision,
        "sealed_comment": sealed_comment,
    }
    session.execute(_KEEP, values)
    _record(session, principal, job_id, label, verdict)


def withdraw(session: Session, principal: Principal, *, job_id: UUID, label: str) -> None:
    """Forget what this reader said; with an audit record, last. Raises NotFound where there is nothing."""
    gone = session.scalars(
        delete(Feedback)
        .where(
            Feedback.site_id == principal.site_id,
            Feedback.job_id == job_id,
            Feedback.label == label,
            func.coalesce(Feedback.user_id, Feedback.key_id) == (principal.user_id or principal.key_id),
        )
        .returning(Feedback.id)
    ).one_or_none()
    if gone is None:
        raise NotFound
    _record(session, principal, job_id, label, None)


def _record(session: Session, principal: Principal, job_id: UUID, label: str, verdict: Verdict | None) -> None:
    audit.append(
        session,
        site_id=principal.site_id,
        actor=principal.actor,
        action=AuditAction.FEEDBACK_GIVEN,
        subject=f"job {job_id}",
        detail={"label": label, "verdict": None if verdict is None else verdict.value},
    )


def of_job(session: Session, *, site_id: UUID, job_id: UUID) -> Sequence[Feedback]:
    """Every reader's, oldest first."""
    return session.scalars(
        select(Feedback)
        .where(Feedback.site_id == site_id, Feedback.job_id == job_id)
        .order_by(Feedback.created_at, Feedback.id)
    ).all()


def counts(
    session: Session, *, site_id: UUID, since: datetime, model_version_id: UUID | None = None
) -> list[DecisionCount]:
    """Of the Site's Jobs that were submitted since then: by ModelVersion (newest first), label and decision."""
    values: dict[str, Any] = {"site": site_id, "since": since, "model": model_version_id}
    return [DecisionCount(**row) for row in session.execute(_COUNTS, values).mappings()]


def page(
    session: Session, *, site_id: UUID, after: tuple[datetime, UUID] | None = None, limit: int
) -> list[JudgedFinding]:
    """Up to `limit`, oldest first; `after`: (created_at, id) of the last of the page before."""
    query = (
        select(Feedback, Job.image_id, Finding.probability, Finding.threshold, ModelVersion)
        .join(Job, Job.id == Feedback.job_id)
        .join(Prediction, Prediction.job_id == Job.id)
        .join(Finding, (Finding.prediction_id == Prediction.id) & (Finding.label == Feedback.label))
        .join(ModelVersion, ModelVersion.id == Prediction.model_version_id)
        .where(Feedback.site_id == site_id)
        .order_by(Feedback.created_at, Feedback.id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(tuple_(Feedback.created_at, Feedback.id) > after)
    return [JudgedFinding(*row) for row in session.execute(query)]
