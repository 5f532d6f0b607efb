"""The end of an attempt: the guarded finish with its prediction, and failures."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from core.errors import LucencyError
from core.vocabulary import Decision, JobState
from db.repositories.jobs.claims import Claim
from db.repositories.jobs.outbox import with_deliveries


@dataclass(frozen=True, slots=True)
class FindingRecord:
    """A Finding to store. `heatmap` (a 16-bit grey PNG) and `regions` (boxes `{x, y, width, height, score}` in original
    pixels) are None where it is not explained.

    `three_way` and `stability` as in the table.
    """

    label: str
    probability: float
    threshold: float
    decision: str
    heatmap: bytes | None = None
    regions: list[dict[str, float]] | None = None
    three_way: Mapping[str, Any] | None = None
    stability: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one claim. `window`: left, top, right, bottom in fractions of the heatmap's grid.

    `produced_by`: what a replay must have alike (`worker.inference.provenance`). `probabilities`, `routing`, `sanity`,
    `input_statistics` as in the table.
    """

    prediction_id: UUID
    job_id: UUID
    fence: int
    model_version_id: UUID
    engine: str
    region: str | None
    region_probability: float | None
    region_probabilities: Mapping[str, float]
    rows: int
    columns: int
    window: tuple[float, float, float, float]
    timings_ms: Mapping[str, float]
    findings: tuple[FindingRecord, ...]
    produced_by: Mapping[str, Any] = field(default_factory=dict)
    probabilities: Mapping[str, float] | None = None
    routing: Mapping[str, Any] | None = None
    sanity: Mapping[str, Any] | None = None
    input_statistics: Mapping[str, float] | None = None


_SUCCEED = with_deliveries("""
WITH input AS (
    SELECT * FROM jsonb_to_recordset(CAST(:outcomes AS jsonb)) AS outcome (
        prediction_id uuid, job_id uuid, fence bigint, model_version_id uuid, engine text, region text,
        region_probability float8, region_probabilities jsonb, rows int, columns int, "window" float8[],
        timings_ms jsonb, findings jsonb, produced_by jsonb, probabilities jsonb, routing jsonb, sanity jsonb,
        input_statistics jsonb, headline_label text, headline_probability float8, headline_decision text,
        headline_three_way text)
), held AS MATERIALIZED (
    SELECT job.id FROM input JOIN job ON job.id = input.job_id
    WHERE job.fence = input.fence AND job.state = 'running' ORDER BY job.id FOR UPDATE OF job
), moved AS (
    UPDATE job SET state = 'succeeded', finished_at = now(), lease_owner = NULL, lease_expires_at = NULL,
        error_code = NULL, error_detail = NULL, model_version_id = input.model_version_id,
        result_label = input.headline_label, result_probability = input.headline_probability,
        result_decision = input.headline_decision, result_three_way = input.headline_three_way,
        result_region = input.region
    FROM input
    WHERE job.id IN (SELECT id FROM held) AND input.job_id = job.id AND input.fence = job.fence
    RETURNING job.id, job.site_id, job.state, job.fence
), predicted AS (
    INSERT INTO prediction (id, job_id, model_version_id, fence, engine, region, region_probability,
        region_probabilities, rows, columns, "window", timings_ms, produced_by, probabilities, routing,
        sanity, input_statistics)
    SELECT prediction_id, job_id, model_version_id, input.fence, engine, region, region_probability,
        region_probabilities, rows, columns, "window", timings_ms, produced_by, probabilities, routing,
        sanity, input_statistics
    FROM input JOIN moved ON moved.id = input.job_id AND moved.fence = input.fence
), found AS (
    SELECT input.prediction_id, finding.* FROM input
    JOIN moved ON moved.id = input.job_id AND moved.fence = input.fence
    CROSS JOIN LATERAL jsonb_to_recordset(input.findings) AS finding (
        id uuid, explanation_id uuid, position int, label text, probability float8, threshold float8, decision text,
        heatmap text, regions jsonb, three_way jsonb, stability float8)
), judged AS (
    INSERT INTO finding (id, prediction_id, position, label, probability, threshold, decision, three_way, stability)
    SELECT id, prediction_id, position, label, probability, threshold, decision, three_way, stability FROM found
), explained AS (
    INSERT INTO explanation (id, finding_id, heatmap, regions)
    SELECT explanation_id, id, decode(heatmap, 'base64'),
        CASE WHEN jsonb_typeof(regions) = 'array' THEN regions ELSE '[]' END
    FROM found WHERE heatmap IS NOT NULL
), noted AS (
    INSERT INTO job_event (job_id, kind, state, fence) SELECT id, 'succeeded', 'succeeded', fence FROM moved
), told AS (…)
SELECT id FROM moved
""")

