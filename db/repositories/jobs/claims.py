"""Claiming, holding and giving back. Only the database's clock counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from core.vocabulary import MediaKind
from db.repositories.images import Reduced


@dataclass(frozen=True, slots=True)
class Claim:
    """A Job as held by one worker under one fence. `queued_ms`: from being due to the claim. `reduced`: the copy of the
    Image, if there is one.
    """

    job_id: UUID
    site_id: UUID
    fence: int
    attempt: int
    crash_count: int
    image_id: UUID
    sha256: str
    size_bytes: int
    media_kind: MediaKind
    explain: tuple[str, ...]
    queued_ms: float
    stability: bool = False
    reduced: Reduced | None = None

    def log_context(self) -> dict[str, Any]:
        """Ids and counts for a log line."""
        return {"job_id": str(self.job_id), "fence": self.fence, "attempt": self.attempt}


# A suspect was running when a worker died: it is claimed alone, so that it takes no neighbour down with it.
# Retries are looked up per priority in an index on run_after: those not yet due are never stepped over.
_CLAIM = text("""
WITH suspect AS MATERIALIZED (
    SELECT id FROM job
    WHERE :suspects AND state IN ('queued', 'retry_wait') AND crash_count > 0
      AND run_after <= now() AND deadline_at > now()
    ORDER BY run_after LIMIT 1 FOR UPDATE SKIP LOCKED
), waiting AS MATERIALIZED (
    SELECT id, priority, created_at FROM job
    WHERE state = 'queued' AND crash_count = 0 AND deadline_at > now() AND NOT EXISTS (SELECT FROM suspect)
    ORDER BY priority DESC, created_at, id LIMIT :limit FOR UPDATE SKIP LOCKED
), again AS MATERIALIZED (
    SELECT found.* FROM generate_series(10, -10, -1) AS level, LATERAL (
        SELECT id, priority, created_at FROM job
        WHERE state = 'retry_wait' AND crash_count = 0 AND priority = level
          AND run_after <= now() AND deadline_at > now() AND NOT EXISTS (SELECT FROM suspect)
        ORDER BY run_after LIMIT :limit FOR UPDATE SKIP LOCKED
    ) AS found LIMIT :limit
), chosen AS MATERIALIZED (
    (SELECT id FROM suspect)
    UNION ALL
    (SELECT id FROM (SELECT * FROM waiting UNION ALL SELECT * FROM again) AS candidate
     ORDER BY priority DESC, created_at, id LIMIT :limit)
), claimed AS (
    UPDATE job SET state = 'running', fence = fence + 1, attempt = attempt + 1,
        started_at = coalesce(started_at, now()), lease_owner = :owner,
        lease_expires_at = now() + make_interval(secs => :lease_s), error_code = NULL, error_detail = NULL
    WHERE id = ANY (ARRAY(SELECT id FROM chosen))
    RETURNING *
), noted AS (
    INSERT INTO job_event (job_id, kind, state, fence, owner)
    SELECT id, 'claimed', 'running', fence, :owner FROM claimed
)
SELECT claimed.id, claimed.site_id, claimed.fence, claimed.attempt, claimed.crash_count, image.id AS image_id,
    image.sha256, image.size_bytes, image.media_kind, image.reduced_revision, image.reduced_sha256, claimed.explain,
    claimed.stability,
    extract(epoch FROM now() - greatest(claimed.run_after, claimed.created_at)) * 1000 AS queued_ms
FROM claimed JOIN image ON image.id = claimed.image_id
ORDER BY claimed.priority DESC, claimed.created_at, claimed.id
""")

_HEARTBEAT = text("""
WITH held AS (
    SELECT job.id FROM unnest(CAST(:ids AS uuid[]), CAST(:fences AS bigint[])) AS asked (id, fence) JOIN job USING (id)
    WHERE job.fence = asked.fence AND job.state = 'running' AND job.lease_owner = :owner
      AND job.lease_expires_at > now()
    ORDER BY job.id FOR UPDATE OF job
)
UPDATE job SET lease_expires_at = now() + make_interval(secs => :lease_s)
WHERE id IN (SELECT id FROM held) RETURNING id
""")

_RELEASE = text("""
WITH held AS (
    SELECT job.id FROM unnest(CAST(:ids AS uuid[]), CAST(:fences AS bigint[])) AS asked (id, fence) JOIN job USING (id)
    WHERE job.fence = asked.fence AND job.state = 'running' ORDER BY job.id FOR UPDATE OF job
), released AS (
    UPDATE job SET state = 'queued', attempt = attempt - 1, run_after = now(), lease_owner = NULL,
        lease_expires_at = NULL
    WHERE id IN (SELECT id FROM held) RETURNING id, fence
), noted AS (
    INSERT INTO job_event (job_id, kind, state, fence) SELECT id, 'released', 'queued', fence FROM released
)
SELECT count(*) FROM released
""")


def claim(session: Session, *, owner: str, limit: int, lease_s: float, suspects: bool = True) -> list[Claim]:
    """Take up to `limit` due jobs, by priority then age, for `lease_s` seconds; in one statement.

    With `suspects`, a due job that was running when a worker died comes first, and alone; without, none comes.
    """
    rows = session.execute(
        _CLAIM, {"owner": owner, "limit": limit, "lease_s": float(lease_s), "suspects": suspects}
    ).mappings()
    return [
        Claim(
            job_id=row["id"],
            site_id=row["site_id"],
            fence=row["fence"],
            attempt=row["attempt"],
            crash_count=row["crash_count"],
            image_id=row["image_id"],
            sha256=row["sha256"],
            size_bytes=row["size_bytes"],
            media_kind=MediaKind(row["media_kind"]),
            explain=tuple(row["explain"]),
            queued_ms=max(0.0, float(row["queued_ms"])),
            stability=row["stability"],
            reduced=Reduced(row["reduced_revision"], row["reduced_sha256"]) if row["reduced_revision"] else None,
        )
        for row in rows
    ]


def heartbeat(session: Session, *, owner: str, held: Sequence[tuple[UUID, int]], lease_s: float) -> set[UUID]:
    """Extend the leases of `held` (job, fence); returns the jobs that are still held. Abandon the others."""
    if not held:
        return set()
    return set(session.scalars(_HEARTBEAT, {**_pairs(held), "owner": owner, "lease_s": float(lease_s)}))


def release(session: Session, held: Sequence[tuple[UUID, int]]) -> int:
    """Graceful shutdown: jobs go back to queued, their attempt not counted. Returns how many were still held."""
    return int(session.execute(_RELEASE, _pairs(held)).scalar_one()) if held else 0


def _pairs(held: Sequence[tuple[UUID, int]]) -> dict[str, list[Any]]:
    return {"ids": [str(job_id) for job_id, _ in held], "fences": [fence for _, fence in held]}
