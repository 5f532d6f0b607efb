"""What operators do with models: activate, shadow, retire, roll back. Each is in the platform's audit log."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter

from api.dependencies import Caller, CallerOf
from api.models.schemas import ModelVersionView, RetireRequest, RollbackRequest, ShadowRequest
from api.models.views import model_view
from core.vocabulary import AuditAction, ModelVerb, Scope
from db.repositories import audit, model_versions
from db.repositories.sites import PLATFORM, Principal
from db.session import Session
from db.tables import ModelVersion
from storage.bundles import require_stored

router = APIRouter(prefix="/v1/models", tags=["models"])
ROLL_BACK = "roll_back"


@router.post("/rollback", response_model=ModelVersionView)
def rollback(caller: CallerOf, request: RollbackRequest) -> ModelVersionView:
    """Activate what was active before; once more goes one further back. 409 where nothing was."""
    with caller.session(Scope.OPERATE) as (session, _principal):
        before = model_versions.previous(session)
        digest, expected = (None, None) if before is None else (before.digest, before.id)
    if digest is not None:
        require_stored(caller.backends.store, digest)
    with caller.session(Scope.OPERATE) as (session, principal):
        row = model_versions.rollback(session, expected=request.expected or expected, actor=principal.actor)
        _audit(session, principal, row, verb=ROLL_BACK)
        return model_view(row)


@router.post("/{model_id}/activate", response_model=ModelVersionView)
def activate(caller: CallerOf, model_id: UUID) -> ModelVersionView:
    """Serve new jobs with it; the one before is retired. Workers change within 10 s, between batches."""
    _require_stored(caller, model_id)
    with caller.session(Scope.OPERATE) as (session, principal):
        before = _told(model_versions.get(session, model_id))
        row = model_versions.activate(session, model_id, actor=principal.actor)
        _audit(session, principal, row, verb=ModelVerb.ACTIVATE, before=before)
        return model_view(row)


@router.post("/{model_id}/shadow", response_model=ModelVersionView)
def shadow(caller: CallerOf, model_id: UUID, request: ShadowRequest) -> ModelVersionView:
    """Run it beside the active one on a share of the live jobs: compared, never shown. Again: another share."""
    _require_stored(caller, model_id)
    with caller.session(Scope.OPERATE) as (session, principal):
        before = _told(model_versions.get(session, model_id))
        row = model_versions.shadow(session, model_id, share=request.share, actor=principal.actor)
        _audit(session, principal, row, verb=ModelVerb.SHADOW, before=before)
        return model_view(row)


@router.post("/{model_id}/retire", response_model=ModelVersionView)
def retire(caller: CallerOf, model_id: UUID, request: RetireRequest) -> ModelVersionView:
    """Serve it no more; its results stay. 409 for the active one, unless another takes its place."""
    if request.instead is not None:
        _require_stored(caller, request.instead)
    with caller.session(Scope.OPERATE) as (session, principal):
        before = _told(model_versions.get(session, model_id))
        row = model_versions.retire(session, model_id, instead=request.instead, actor=principal.actor)
        _audit(session, principal, row, verb=ModelVerb.RETIRE, before=before, instead=request.instead)
        return model_view(row)


def _require_stored(caller: Caller, model_id: UUID) -> None:
    """Before it is served, and with no session open. Raises NotFound, BundleInvalid."""
    with caller.session(Scope.OPERATE) as (session, _principal):
        digest = model_versions.get(session, model_id).digest
    require_stored(caller.backends.store, digest)


def _told(row: ModelVersion) -> str:
    """Its state in a word, with a shadow's share."""
    return row.state if row.shadow_share is None else f"{row.state} {row.shadow_share:g}"


def _audit(
    session: Session,
    principal: Principal,
    row: ModelVersion,
    *,
    verb: str,
    before: str | None = None,
    instead: UUID | None = None,
) -> None:
    """Where something changed; the chain is the platform's, for a model serves every Site."""
    after = _told(row)
    if before == after:
        return
    detail = {"verb": str(verb), "from": before, "to": after, "digest": row.digest}
    if instead is not None:
        detail["instead"] = str(instead)
    audit.append(
        session,
        site_id=PLATFORM,
        actor=principal.actor,
        action=AuditAction.MODEL_MOVED,
        subject=f"model {row.id}",
        detail=detail,
    )
