"""What surrounds every request, outside of FastAPI's own stack so that even a 500 passes through it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import structlog
from asgi_correlation_id import CorrelationIdMiddleware, correlation_id
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.cookies import COOKIE
from core.logs import logger

log = logger(__name__)

QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
# A year: browsers that came by HTTPS once come by nothing else.
HSTS = "max-age=31536000"
# JSON is read by programs: opened as a page, it may do nothing.
JSON_POLICY = "default-src 'none'; frame-ancestors 'none'"
# The API's documentation starts by a script within its page, which is not ours to mark; nothing comes from elsewhere.
HTML_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
DATA = ("/v1/", "/dicom-web/", "/predict")
# What is still read of a body after it was refused, so that a client that sends before it reads sees the answer and not
# a reset connection.
DRAIN_BYTES = 256 * 1024 * 1024
DRAIN_SECONDS = 10.0
# A client that sends nothing for this long has nothing in flight that could reset the connection.
DRAIN_IDLE_SECONDS = 1.0


class RequestContext:
    """Request id in the logs, an access log without queries or bodies, security headers."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        self._headers = SECURITY_HEADERS | ({"Strict-Transport-Security": HSTS} if https else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                kind = headers.get("content-type", "")
                if "json" in kind:
                    headers.setdefault("Content-Security-Policy", JSON_POLICY)
                elif kind.startswith("text/html"):
                    headers.setdefault("Content-Security-Policy", HTML_POLICY)
                _forbid_keeping(scope, headers)
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=correlation_id.get()):
            try:
                await self._app(scope, receive, send_marked)
            finally:
                self._log(scope, status, time.perf_counter() - started)

    @staticmethod
    def _log(scope: Scope, status: int, seconds: float) -> None:
        # The template, not the path: an unknown path may hold anything, a patient's name too.
        template = getattr(scope.get("route"), "path", "unmatched")
        if template in QUIET:
            return
        ids: dict[str, Any] = {
            name: str(value) for name, value in scope.get("path_params", {}).items() if name in {"job_id", "batch_id"}
        }
        log.info("request", method=scope["method"], route=template, status=status, ms=round(seconds * 1000, 1), **ids)


def _forbid_keeping(scope: Scope, headers: MutableHeaders) -> None:
    """Nothing of the data stays on the disk of a machine that several people use: browsers keep none of it."""
    if not scope["path"].startswith(DATA):
        return
    if COOKIE in Headers(scope=scope).get("cookie", ""):
        headers["Cache-Control"] = "no-store"
    else:
        headers.setdefault("Cache-Control", "no-store")


class DrainRefused:
    """Answer at once when a body is refused, then read on for a bounded while, then close the connection.

    Without it the server would either read a refused body for ever, or close with unread data, which the client's
    kernel reports as a reset before the client has read the answer.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _has_body(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        body = _Body(receive, waits_for_continue="expect" in Headers(scope=scope))

        async def send_then_drain(message: Message) -> None:
            if message["type"] == "http.response.start" and not body.ended:
                MutableHeaders(scope=message)["Connection"] = "close"
            if message["type"] == "http.response.body" and not message.get("more_body", False) and not body.ended:
                await send({**message, "more_body": True})
                await body.drain()
                message = {"type": "http.response.body", "body": b"", "more_body": False}
            await send(message)

        await self._app(scope, body.receive, send_then_drain)


class _Body:
    def __init__(self, receive: Receive, *, waits_for_continue: bool) -> None:
        self.ended = False
        self._receive = receive
        self._begun = False
        self._waits_for_continue = waits_for_continue

    async def receive(self) -> Message:
        self._begun = True
        message = await self._receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self.ended = True
        return message

    async def drain(self) -> None:
        if self._waits_for_continue and not self._begun:
            # It has sent nothing and, after our answer, will not.
            return
        left = DRAIN_BYTES
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                while not self.ended and left > 0:
                    message = await asyncio.wait_for(self.receive(), DRAIN_IDLE_SECONDS)
                    left -= len(message.get("body", b""))
        except TimeoutError:
            return


def _has_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


def surround(app: ASGIApp, *, https: bool) -> ASGIApp:
    """`app` inside everything above, the request id outermost. `https`: browsers that came by it shall insist on it."""
    return CorrelationIdMiddleware(RequestContext(DrainRefused(app), https=https))
