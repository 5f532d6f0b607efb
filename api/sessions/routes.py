"""Signing in and out, the Site in view, and one's own sessions and password."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import anyio.to_thread
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from api import cookies
from api.backends import Backends
from api.dependencies import BackendsOf, Visitor, VisitorOf
from api.schemas import as_json
from api.sessions import sign_in
from api.sessions.schemas import (
    Credentials,
    MethodsView,
    OwnSessionList,
    OwnSessionView,
    PasswordChange,
    SessionView,
    SiteChoice,
)
from api.uploads.request_body import receive_json
from core.errors import Forbidden, Unavailable
from core.vocabulary import SignIn
from db.repositories import sessions, users

router = APIRouter(tags=["session"])

BODY_BYTES = 16 * 1024
NO_STORE = {"Cache-Control": "no-store"}
# Each hash takes 64 MiB; who waits behind so many is told to come again.
MOST_WAITING = 32


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": model.model_json_schema()}}}}


async def hashing(backends: Backends, work: Callable[[], tuple[SessionView, str]]) -> tuple[SessionView, str]:
    """Run `work`, which hashes a password, in one of few threads. Raises Unavailable where too many wait."""
    limiter = backends.limiters.passwords
    if limiter.statistics().tasks_waiting >= MOST_WAITING:
        raise Unavailable("Too many sign in at this moment.", retry_after=2)
    return await anyio.to_thread.run_sync(work, limiter=limiter)


def answer(view: SessionView, token: str) -> Response:
    """The session, and the cookie to go on with."""
    response = JSONResponse(as_json(view), headers=NO_STORE)
    cookies.keep(response, token)
    return response


@router.get("/v1/session/methods", response_model=MethodsView)
def methods(backends: BackendsOf, response: Response) -> MethodsView:
    """How one may sign in here. Without a sign-in: the page that asks for one needs it."""
    response.headers.update(NO_STORE)
    with backends.database.unit_of_work() as session:
        there = users.any_there(session)
    settings = backends.settings
    return MethodsView(
        password=settings.password_login, oidc=settings.oidc_name if settings.oidc_issuer else None, users=there
    )


@router.post("/v1/session", response_model=SessionView, openapi_extra=body_of(Credentials))
async def start(request: Request, backends: BackendsOf) -> Response:
    """Sign in by e-mail address and password: the session, and its cookie. 429 while the address is locked."""
    cookies.check_page(request, backends.settings)
    if not backends.settings.password_login:
        raise Forbidden("Here one signs in by single sign-on alone.")
    credentials = await receive_json(request, backends.settings, Credentials, limit=BODY_BYTES)
    view, token = await hashing(backends, lambda: sign_in.by_password(
        backends, credentials, old=cookies.token_of(request), agent=cookies.agent_of(request)
    ))  # fmt: skip
    return answer(view, token)


@router.get("/v1/session", response_model=SessionView)
def look(visitor: VisitorOf, response: Response) -> SessionView:
    """Who is signed in; 401 where nobody is."""
    response.headers.update(NO_STORE)
    return sign_in.look(visitor.backends, visitor.token, attended=visitor.attended)


@router.patch("/v1/session", response_model=SessionView, openapi_extra=body_of(SiteChoice))
async def switch_site(request: Request, visitor: VisitorOf) -> Response:
    """Look at another of the user's Sites; 404 where it is a member of none such."""
    choice = await receive_json(request, visitor.backends.settings, SiteChoice, limit=BODY_BYTES)
    view = await anyio.to_thread.run_sync(_switched, visitor, choice.site_id)
    return JSONResponse(as_json(view), headers=NO_STORE)


def _switched(visitor: Visitor, site_id: UUID) -> SessionView:
    with visitor.session() as (session, found):
        sessions.switch_site(session, found, site_id=site_id)
    return sign_in.look(visitor.backends, visitor.token)


@router.delete("/v1/session", status_code=204)
def end(request: Request, backends: BackendsOf) -> Response:
    """Sign out: the session ends, and its cookie goes. 204 as well where it had ended before."""
    token = cookies.token_of(request)
    if token is not None:
        cookies.check_csrf(request, token, backends.settings)
        with backends.database.unit_of_work() as session:
            sessions.end_token(session, token)
    response = Response(status_code=204, headers=NO_STORE)
    cookies.forget(response)
    return response


@router.post("/v1/session/password", response_model=SessionView, openapi_extra=body_of(PasswordChange))
async def change_password(request: Request, visitor: VisitorOf) -> Response:
    """Change one's own password. All other sessions of the user end; this browser gets a new one."""
    backends = visitor.backends
    found = await anyio.to_thread.run_sync(visitor.look)
    change = await receive_json(request, backends.settings, PasswordChange, limit=BODY_BYTES)
    view, token = await hashing(backends, lambda: sign_in.change_password(
        backends, found, change, agent=cookies.agent_of(request)
    ))  # fmt: skip
    return answer(view, token)


@router.get("/v1/sessions", response_model=OwnSessionList)
def listing(visitor: VisitorOf, response: Response) -> OwnSessionList:
    """The user's own sessions, the one seen last first."""
    response.headers.update(NO_STORE)
    with visitor.session() as (session, found):
        rows = sessions.listing(session, found.user_id, idle_s=visitor.backends.settings.session_idle)
        items = [
            OwnSessionView(
                id=row.id,
                current=row.id == found.session_id,
                provider=SignIn(row.provider),
                agent=row.agent,
                created_at=row.created_at,
                seen_at=row.seen_at,
                expires_at=row.expires_at,
            )
            for row in rows
        ]
    return OwnSessionList(items=items)


@router.delete("/v1/sessions", status_code=204)
def end_others(visitor: VisitorOf) -> Response:
    """End all of the user's sessions but this one."""
    with visitor.session() as (session, found):
        sessions.end_all(session, found.user_id, keep=found.session_id)
    return Response(status_code=204, headers=NO_STORE)


@router.delete("/v1/sessions/{session_id}", status_code=204)
def end_one(visitor: VisitorOf, session_id: UUID) -> Response:
    """End one of the user's sessions."""
    with visitor.session() as (session, found):
        sessions.end(session, user_id=found.user_id, session_id=session_id)
    return Response(status_code=204, headers=NO_STORE)
