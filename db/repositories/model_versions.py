"""Registered Bundles; at most one is active. Every change of a state goes by MODEL_MOVES and writes its event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from core.errors import Conflict, ModelMoveIllegal, NotFound, RequestInvalid
from core.vocabulary import MODEL_MOVES, ModelEventKind, ModelState, ModelVerb
from db.tables import ModelVersion, ModelVersionEvent, Prediction

# A shorter one is more likely a mistyped name than a digest.
DIGEST_PREFIX = 6
SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Served:
    """A ModelVersion that workers run: `share` of live jobs in (0, 1] for a shadow, None for the active one."""

    id: UUID
    digest: str
    share: float | None


def register(  # noqa: PLR0913 - one keyword a column
    session: Session,
    *,
    name: str,
    version: str,
    digest: str,
    labels: list[str],
    explainable: list[str],
    manifest: dict[str, Any],
    activate: bool,
    actor: str = SYSTEM,
) -> ModelVersion:
    """The ModelVersion of this digest, made if new. Raises Conflict for name and version with another."""
    made = session.scalars(
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
        .returning(ModelVersion)
    ).one_or_none()
    if made is not None:
        _note(session, made, ModelEventKind.REGISTERED, actor)
    row = session.scalars(select(ModelVersion).where(ModelVersion.digest == digest)).one_or_none()
    if row is None:
        raise Conflict("This name and version are registered with other content")
    return _activate(session, row.id, ModelEventKind.ACTIVATED, actor) if activate else row


def active(session: Session) -> ModelVersion | None:
    """The active ModelVersion."""
    return session.scalars(select(ModelVersion).where(ModelVersion.state == ModelState.ACTIVE.value)).one_or_none()


@dataclass(frozen=True, slots=True)
class Explainable:
    """Which labels of the active ModelVersion may be explained, and which are where nothing else is asked."""

    id: UUID
    labels: tuple[str, ...]
    default: tuple[str, ...]


def explainable(session: Session) -> Explainable | None:
    """Of the active ModelVersion."""
    model = active(session)
    if model is None:
        return None
    default = model.manifest.get("explanation", {}).get("default", model.explainable[:1])
    return Explainable(model.id, tuple(model.explainable), tuple(default))


def served(session: Session) -> tuple[Served | None, tuple[Served, ...]]:
    """The active ModelVersion, if there is one, and the shadows, oldest first: what a worker asks again and again."""
    rows = session.execute(
        select(ModelVersion.id, ModelVersion.digest, ModelVersion.shadow_share)
        .where(ModelVersion.state.in_([ModelState.ACTIVE.value, ModelState.SHADOW.value]))
        .order_by(ModelVersion.id)
    )
    found = [Served(*row) for row in rows]
    return (
        next((version for version in found if version.share is None), None),
        tuple(version for version in found if version.share is not None),
    )


def activate(session: Session, model_version_id: UUID, *, actor: str = SYSTEM) -> ModelVersion:
    """Make this one active; the one before is retired. Raises NotFound."""
    return _activate(session, model_version_id, ModelEventKind.ACTIVATED, actor)


def shadow(session: Session, model_version_id: UUID, *, share: float, actor: str = SYSTEM) -> ModelVersion:
    """Run this one beside the active one, on `share` of the live jobs.

    Raises NotFound, ModelMoveIllegal for the active one, RequestInvalid for a share outside (0, 1].
    """
    if not 0 < share <= 1:
        raise RequestInvalid("The share of a shadow is above 0 and at most 1")
    row = _locked(session, model_version_id)
    state = _allowed(row, ModelVerb.SHADOW)
    if (row.state, row.shadow_share) != (state.value, share):
        _move(session, row, state, ModelEventKind.SHADOWED, actor, share=share)
    return row


def retire(
    session: Session, model_version_id: UUID, *, instead: UUID | None = None, actor: str = SYSTEM
) -> ModelVersion:
    """Serve this one no more. Raises NotFound, and ModelMoveIllegal for the active one unless another is `instead`."""
    row = _locked(session, model_version_id)
    if row.state == ModelState.ACTIVE.value and instead is not None and instead != row.id:
        _activate(session, instead, ModelEventKind.ACTIVATED, actor)
        session.refresh(row)
    state = _allowed(row, ModelVerb.RETIRE)
    if row.state != state.value:
        _move(session, row, state, ModelEventKind.RETIRED, actor)
    return row


def previous(session: Session) -> ModelVersion | None:
    """What a rollback makes active: the version whose place the active one took. None where nothing was before.

    Activations are a stack that a rollback takes one off, so that a second rollback goes one further back and never
    returns to what the first one left.
    """
    kinds = [ModelEventKind.ACTIVATED.value, ModelEventKind.ROLLED_BACK.value]
    history = session.execute(
        select(ModelVersionEvent.model_version_id, ModelVersionEvent.kind)
        .where(ModelVersionEvent.kind.in_(kinds))
        .order_by(ModelVersionEvent.id)
    )
    stack: list[UUID] = []
    for model_version_id, kind in history:
        if kind == ModelEventKind.ROLLED_BACK.value and stack:
            stack.pop()
        if stack[-1:] != [model_version_id]:
            stack.append(model_version_id)
    now = active(session)
    # A release before this one activated without writing it down: then the top is what was before.
    if now is not None and stack[-1:] == [now.id]:
        stack.pop()
    return session.get(ModelVersion, stack[-1]) if stack else None


def rollback(session: Session, *, expected: UUID | None = None, actor: str = SYSTEM) -> ModelVersion:
    """Make the version active that was active before. Raises Conflict where there is none, or it is not `expected`."""
    _lock(session)
    row = previous(session)
    if row is None:
        raise Conflict("No other model was active before")
    if expected is not None and row.id != expected:
        raise Conflict("Another model was activated meanwhile")
    return _activate(session, row.id, ModelEventKind.ROLLED_BACK, actor)


def get(session: Session, model_version_id: UUID) -> ModelVersion:
    """Raises NotFound."""
    row = session.get(ModelVersion, model_version_id)
    if row is None:
        raise NotFound
    return row


def find(session: Session, words: str) -> ModelVersion:
    """By id, `name@version`, `name` (its newest), or the first 6 or more digits of the digest.

    Raises NotFound, and Conflict where several digests start so.
    """
    rows = listing(session)
    name, at, version = words.rpartition("@")
    for found in (
        [row for row in rows if str(row.id) == words.lower()],
        [row for row in rows if at and (row.name, row.version) == (name, version)],
        [row for row in rows if row.name == words][:1],
        [row for row in rows if len(words) >= DIGEST_PREFIX and row.digest.startswith(words.lower())],
    ):
        if len(found) > 1:
            raise Conflict(f"{len(found)} models have a digest that starts with {words}; give more of it")
        if found:
            return found[0]
    known = ", ".join(f"{row.name}@{row.version}" for row in rows[:10]) or "none"
    raise NotFound(f"No model is called {words}. Registered: {known}")


def listing(session: Session) -> list[ModelVersion]:
    """All, newest first."""
    return list(session.scalars(select(ModelVersion).order_by(ModelVersion.created_at.desc(), ModelVersion.id.desc())))


def events(session: Session, model_version_id: UUID) -> list[ModelVersionEvent]:
    """The history of one, oldest first."""
    return list(
        session.scalars(
            select(ModelVersionEvent)
            .where(ModelVersionEvent.model_version_id == model_version_id)
            .order_by(ModelVersionEvent.id)
        )
    )


def predictions(session: Session, model_version_id: UUID) -> int:
    """How many results it gave."""
    query = select(func.count()).select_from(Prediction).where(Prediction.model_version_id == model_version_id)
    return session.scalars(query).one()


def _lock(session: Session) -> None:
    """One change at a time: two activations at once would meet in the partial unique index."""
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('lucency.model_version.activate', 0))"))


def _locked(session: Session, model_version_id: UUID) -> ModelVersion:
    _lock(session)
    row = session.get(ModelVersion, model_version_id, populate_existing=True)
    if row is None:
        raise NotFound
    return row


def _allowed(row: ModelVersion, verb: ModelVerb) -> ModelState:
    """Where `verb` leads from here. Raises ModelMoveIllegal."""
    state = MODEL_MOVES.get((ModelState(row.state), verb))
    if state is None:
        raise ModelMoveIllegal(
            f"{row.name} {row.version} is {row.state}: to {verb} it would leave no model for new jobs. "
            "Activate another one first"
        )
    return state


def _activate(session: Session, model_version_id: UUID, kind: ModelEventKind, actor: str) -> ModelVersion:
    row = _locked(session, model_version_id)
    state = _allowed(row, ModelVerb.ACTIVATE)
    if row.state != state.value:
        before = session.scalars(
            select(ModelVersion)
            .where(ModelVersion.state == ModelState.ACTIVE.value)
            .execution_options(populate_existing=True)
        ).one_or_none()
        if before is not None:
            _move(session, before, ModelState.RETIRED, ModelEventKind.REPLACED, actor)
        _move(session, row, state, kind, actor)
    return row


def _move(
    session: Session,
    row: ModelVersion,
    state: ModelState,
    kind: ModelEventKind,
    actor: str,
    *,
    share: float | None = None,
) -> None:
    values: dict[str, Any] = {"state": state.value, "shadow_share": share}
    if state is ModelState.ACTIVE:
        values["activated_at"] = func.now()
    session.execute(update(ModelVersion).where(ModelVersion.id == row.id).values(values))
    session.refresh(row)
    _note(session, row, kind, actor)


def _note(session: Session, row: ModelVersion, kind: ModelEventKind, actor: str) -> None:
    session.execute(
        insert(ModelVersionEvent).values(
            model_version_id=row.id, kind=kind.value, state=row.state, share=row.shadow_share, actor=actor
        )
    )
