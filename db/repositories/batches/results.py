"""The files of a Batch with their results, a page at a time: what exports are made of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.repositories.batches.queries import Item, items
from db.tables import Explanation, Finding, ModelVersion, Prediction


@dataclass(frozen=True, slots=True)
class ResultRow:
    """A file of a Batch; with a succeeded Job its result. `findings`: {label, probability, threshold, decision,
    three_way, stability, explained} in the result's order; `region`, `probabilities`, `routing`, `sanity` as the
    Prediction has them.
    """

    item: Item
    model: str | None = None
    engine: str | None = None
    region: str | None = None
    region_probability: float | None = None
    region_probabilities: dict[str, float] = field(default_factory=dict)
    probabilities: dict[str, float] | None = None
    routing: dict[str, Any] | None = None
    sanity: dict[str, Any] | None = None
    findings: tuple[dict[str, Any], ...] = ()


def result_rows(session: Session, *, batch_id: UUID, after: int, limit: int) -> list[ResultRow]:
    """The next `limit` files in the manifest's order, beyond the position `after`. Three statements a page."""
    page = items(session, batch_id=batch_id, after=after, limit=limit)
    wanted = [item.job_id for item in page if item.job_id is not None]
    predictions = session.execute(
        select(
            Prediction.id,
            Prediction.job_id,
            Prediction.engine,
            Prediction.region,
            Prediction.region_probability,
            Prediction.region_probabilities,
            Prediction.probabilities,
            Prediction.routing,
            Prediction.sanity,
            ModelVersion.name,
            ModelVersion.version,
        )
        .join(ModelVersion, ModelVersion.id == Prediction.model_version_id)
        .where(Prediction.job_id.in_(wanted))
    ).all()
    findings = _findings(session, [row.id for row in predictions])
    by_job = {row.job_id: row for row in predictions}
    return [_row(item, by_job.get(item.job_id), findings) for item in page]


def _row(item: Item, prediction: Any, findings: dict[UUID, list[dict[str, Any]]]) -> ResultRow:
    if prediction is None:
        return ResultRow(item)
    return ResultRow(
        item,
        model=f"{prediction.name} {prediction.version}",
        engine=prediction.engine,
        region=prediction.region,
        region_probability=prediction.region_probability,
        region_probabilities=prediction.region_probabilities,
        probabilities=prediction.probabilities,
        routing=prediction.routing,
        sanity=prediction.sanity,
        findings=tuple(findings[prediction.id]),
    )


def _findings(session: Session, predictions: Sequence[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    found: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
    rows = session.execute(
        select(Finding, Explanation.id)
        .outerjoin(Explanation, Explanation.finding_id == Finding.id)
        .where(Finding.prediction_id.in_(list(predictions)))
        .order_by(Finding.prediction_id, Finding.position)
    )
    for finding, explanation_id in rows:
        found[finding.prediction_id].append(
            {
                "label": finding.label,
                "probability": finding.probability,
                "threshold": finding.threshold,
                "decision": finding.decision,
                "three_way": finding.three_way,
                "stability": finding.stability,
                "explained": explanation_id is not None,
            }
        )
    return found
