"""The life of a Delivery: claimed under a lease and a fence, sent, recorded. Only the database's clock counts.

A DeliveryRule whose target fails is closed for a while, longer each time: then one Delivery tries it, and the others of
that rule wait without spending attempts.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select, text, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.errors import DeliveryFailed, LucencyError, NotFound, TransitionIllegal
from core.vocabulary import DeliveryKind, DeliveryState, ReportKind
from db.repositories.jobs import get as get_job
from db.tables import Delivery

# A rule's target may be told of so many Jobs at once while it answers; of one while it does not.
ABREAST = 4
# Failures in a row after which a rule's target is left alone for a while, and for how long at most (s).
PATIENCE = 3
CLOSED_AT_MOST = 300.0


@dataclass(frozen=True, slots=True)
class Claim:
    """A Delivery as held by one process under one fence, with what its rule says. `secret` is sealed."""

    delivery_id: UUID
    site_id: UUID
    job_id: UUID
    rule_id: UUID
    fence: int
    attempt: int
    kind: DeliveryKind
    target: dict[str, Any]
    secret: bytes | None
    reports: tuple[ReportKind, ...]
    with_identity: bool

    def log_context(self) -> dict[str, Any]:
        """Ids and counts for a log line: no address."""
        return {
            "delivery_id": str(self.delivery_id),
            "rule_id": str(self.rule_id),
            "job_id": str(self.job_id),
            "kind": self.kind.value,
            "attempt": self.attempt,
        }


_CLAIM = text("""
WITH open AS MATERIALIZED (
    SELECT rule.id, CASE WHEN failures = 0 THEN :abreast ELSE 1 END - (
        SELECT count(*) FROM delivery
        WHERE rule_id = rule.id AND state = 'pending' AND run_after > now() AND leased_until > now()) AS room
    FROM delivery_rule AS rule WHERE enabled AND (closed_until IS NULL OR closed_until <= now())
), chosen AS MATERIALIZED (
    SELECT found.id FROM open, LATERAL (
        SELECT id, run_after FROM delivery
        WHERE rule_id = open.id AND state = 'pending' AND run_after <= now() AND attempt < :attempts
        ORDER BY run_after LIMIT greatest(open.room, 0) FOR UPDATE SKIP LOCKED
    ) AS found
    ORDER BY found.run_after LIMIT :limit
), claimed AS (
    UPDATE delivery SET attempt = attempt + 1, fence = fence + 1,
        leased_until = now() + make_interval(secs => :lease_s), run_after = now() + make_interval(secs => :lease_s)
    WHERE id = ANY (ARRAY(SELECT id FROM chosen))
    RETURNING *
)
SELECT claimed.id, claimed.site_id, claimed.job_id, claimed.rule_id, claimed.fence, claimed.attempt, rule.kind,
    rule.target, rule.secret, rule.reports, rule.with_identity
FROM claimed JOIN delivery_rule AS rule ON rule.id = claimed.rule_id
ORDER BY claimed.created_at, claimed.id
""")

# A delivery that took its process down each time has no attempt left to fail by.
_BURY = text("""
UPDATE delivery SET state = 'dead', leased_until = NULL, code = coalesce(code, :code),
    detail = coalesce(detail, :detail)
WHERE state = 'pending' AND attempt >= :attempts AND run_after <= now()
""")

_DELIVERED = text("""
WITH moved AS (
    UPDATE delivery SET state = 'delivered', delivered_at = now(), leased_until = NULL, code = NULL, detail = NULL
    WHERE id = :id AND fence = :fence AND state = 'pending' RETURNING rule_id
), answering AS (
    UPDATE delivery_rule SET failures = 0, closed_until = NULL
    FROM moved WHERE delivery_rule.id = moved.rule_id AND (failures > 0 OR closed_until IS NOT NULL)
)
SELECT count(*) FROM moved
""")

# Full jitter, as for jobs. What the target asks for (Retry-After) holds for the whole rule.
_FAILED = text("""
WITH held AS (
    SELECT id, CASE WHEN :retryable AND attempt < :attempts THEN 'pending' ELSE 'dead' END AS next
    FROM delivery WHERE id = :id AND fence = :fence AND state = 'pending' FOR UPDATE
), moved AS (
    UPDATE delivery SET state = held.next, leased_until = NULL, code = :code, detail = :detail,
        run_after = now() + make_interval(secs => greatest(CAST(:wait AS float8),
            random() * least(CAST(:cap AS float8), :base * power(2, least(attempt - 1, 30)))))
    FROM held WHERE delivery.id = held.id RETURNING delivery.rule_id, delivery.state
), answering AS (
    UPDATE delivery_rule SET failures = CASE WHEN :retryable THEN failures + 1 ELSE 0 END,
        closed_until = CASE
            WHEN :retryable AND (failures + 1 >= :patience OR :wait > 0) THEN now() + make_interval(secs => greatest(
                CAST(:wait AS float8), CASE WHEN failures + 1 < :patience THEN 0
                ELSE least(CAST(:closed AS float8), :base * power(2, least(failures + 1 - :patience, 30))) END))
        END
    FROM moved WHERE delivery_rule.id = moved.rule_id
)
SELECT state FROM moved
""")

_WAIT = text("""
SELECT extract(epoch FROM min(greatest(found.run_after, coalesce(rule.closed_until, found.run_after))) - now())
FROM delivery_rule AS rule, LATERAL (
    SELECT run_after FROM delivery WHERE rule_id = rule.id AND state = 'pending' ORDER BY run_after LIMIT 1) AS found
