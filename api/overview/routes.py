"""The overview: the queue, the rate, the phases, the workers and servers, the last day; in one cheap answer."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import anyio.to_thread
from fastapi import APIRouter, Depends, Request, Response

from api.dependencies import Caller, CallerOf
from api.overview.overviews import Overviews
from api.overview.schemas import OverviewView
from core.vocabulary import Scope

router = APIRouter(prefix="/v1/overview", tags=["overview"])


async def _overviews(request: Request) -> Overviews:
    """Made once for the application, by its factory."""
    found: Overviews = request.app.state.overviews
    return found


OverviewsOf = Annotated[Overviews, Depends(_overviews)]


def _site(caller: Caller, scope: Scope) -> UUID:
    with caller.session(scope) as (_session, principal):
        return principal.site_id


async def _answer(caller: Caller, overviews: Overviews, site_id: UUID | None) -> Response:
    body = await overviews.get(site_id, await caller.backends.checks.known())
    return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})


@router.get("", response_model=OverviewView)
async def look(caller: CallerOf, overviews: OverviewsOf) -> Response:
    """Of the caller's Site. Shared by all who ask within a moment, and never older than the last event."""
    site_id = await anyio.to_thread.run_sync(_site, caller, Scope.READ)
    return await _answer(caller, overviews, site_id)


@router.get("/platform", response_model=OverviewView)
async def look_at_platform(caller: CallerOf, overviews: OverviewsOf) -> Response:
    """Of all Sites together, for operators: counts and times alone."""
    await anyio.to_thread.run_sync(_site, caller, Scope.OPERATE)
    return await _answer(caller, overviews, None)
