"""What shadows said of live jobs, beside what the active ModelVersion said."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from db.tables import ShadowPrediction


@dataclass(frozen=True, slots=True)
class Pair:
    """One Finding of a Job that both judged: probabilities in [0, 1], decisions, and durations of a pass in ms.

    `infer_ms` is of the active version's whole pass, over `batch` images; a shadow's pass is over one.
    """

    job_id: UUID
    active_id: UUID
    label: str
    probability: float
    decision: str
    shadow_probability: float
    shadow_decision: str
    infer_ms: float | None
    batch: int
    shadow_infer_ms: float


# Nothing where the job is gone: an erased one leaves nothing behind, and one judged already is not judged twice.
_RECORD = text("""
INSERT INTO shadow_prediction (id, job_id, model_version_id, engine, probabilities, decisions, infer_ms)
SELECT :id, job.id, :model_version_id, :engine, CAST(:probabilities AS jsonb), CAST(:decisions AS jsonb), :infer_ms
FROM job WHERE job.id = :job_id FOR KEY SHARE
ON CONFLICT (job_id, model_version_id) DO NOTHING RETURNING id
""")

_PAIRED = """
SELECT shadow.job_id, prediction.model_version_id AS active_id, finding.label, finding.probability, finding.decision,
    (shadow.probabilities ->> finding.label)::float8 AS shadow_probability,
    shadow.decisions ->> finding.label AS shadow_decision,
    (prediction.timings_ms ->> 'infer')::float8 AS infer_ms,
    coalesce((prediction.produced_by ->> 'batch')::int, 1) AS batch, shadow.infer_ms AS shadow_infer_ms
FROM shadow_prediction AS shadow
JOIN prediction ON prediction.job_id = shadow.job_id
JOIN finding ON finding.prediction_id = prediction.id
WHERE shadow.model_version_id = :model_version_id AND prediction.model_version_id <> :model_version_id
    AND shadow.decisions ? finding.label
"""
_PAIRS = text(_PAIRED + "ORDER BY shadow.id, finding.position")
_AGREEMENT = text(
    f"WITH pair AS ({_PAIRED})"
    + """
SELECT active_id, label, count(*) AS n, count(*) FILTER (WHERE decision = 'positive') AS positives,
    count(*) FILTER (WHERE shadow_decision = 'positive') AS shadow_positives,
    count(*) FILTER (WHERE decision = 'positive' AND shadow_decision = 'positive') AS both_positive,
    avg(abs(probability - shadow_probability)) AS mean_difference, corr(probability, shadow_probability) AS correlation,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY infer_ms / batch) AS active_ms,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY shadow_infer_ms) AS shadow_ms
FROM pair GROUP BY active_id, label ORDER BY count(*) DESC, active_id, label
"""
)


def record(
    session: Session,
    *,
    job_id: UUID,
    model_version_id: UUID,
    engine: str,
    probabilities: Mapping[str, float],
    decisions: Mapping[str, str],
    infer_ms: float,
) -> bool:
    """Keep what a shadow said of a Job. False where the Job is gone, or this shadow judged it before."""
    values = {
        "id": uuid7(),
        "job_id": job_id,
        "model_version_id": model_version_id,
        "engine": engine,
        "probabilities": json.dumps(dict(probabilities), allow_nan=False),
        "decisions": json.dumps(dict(decisions)),
        "infer_ms": float(infer_ms),
    }
    return session.scalars(_RECORD, values).one_or_none() is not None


def pairs(session: Session, model_version_id: UUID) -> list[Pair]:
    """Every Finding that this shadow and the version whose result was given both have, in the order of judging."""
    rows = session.execute(_PAIRS, {"model_version_id": model_version_id}).mappings()
    return [Pair(**row) for row in rows]


@dataclass(frozen=True, slots=True)
class Agreement:
    """A shadow beside the version whose results were given, on one Finding of `n` jobs. Medians of ms per image."""

    active_id: UUID
    label: str
    n: int
    positives: int
    shadow_positives: int
    both_positive: int
    mean_difference: float
    correlation: float | None
    active_ms: float | None
    shadow_ms: float

    @property
    def agreement(self) -> float:
        """The share of jobs that both decided alike."""
        return (self.n - self.positives - self.shadow_positives + 2 * self.both_positive) / self.n

    @property
    def kappa(self) -> float | None:
        """Cohen's κ; None where both always gave one and the same answer."""
        one, two = self.positives / self.n, self.shadow_positives / self.n
        expected = one * two + (1 - one) * (1 - two)
        return None if expected == 1 else (self.agreement - expected) / (1 - expected)


def agreements(session: Session, model_version_id: UUID) -> list[Agreement]:
    """The shadow against each version and Finding, the most jobs first; summed up in the database."""
    rows = session.execute(_AGREEMENT, {"model_version_id": model_version_id}).mappings()
    return [Agreement(**row) for row in rows]


def count(session: Session, model_version_id: UUID) -> int:
    """How many jobs it judged as a shadow."""
    query = (
        select(func.count()).select_from(ShadowPrediction).where(ShadowPrediction.model_version_id == model_version_id)
    )
    return session.scalars(query).one()
