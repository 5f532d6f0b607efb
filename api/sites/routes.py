"""The Sites of the platform and their quotas. For operators."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import anyio.to_thread
from fastapi import APIRouter, Depends, Request, Response

from api.dependencies import Caller, CallerOf
from api.schemas import json_body
from api.sites.schemas import SiteChange, SiteList, SiteRecord, SiteRequest, UsageView
from api.uploads.request_body import receive_json
from core.errors import RequestInvalid
from core.vocabulary import Scope
from db.repositories import site_registry
from db.repositories.site_registry import Entry

router = APIRouter(prefix="/v1/sites", tags=["sites"])

BODY_BYTES = 4096


async def _asked(caller: CallerOf, request: Request) -> SiteRequest:
    await anyio.to_thread.run_sync(_admit, caller)
    return await receive_json(request, caller.backends.settings, SiteRequest, limit=BODY_BYTES)


async def _changed(caller: CallerOf, request: Request) -> SiteChange:
    await anyio.to_thread.run_sync(_admit, caller)
    return await receive_json(request, caller.backends.settings, SiteChange, limit=BODY_BYTES)


def _admit(caller: Caller) -> None:
    """Before a byte of the body is read."""
    with caller.session(Scope.OPERATE):
        return


@router.get("", response_model=SiteList)
def listing(caller: CallerOf, response: Response) -> SiteList:
    """All Sites by name, with their quotas and what they use."""
    response.headers["Cache-Control"] = "no-store"
    with caller.session(Scope.OPERATE) as (session, _principal):
        return SiteList(items=[_view(caller, one) for one in site_registry.listing(session)])


@router.post("", status_code=201, response_model=SiteRecord, openapi_extra=json_body(SiteRequest))
def create(caller: CallerOf, response: Response, request: Annotated[SiteRequest, Depends(_asked)]) -> SiteRecord:
    """Make a Site; audited in its own log. 409 where the name is taken."""
    with caller.session(Scope.OPERATE) as (session, principal):
        made = site_registry.create(session, values=request.model_dump(), actor=principal.actor)
        view = _view(caller, site_registry.get(session, made))
    response.headers["Location"] = f"/v1/sites/{made}"
    return view


@router.get("/{site_id}", response_model=SiteRecord)
def one(caller: CallerOf, response: Response, site_id: UUID) -> SiteRecord:
    """One Site."""
    response.headers["Cache-Control"] = "no-store"
    with caller.session(Scope.OPERATE) as (session, _principal):
        return _view(caller, site_registry.get(session, site_id))


@router.patch("/{site_id}", response_model=SiteRecord, openapi_extra=json_body(SiteChange))
def change(
    caller: CallerOf, response: Response, site_id: UUID, request: Annotated[SiteChange, Depends(_changed)]
) -> SiteRecord:
    """Change a name or quotas, or close the Site; audited in its log."""
    response.headers["Cache-Control"] = "no-store"
    values: dict[str, Any] = {name: getattr(request, name) for name in request.model_fields_set - {"disabled"}}
    if values.get("name", "") is None:
        raise RequestInvalid("A Site has a name.")
    with caller.session(Scope.OPERATE) as (session, principal):
        site_registry.change(session, site_id, values=values, disabled=request.disabled, actor=principal.actor)
        return _view(caller, site_registry.get(session, site_id))


def _view(caller: Caller, entry: Entry) -> SiteRecord:
    site = entry.site
    return SiteRecord(
        id=site.id,
        name=site.name,
        active_limit=site.active_limit,
        stored_bytes_limit=site.stored_bytes_limit,
        disabled_at=site.disabled_at,
        created_at=site.created_at,
        members=entry.members,
        keys=entry.keys,
        usage=UsageView(
            active_jobs=entry.usage.active_jobs,
            active_limit=site.active_limit or caller.backends.settings.site_active_limit,
            images=entry.usage.images,
            stored_bytes=entry.usage.stored_bytes,
            stored_bytes_limit=site.stored_bytes_limit,
        ),
    )
