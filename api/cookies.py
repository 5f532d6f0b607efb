"""The session's cookie, and whether a request comes from a page of ours.

The cookie is `__Host-` (RFC 6265bis, 4.1.3.2: of this host alone, over TLS alone), HttpOnly and SameSite=Strict. Beside
that, whatever changes something must bear the session's CSRF token and come from our own origin. Browsers hold plain
HTTP on a loopback address to be as good as TLS (W3C Secure Contexts, 3.1), so that a stack on one's own machine works.
"""

from __future__ import annotations

import hashlib
import hmac
from ipaddress import ip_address
from urllib.parse import urlsplit

from fastapi import Request, Response

from core.errors import CsrfFailed, HttpsNeeded
from core.settings import Settings

COOKIE = "__Host-lucency"
CSRF_HEADER = "X-CSRF-Token"
# Set by our pages on what they ask by themselves while nobody touches them: it does not keep a session from idling out.
UNATTENDED_HEADER = "X-Unattended"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def token_of(request: Request) -> str | None:
    """The session's token as the browser presents it."""
    return request.cookies.get(COOKIE) or None


def keep(response: Response, token: str) -> None:
    """Give the browser the token, until it is closed."""
    response.set_cookie(COOKIE, token, path="/", secure=True, httponly=True, samesite="strict")


def forget(response: Response) -> None:
    """Take it back."""
    response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="strict")


def csrf_token(token: str) -> str:
    """What requests by the session of this token must bear; derived, so that it is stored nowhere."""
    return hmac.new(token.encode("utf-8", "surrogatepass"), b"lucency csrf", hashlib.sha256).hexdigest()


def attended(request: Request) -> bool:
    """Whether a person is at the page that asks."""
    return UNATTENDED_HEADER not in request.headers and "text/event-stream" not in request.headers.get("accept", "")


def check_csrf(request: Request, token: str, settings: Settings) -> None:
    """Raises CsrfFailed for a request that may change something and does not come from a page of this session."""
    if request.method in SAFE:
        return
    borne = request.headers.get(CSRF_HEADER, "")
    if same_origin(request, settings) is not True:
        raise CsrfFailed
    if not hmac.compare_digest(borne.encode("latin-1", "replace"), csrf_token(token).encode()):
        raise CsrfFailed


def same_origin(request: Request, settings: Settings) -> bool | None:
    """Whether the browser says that a page of ours asks; None where nothing says so: no browser of today."""
    fetch_site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if fetch_site is not None and fetch_site != "same-origin":
        return False
    if origin is not None:
        ours = {request.headers.get("host", "").lower(), _authority(settings.public_url or "")} - {""}
        return _authority(origin) in ours
    return None if fetch_site is None else True


def check_page(request: Request, settings: Settings) -> None:
    """Before a session begins: raises CsrfFailed for another origin's page, HttpsNeeded as `check_transport` does."""
    if same_origin(request, settings) is False:
        raise CsrfFailed
    check_transport(request, settings)


def agent_of(request: Request) -> str:
    """The browser as it names itself."""
    return request.headers.get("user-agent", "")


def check_transport(request: Request, settings: Settings) -> None:
    """Raises HttpsNeeded where the browser would not keep the cookie: plain HTTP on anything but a loopback address."""
    host = request.headers.get("host", "")
    # A proxy that ends TLS may not say so; the browser does.
    address = urlsplit(request.headers.get("origin") or f"{request.url.scheme}://{host}")
    public = settings.public_url or ""
    if address.scheme == "https" or (public.startswith("https:") and _authority(public) == host.lower()):
        return
    if not _loopback(address.hostname or ""):
        raise HttpsNeeded(
            "Signing in needs HTTPS: this page was opened over plain HTTP, where browsers keep no safe cookie. Open it "
            "by its https address, or, on the machine that it runs on, by http://127.0.0.1 or http://localhost."
        )


def _authority(address: str) -> str:
    """Host and port; empty where there are none, as of the origin `null`."""
    try:
        return urlsplit(address).netloc.lower()
    except ValueError:
        return ""


def _loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
