"""The ModelVersions that are registered, and their model cards."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Response

from api.dependencies import CallerOf
from api.schemas import ModelVersionList, ModelVersionView
from api.views import model_view
from core.errors import NotFound, ObjectMissing
from core.vocabulary import Scope
from db.repositories import model_versions
from storage.store import bundle_prefix

router = APIRouter(prefix="/v1/models", tags=["models"])

MODEL_CARD = "MODEL_CARD.md"
CARD_BYTES = 1024 * 1024


@router.get("", response_model=ModelVersionList)
def listing(caller: CallerOf) -> ModelVersionList:
    """Every ModelVersion, the active one among them."""
    with caller.session(Scope.READ) as (session, _principal):
        items = [model_view(row) for row in model_versions.listing(session)]
    return ModelVersionList(items=items)


@router.get("/{model_id}", response_model=ModelVersionView)
def one(caller: CallerOf, model_id: UUID) -> ModelVersionView:
    """One ModelVersion."""
    with caller.session(Scope.READ) as (session, _principal):
        return model_view(model_versions.get(session, model_id))


@router.get("/{model_id}/card", response_class=Response, responses={200: {"content": {"text/markdown": {}}}})
def card(caller: CallerOf, model_id: UUID) -> Response:
    """Its model card: what it was trained on, what was measured, and what it must not be used for. Markdown."""
    with caller.session(Scope.READ) as (session, _principal):
        digest = model_versions.get(session, model_id).digest
    try:
        text = caller.backends.store.get(bundle_prefix(digest) + MODEL_CARD, limit=CARD_BYTES)
    except ObjectMissing as error:
        raise NotFound("This model's card is not stored.") from error
    return Response(text, media_type="text/markdown; charset=utf-8")
