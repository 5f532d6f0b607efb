"""Single sign-on: the way to the provider, and the way back. A browser follows both; what fails ends at the login."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

import anyio.to_thread
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from api import cookies
from api.backends import Backends
from api.dependencies import BackendsOf
from api.sessions import sign_in
from api.sessions.oidc import CALLBACK, PENDING_COOKIE, PENDING_SECONDS, OidcFailed, OidcUnreachable, Pending, Provider
from core.errors import HttpsNeeded, NotFound

router = APIRouter(prefix="/v1/session/oidc", tags=["session"])

REDIRECT: dict[int | str, dict[str, Any]] = {
    303: {"description": "To the provider, into the application, or back to the login with a notice."}
}


@router.get("", status_code=303, response_class=RedirectResponse, responses=REDIRECT)
async def begin_oidc(
    request: Request,
    backends: BackendsOf,
    next: Annotated[str, Query(max_length=2000, description="Where to go after it, in this application.")] = "/",  # noqa: A002
) -> Response:
    """Go to the provider of single sign-on; 404 where none is configured."""
    provider = _provider(request)
    try:
        cookies.check_transport(request, backends.settings)
        url, pending = await provider.begin(redirect_uri=_callback(request, backends), after=_inside(next))
    except HttpsNeeded:
        return _login("https_needed")
    except OidcUnreachable:
        return _login("oidc_unreachable")
    response = RedirectResponse(url, status_code=303)
    response.set_cookie(
        PENDING_COOKIE, pending.packed(), max_age=PENDING_SECONDS, path="/", secure=True, httponly=True, samesite="lax"
    )
    return response


@router.get("/callback", status_code=303, response_class=RedirectResponse, responses=REDIRECT)
async def finish_oidc(request: Request, backends: BackendsOf) -> Response:
    """Come back from the provider: into the application with a session, or to the login with a notice."""
    provider = _provider(request)
    try:
        pending = Pending.unpacked(request.cookies.get(PENDING_COOKIE, ""))
        identity = await provider.finish(pending, request.query_params, redirect_uri=_callback(request, backends))
    except OidcFailed:
        return _login("oidc_failed")
    agent = cookies.agent_of(request)
    token = await anyio.to_thread.run_sync(lambda: sign_in.by_identity(backends, identity, agent=agent))
    if token is None:
        return _login("oidc_unknown")
    response = RedirectResponse(_inside(pending.next), status_code=303)
    response.delete_cookie(PENDING_COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    cookies.keep(response, token)
    return response


def _provider(request: Request) -> Provider:
    """Made once for the application, by its factory; NotFound where none is configured."""
    found: Provider | None = request.app.state.oidc
    if found is None:
        raise NotFound
    return found


def _callback(request: Request, backends: Backends) -> str:
    origin = (backends.settings.public_url or f"{request.url.scheme}://{request.headers.get('host', '')}").rstrip("/")
    return origin + CALLBACK


def _inside(path: str) -> str:
    """`path` where it leads into this application, else its start: neither another host nor an answer of the API."""
    plain = path.isascii() and path.isprintable() and "\\" not in path
    return path if plain and path.startswith("/") and not path.startswith(("//", "/v1/")) else "/"


def _login(notice: str) -> Response:
    response = RedirectResponse("/login?" + urlencode({"notice": notice}), status_code=303)
    response.delete_cookie(PENDING_COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    return response
