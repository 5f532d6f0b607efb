"""The ModelVersions that are registered."""

from __future__ import annotations

from fastapi import APIRouter

from api.dependencies import CallerOf
from api.schemas import ModelVersionList, ModelVersionView
from core.vocabulary import Scope
from db.repositories import model_versions

router = APIRouter(prefix="/v1/models", tags=["models"])


@router.get("", response_model=ModelVersionList)
def listing(caller: CallerOf) -> ModelVersionList:
    """Every ModelVersion, the active one among them."""
    with caller.session(Scope.READ) as (session, _principal):
        items = [ModelVersionView.model_validate(row) for row in model_versions.listing(session)]
    return ModelVersionList(items=items)