_FAIL = with_deliveries("""
WITH held AS (
    SELECT id, CASE WHEN NOT :retryable THEN 'failed' WHEN attempt >= max_attempts THEN 'dead' ELSE 'retry_wait' END
        AS next
    FROM job WHERE id = :job_id AND fence = :fence AND state = 'running' FOR UPDATE
), moved AS (
    UPDATE job SET state = held.next, lease_owner = NULL, lease_expires_at = NULL, error_code = :code,
        error_detail = :detail, finished_at = CASE WHEN held.next = 'retry_wait' THEN NULL ELSE now() END,
        run_after = CASE WHEN held.next = 'retry_wait' THEN now() + make_interval(secs =>
            random() * least(CAST(:cap AS float8), :base * power(2, least(attempt - 1, 30)))) ELSE run_after END
    FROM held WHERE job.id = held.id RETURNING job.id, job.site_id, job.state, job.fence
), noted AS (
    INSERT INTO job_event (job_id, kind, state, fence, code)
    SELECT id, CASE state WHEN 'failed' THEN 'failed' WHEN 'dead' THEN 'died' ELSE 'retry_scheduled' END,
        state, fence, :code FROM moved
), told AS (…)
SELECT state FROM moved
""")


def succeed(session: Session, outcomes: Sequence[Outcome]) -> set[UUID]:
    """Finish jobs with their predictions, in one statement. Returns those finished: a lost fence changes nothing."""
    if not outcomes:
        return set()
    payload = json.dumps([_row(outcome) for outcome in outcomes], allow_nan=False)
    return set(session.scalars(_SUCCEED, {"outcomes": payload}))


def fail(
    session: Session,
    held: Claim | tuple[UUID, int],
    *,
    error: LucencyError,
    retry_base: float = 2.0,
    retry_cap: float = 120.0,
) -> JobState | None:
    """End the attempt of `held` with `error`. Returns the job's new state, or None where the fence is lost.

    A permanent error fails the job. A retryable one waits uniformly between 0 and min(`retry_cap`, `retry_base`·2ⁿ)
    seconds ("full jitter"), n the attempts before; when attempts are spent the job is dead.
    """
    job_id, fence = (held.job_id, held.fence) if isinstance(held, Claim) else held
    state = session.scalars(
        _FAIL,
        {
            "job_id": job_id,
            "fence": fence,
            "retryable": error.retryable,
            "code": error.code,
            "detail": error.detail,
            "base": float(retry_base),
            "cap": float(retry_cap),
        },
    ).one_or_none()
    return None if state is None else JobState(state)


# `dataclasses.asdict` copies all that is below, which takes longer than writing it as JSON.
_COLUMNS = tuple(field.name for field in fields(Outcome))
_FINDING = tuple(field.name for field in fields(FindingRecord))


def _row(outcome: Outcome) -> dict[str, Any]:
    row = {name: getattr(outcome, name) for name in _COLUMNS}
    row["findings"] = [_finding(finding, position) for position, finding in enumerate(outcome.findings)]
    for name in ("prediction_id", "job_id", "model_version_id"):
        row[name] = str(row[name])
    return row | _headline(outcome)


def _finding(finding: FindingRecord, position: int) -> dict[str, Any]:
    row = {name: getattr(finding, name) for name in _FINDING}
    if finding.heatmap is not None:
        row["heatmap"] = b64encode(finding.heatmap).decode()
    return row | {"id": str(uuid7()), "explanation_id": str(uuid7()), "position": position}


def _headline(outcome: Outcome) -> dict[str, Any]:
    """What a list says of the result: of its Findings the most probable positive one, or, where none is positive, the
    most probable. Without Findings, the most probable class or region, undecided.
    """
    others = {**outcome.region_probabilities, **(outcome.probabilities or {})}
    judged = [finding for finding in outcome.findings if finding.label not in others]
    label: str | None
    probability: float | None
    decision: str | None
    if judged:
        chosen = max(judged, key=lambda one: (one.decision == Decision.POSITIVE, one.probability))
        label, probability, decision = chosen.label, chosen.probability, chosen.decision
        three_way = str(chosen.three_way["decision"]) if chosen.three_way else None
    else:
        classes = outcome.probabilities or outcome.region_probabilities
        label = max(classes, key=classes.__getitem__, default=None)
        probability, decision, three_way = classes[label] if label else None, None, None
    return {
        "headline_label": label,
        "headline_probability": probability,
        "headline_decision": decision,
        "headline_three_way": three_way,
    }
