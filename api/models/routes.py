"""The ModelVersions that are registered: what they are, what was measured of them, and how live images differ."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from api.dependencies import CallerOf
from api.models.schemas import DriftView, ModelDetailView, ModelEventView, ModelHistory, ModelVersionList, ShadowReport
from api.models.views import detail_view, drift_view, model_view, shadow_against
from core.drift import reference_of
from core.errors import NotFound, ObjectMissing
from core.vocabulary import Scope
from db.repositories import audit_search, model_versions, shadow_predictions, workers
from db.repositories import drift as drifting
from db.repositories.sites import PLATFORM, Principal
from db.session import Session
from storage.store import bundle_prefix

router = APIRouter(prefix="/v1/models", tags=["models"])

MODEL_CARD = "MODEL_CARD.md"
CARD_BYTES = 1024 * 1024
# A worker that was not seen for this long does not count.
ALIVE_S = 30.0
MOST_DAYS = 90


@router.get("", response_model=ModelVersionList)
def listing(caller: CallerOf) -> ModelVersionList:
    """Every ModelVersion, the active one among them, and what a rollback would make active."""
    with caller.session(Scope.READ) as (session, _principal):
        items = [model_view(row) for row in model_versions.listing(session)]
        before = model_versions.previous(session)
        return ModelVersionList(items=items, rollback_to=None if before is None else before.id)


@router.get("/{model_id}", response_model=ModelDetailView)
def one(caller: CallerOf, model_id: UUID) -> ModelDetailView:
    """One ModelVersion: its card, what was measured of it with 95 % intervals, and where it runs."""
    with caller.session(Scope.READ) as (session, _principal):
        row = model_versions.get(session, model_id)
        return detail_view(
            row,
            predictions=model_versions.predictions(session, model_id),
            alive=workers.listing(session, within_s=ALIVE_S),
        )


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


@router.get("/{model_id}/history", response_model=ModelHistory)
def history(caller: CallerOf, model_id: UUID) -> ModelHistory:
    """What was done with it, the latest first, and who did it."""
    with caller.session(Scope.READ) as (session, principal):
        model_versions.get(session, model_id)
        events = list(reversed(model_versions.events(session, model_id)))
        names = _names(session, principal, {event.actor for event in events})
        items = [ModelEventView.model_validate(event) for event in events]
        return ModelHistory(items=[one.model_copy(update={"actor_name": names.get(one.actor)}) for one in items])


def _names(session: Session, principal: Principal, actors: set[str]) -> dict[str, str]:
    """As the audit log calls them; who may not read it learns nobody's name here."""
    found: dict[str, str] = {}
    if Scope.OPERATE in principal.scopes:
        found |= audit_search.names(session, site_id=PLATFORM, actors=actors)
    if Scope.ADMIN in principal.scopes:
        found |= audit_search.names(session, site_id=principal.site_id, actors=actors)
    return found


@router.get("/{model_id}/comparison", response_model=ShadowReport)
def comparison(caller: CallerOf, model_id: UUID) -> ShadowReport:
    """What it said as a shadow beside the results that were given, on the jobs of all Sites. For operators."""
    with caller.session(Scope.OPERATE) as (session, _principal):
        model_versions.get(session, model_id)
        versions = {row.id: row for row in model_versions.listing(session)}
        against = shadow_against(shadow_predictions.agreements(session, model_id), versions)
        return ShadowReport(jobs=shadow_predictions.count(session, model_id), against=against)


@router.get("/{model_id}/drift", response_model=DriftView)
def drift(
    caller: CallerOf,
    model_id: UUID,
    days: Annotated[int, Query(ge=1, le=MOST_DAYS, description="So many days up to today (UTC).")] = 30,
    everywhere: Annotated[bool, Query(description="Of all Sites together; for operators.")] = False,
) -> DriftView:
    """How its scores, regions and inputs differ from those of the split that its limits were set on."""
    today = datetime.now(UTC).date()
    since = today - timedelta(days=days - 1)
    with caller.session(Scope.OPERATE if everywhere else Scope.READ) as (session, principal):
        row = model_versions.get(session, model_id)
        reference = reference_of(row.manifest)
        seen = drifting.seen(
            session,
            model_id,
            () if reference is None else reference.quantities,
            since=datetime.combine(since, time.min, UTC),
            site_id=None if everywhere else principal.site_id,
        )
        return drift_view(row, reference, seen, since=since, until=today)
