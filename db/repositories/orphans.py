"""What the reconciler asks: which objects some row stands behind, and which objects rows expect."""

from __future__ import annotations

from collections.abc import Collection, Iterator
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


def expected_images(session: Session, *, before: datetime) -> Iterator[tuple[UUID, str]]:
    """Site and SHA-256 of every Image from before `before`, streamed."""
    rows = session.execute(
        select(Image.site_id, Image.sha256).where(Image.created_at < before), execution_options={"yield_per": 1000}
    )
    yield from ((row.site_id, row.sha256) for row in rows)


def expected_outputs(session: Session, *, before: datetime) -> Iterator[str]:
    """The key of every preview and heatmap of predictions from before `before`, streamed."""
    options = {"yield_per": 1000}
    yield from session.scalars(
        select(Prediction.preview_key).where(Prediction.created_at < before), execution_options=options
    )
    yield from session.scalars(
        select(Explanation.heatmap_key)
        .join(Finding, Finding.id == Explanation.finding_id)
        .join(Prediction, Prediction.id == Finding.prediction_id)
        .where(Prediction.created_at < before),
        execution_options=options,
    )
