"""The Site's API keys. For its administrators; a secret is shown once, when it is made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

import anyio.to_thread
from fastapi import APIRouter, Depends, Request, Response

from api.dependencies import Caller, CallerOf
from api.keys.schemas import KeyList, KeyMade, KeyRequest, KeyRotation, KeyView
from api.schemas import json_body
from api.uploads.request_body import receive_json
from core.errors import Forbidden, RequestInvalid
from core.vocabulary import Scope
from db.repositories import api_keys, sites
from db.repositories.sites import MARK, Principal
from db.tables import ApiKey

router = APIRouter(prefix="/v1/keys", tags=["keys"])

BODY_BYTES = 4096


async def _asked(caller: CallerOf, request: Request) -> KeyRequest:
    await anyio.to_thread.run_sync(_admit, caller)
    return await receive_json(request, caller.backends.settings, KeyRequest, limit=BODY_BYTES)


async def _rotation(caller: CallerOf, request: Request) -> KeyRotation:
    await anyio.to_thread.run_sync(_admit, caller)
    return await receive_json(request, caller.backends.settings, KeyRotation, limit=BODY_BYTES)


def _admit(caller: Caller) -> None:
    """Before a byte of the body is read."""
    with caller.session(Scope.ADMIN):
        return


@router.get("", response_model=KeyList)
def listing(caller: CallerOf, response: Response) -> KeyList:
    """All keys of the Site, those that open first; without their secrets."""
    response.headers["Cache-Control"] = "no-store"
    with caller.session(Scope.ADMIN) as (session, principal):
        return KeyList(items=[_view(key) for key in api_keys.listing(session, site_id=principal.site_id)])


@router.post("", status_code=201, response_model=KeyMade, openapi_extra=json_body(KeyRequest))
def create(caller: CallerOf, response: Response, request: Annotated[KeyRequest, Depends(_asked)]) -> KeyMade:
    """Make a key; audited. It may do no more than who makes it."""
    expires_at = request.expires_at
    if expires_at is not None and (expires_at.tzinfo is None or expires_at <= datetime.now(UTC)):
        raise RequestInvalid("'expires_at' must be a time to come, with its zone.")
    with caller.session(Scope.ADMIN) as (session, principal):
        _require_own(principal, request.scopes)
        key, secret = sites.issue_key(
            session,
            site_id=principal.site_id,
            name=request.name,
            scopes=request.scopes,
            expires_at=expires_at,
            actor=principal.actor,
        )
        session.refresh(key)
        made = KeyMade(**_view(key).model_dump(), secret=secret)
    response.headers["Cache-Control"] = "no-store"
    return made


@router.post("/{key_id}/rotate", status_code=201, response_model=KeyMade, openapi_extra=json_body(KeyRotation))
def rotate(
    caller: CallerOf, response: Response, key_id: UUID, request: Annotated[KeyRotation, Depends(_rotation)]
) -> KeyMade:
    """A new key in the place of this one, with its name and scopes; audited. 409 for one that has ended."""
    with caller.session(Scope.ADMIN) as (session, principal):
        old = api_keys.get(session, site_id=principal.site_id, key_id=key_id)
        _require_own(principal, {Scope(scope) for scope in old.scopes})
        overlap = timedelta(hours=request.overlap_hours)
        key, secret = api_keys.rotate(
            session, site_id=principal.site_id, key_id=key_id, overlap=overlap, actor=principal.actor
        )
        session.refresh(key)
        made = KeyMade(**_view(key).model_dump(), secret=secret)
    response.headers["Cache-Control"] = "no-store"
    return made


@router.delete("/{key_id}", status_code=204)
def revoke(caller: CallerOf, key_id: UUID) -> None:
    """From now on the key opens nothing; audited. Done twice it is done once."""
    with caller.session(Scope.ADMIN) as (session, principal):
        sites.revoke_key(session, site_id=principal.site_id, key_id=key_id, actor=principal.actor)


def _require_own(principal: Principal, scopes: set[Scope]) -> None:
    """Raises Forbidden for what the caller may not do itself; `admin` includes all but `operate`."""
    if Scope.OPERATE in scopes and Scope.OPERATE not in principal.scopes:
        raise Forbidden("Only an operator may give the scope 'operate'.")


def _view(key: ApiKey) -> KeyView:
    return KeyView(
        id=key.id,
        name=key.name,
        prefix=MARK + key.prefix,
        scopes=sorted(Scope(scope) for scope in key.scopes),
        created_at=key.created_at,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
        used_at=key.used_at,
    )
