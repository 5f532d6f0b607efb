"""What the reconciler asks: which objects some row stands behind, and which objects rows expect."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from core.vocabulary import JobState
from db.tables import Explanation, Finding, Image, Job, Prediction


def known_images(session: Session, images: Collection[tuple[UUID, str]]) -> set[tuple[UUID, str]]:
    """Those of `images` (site, SHA-256) that have a row."""
    if not images:
        return set()
    rows = session.execute(
        select(Image.site_id, Image.sha256).where(tuple_(Image.site_id, Image.sha256).in_(list(images)))
    )
    return {(site_id, sha256) for site_id, sha256 in rows}


def live_outputs(session: Session, claims: Collection[tuple[UUID, int]]) -> set[tuple[UUID, int]]:
    """Those of `claims` (job, fence) that won, or that still run and may win."""
    if not claims:
        return set()
    wanted = list(claims)
    won = session.execute(
        select(Prediction.job_id, Prediction.fence).where(tuple_(Prediction.job_id, Prediction.fence).in_(wanted))
    )
    running = session.execute(
        select(Job.id, Job.fence).where(tuple_(Job.id, Job.fence).in_(wanted), Job.state == JobState.RUNNING.value)
    )
    return {(job_id, fence) for rows in (won, running) for job_id, fence in rows}


def expected_images(
    session: Session, *, before: datetime, after: tuple[UUID, str] | None, limit: int
) -> list[tuple[UUID, str]]:
    """Site and SHA-256 of Images from before `before`: the next `limit` after `after`, in the order of their keys."""
    query = select(Image.site_id, Image.sha256).where(Image.created_at < before)
    if after is not None:
        query = query.where(tuple_(Image.site_id, Image.sha256) > after)
    rows = session.execute(query.order_by(Image.site_id, Image.sha256).limit(limit))
    return [(row.site_id, row.sha256) for row in rows]


def expected_outputs(
    session: Session, *, before: datetime, after: UUID | None, limit: int
) -> list[tuple[UUID, set[str]]]:
    """The keys of preview and heatmaps of predictions from before `before`, for the next `limit` jobs after `after`: of
    results of older releases, for newer ones have no objects.
    """
    query = select(Prediction.id, Prediction.job_id, Prediction.preview_key).where(Prediction.created_at < before)
    if after is not None:
        query = query.where(Prediction.job_id > after)
    predictions = session.execute(query.order_by(Prediction.job_id).limit(limit)).all()
    keys = {row.id: {row.preview_key} - {None} for row in predictions}
    heatmaps = session.execute(
        select(Finding.prediction_id, Explanation.heatmap_key)
        .join(Explanation, Explanation.finding_id == Finding.id)
        .where(Finding.prediction_id.in_(list(keys)), Explanation.heatmap_key.is_not(None))
    )
    for row in heatmaps:
        keys[row.prediction_id].add(row.heatmap_key)
    return [(row.job_id, keys[row.id]) for row in predictions]
