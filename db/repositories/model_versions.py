"""Registered Bundles; at most one is active."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from core.errors import Conflict, NotFound
from core.vocabulary import ModelState
from db.tables import ModelVersion


def register(
    session: Session,
    *,
    name: str,
    version: str,
    digest: str,
    labels: list[str],
    explainable: list[str],
    manifest: dict[str, Any],
    activate: bool,
) -> ModelVersion:
    """The ModelVersion of this digest, made if new. Raises Conflict for name and version with another."""
    session.execute(
        insert(ModelVersion)
        .values(
            id=uuid7(),
            name=name,
            version=version,
            digest=digest,
            state=ModelState.CANDIDATE.value,
            labels=labels,
            explainable=explainable,
            manifest=manifest,
        )
        .on_conflict_do_nothing()
    )
    row = session.scalars(select(ModelVersion).where(ModelVersion.digest == digest)).one_or_none()
    if row is None:
        raise Conflict("This name and version are registered with other content")
    return _activate(session, row.id) if activate else row


def active(session: Session) -> ModelVersion | None:
    """The active ModelVersion."""
    return session.scalars(select(ModelVersion).where(ModelVersion.state == ModelState.ACTIVE.value)).one_or_none()


def activate(session: Session, model_version_id: UUID) -> ModelVersion:
    """Make this one active and retire the one before. Raises NotFound."""
    return _activate(session, model_version_id)


def listing(session: Session) -> list[ModelVersion]:
    """All, newest first."""
    return list(session.scalars(select(ModelVersion).order_by(ModelVersion.created_at.desc(), ModelVersion.id.desc())))


def _activate(session: Session, model_version_id: UUID) -> ModelVersion:
    # Two activations at once would meet in the partial unique index; one after the other both work.
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('lucency.model_version.activate', 0))"))
    row = session.get(ModelVersion, model_version_id, populate_existing=True)
    if row is None:
        raise NotFound
    if row.state != ModelState.ACTIVE.value:
        session.execute(
            update(ModelVersion)
            .where(ModelVersion.state == ModelState.ACTIVE.value)
            .values(state=ModelState.RETIRED.value)
        )
        session.execute(
            update(ModelVersion)
            .where(ModelVersion.id == model_version_id)
            .values(state=ModelState.ACTIVE.value, activated_at=func.now())
        )
        session.refresh(row)
    return row