WHERE rule.enabled
""")


def claim(session: Session, *, limit: int, lease_s: float, attempts: int) -> list[Claim]:
    """Take up to `limit` due deliveries for `lease_s` seconds, of every rule whose target is not closed."""
    session.execute(
        _BURY, {"attempts": attempts, "code": DeliveryFailed.code, "detail": "Every attempt ended without an answer."}
    )
    values = {"limit": limit, "lease_s": float(lease_s), "attempts": attempts, "abreast": ABREAST}
    return [
        Claim(
            delivery_id=row["id"],
            site_id=row["site_id"],
            job_id=row["job_id"],
            rule_id=row["rule_id"],
            fence=row["fence"],
            attempt=row["attempt"],
            kind=DeliveryKind(row["kind"]),
            target=row["target"],
            secret=None if row["secret"] is None else bytes(row["secret"]),
            reports=tuple(ReportKind(kind) for kind in row["reports"]),
            with_identity=row["with_identity"],
        )
        for row in session.execute(_CLAIM, values).mappings()
    ]


def delivered(session: Session, held: Claim) -> bool:
    """The target has it. False where the fence is lost: another process has this delivery."""
    return bool(session.execute(_DELIVERED, {"id": held.delivery_id, "fence": held.fence}).scalar_one())


def failed(
    session: Session, held: Claim, *, error: LucencyError, attempts: int, retry_base: float, retry_cap: float
) -> DeliveryState | None:
    """End the attempt of `held` with `error`: pending again where another may help, else dead; None: the fence is lost.

    The wait is uniform between 0 and min(`retry_cap`, `retry_base`·2ⁿ) seconds ("full jitter"), n the attempts before,
    and at least the error's `retry_after`.
    """
    state = session.scalars(
        _FAILED,
        {
            "id": held.delivery_id,
            "fence": held.fence,
            "retryable": error.retryable,
            "attempts": attempts,
            "code": error.code,
            "detail": error.detail,
            "wait": float(error.retry_after or 0.0),
            "base": float(retry_base),
            "cap": float(retry_cap),
            "patience": PATIENCE,
            "closed": CLOSED_AT_MOST,
        },
    ).one_or_none()
    return None if state is None else DeliveryState(state)


def next_due(session: Session) -> float | None:
    """Seconds until the next delivery may be due, negative where one is; None where none is pending."""
    found = session.execute(_WAIT).scalar_one()
    return None if found is None else float(found)


def get(session: Session, *, site_id: UUID, delivery_id: UUID) -> Delivery:
    """Raises NotFound, also for another Site's."""
    found = session.get(Delivery, delivery_id)
    if found is None or found.site_id != site_id:
        raise NotFound
    return found


def page(
    session: Session,
    *,
    site_id: UUID,
    states: Collection[DeliveryState] = (),
    rule_id: UUID | None = None,
    limit: int = 50,
    before: tuple[datetime, UUID] | None = None,
) -> list[Delivery]:
    """Up to `limit` of the Site's deliveries, newest first; `before`: (created_at, id) of the last seen."""
    query = select(Delivery).where(Delivery.site_id == site_id)
    if states:
        query = query.where(Delivery.state.in_(sorted(state.value for state in states)))
    if rule_id is not None:
        query = query.where(Delivery.rule_id == rule_id)
    if before is not None:
        query = query.where(tuple_(Delivery.created_at, Delivery.id) < before)
    return list(session.scalars(query.order_by(Delivery.created_at.desc(), Delivery.id.desc()).limit(limit)))


def of_job(session: Session, *, site_id: UUID, job_id: UUID) -> list[Delivery]:
    """A Job's deliveries, oldest first. Raises NotFound."""
    get_job(session, site_id=site_id, job_id=job_id)
    return list(
        session.scalars(select(Delivery).where(Delivery.job_id == job_id).order_by(Delivery.created_at, Delivery.id))
    )


def redeliver(session: Session, *, site_id: UUID, delivery_id: UUID) -> Delivery:
    """A new Delivery like one that ended; asked for twice, the same one.

    Raises NotFound, and TransitionIllegal while the delivery is pending.
    """
    old = get(session, site_id=site_id, delivery_id=delivery_id)
    if old.state == DeliveryState.PENDING:
        raise TransitionIllegal("The delivery is still pending.")
    session.execute(
        insert(Delivery)
        .values(id=uuid4(), site_id=site_id, rule_id=old.rule_id, job_id=old.job_id, redelivery_of=old.id)
        .on_conflict_do_nothing()
    )
    return session.scalars(select(Delivery).where(Delivery.redelivery_of == old.id)).one()
