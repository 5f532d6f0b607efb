"""The caller's Site: how its data is handled."""

from __future__ import annotations

from typing import Any

import anyio.to_thread
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from api.dependencies import Caller, CallerOf
from api.schemas import as_json
from api.sites.schemas import SitePatch, SiteView, UsageView
from api.uploads.request_body import receive_json
from core.vocabulary import Scope
from db.repositories import policies, quotas, sites
from db.session import Session
from db.tables import Site

router = APIRouter(prefix="/v1/site", tags=["site"])

BODY_BYTES = 4096
PATCH_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": SitePatch.model_json_schema()}}}
}
PATCH_BODY["requestBody"]["content"]["application/json"]["schema"].pop("$defs")
PATCH_BODY["requestBody"]["content"]["application/json"]["schema"]["properties"]["burned_in"] = {
    "anyOf": [{"$ref": "#/components/schemas/BurnedInPolicy"}, {"type": "null"}]
}


@router.get("", response_model=SiteView)
def look(caller: CallerOf, response: Response) -> SiteView:
    """The Site of this key and its policy."""
    response.headers["Cache-Control"] = "no-store"
    with caller.session(Scope.READ) as (session, principal):
        return _view(session, sites.get(session, principal.site_id))


@router.get("/usage", response_model=UsageView)
def usage(caller: CallerOf, response: Response) -> UsageView:
    """What the Site uses of its quotas."""
    response.headers["Cache-Control"] = "no-store"
    with caller.session(Scope.READ) as (session, principal):
        site = sites.get(session, principal.site_id)
        used = quotas.usage(session, [site.id])[site.id]
    return UsageView(
        active_jobs=used.active_jobs,
        active_limit=site.active_limit or caller.backends.settings.site_active_limit,
        images=used.images,
        stored_bytes=used.stored_bytes,
        stored_bytes_limit=site.stored_bytes_limit,
    )


@router.patch("", response_model=SiteView, openapi_extra=PATCH_BODY)
async def change(request: Request, caller: CallerOf) -> Response:
    """Change the policy; audited. Needs the scope `admin`."""
    await anyio.to_thread.run_sync(_administrator, caller)
    patch = await receive_json(request, caller.backends.settings, SitePatch, limit=BODY_BYTES)
    view = await anyio.to_thread.run_sync(_changed, caller, patch)
    return JSONResponse(as_json(view), headers={"Cache-Control": "no-store"})


def _administrator(caller: Caller) -> None:
    """Before a byte of the body is read."""
    with caller.session(Scope.ADMIN):
        return


def _changed(caller: Caller, patch: SitePatch) -> SiteView:
    values = {name: getattr(patch, name) for name in patch.model_fields_set}
    if values.get("burned_in", "") is None:
        del values["burned_in"]
    with caller.session(Scope.ADMIN) as (session, principal):
        policies.change(
            session,
            site_id=principal.site_id,
            installation=caller.backends.installation,
            values=values,
            actor=principal.actor,
        )
        return _view(session, sites.get(session, principal.site_id))


def _view(session: Session, site: Site) -> SiteView:
    policy = policies.policy(session, site_id=site.id)
    return SiteView(id=site.id, name=site.name, burned_in=policy.burned_in, retention_days=policy.retention_days)
