"""Every error as `application/problem+json` (RFC 9457) with a stable `code` and the request's id."""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import Any, cast

from asgi_correlation_id import correlation_id
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi_problem.error import Problem
from fastapi_problem.handler import ExceptionHandler, add_exception_handler, new_exception_handler
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from core.errors import LucencyError, RequestInvalid, StorageQuotaExceeded, Unauthorized
from core.logs import logger

log = logger(__name__)

TYPE_PREFIX = "urn:lucency:problem:"
# What a client should wait where the error itself does not say.
DEFAULT_RETRY_AFTER = 5


def problem_document(code: str, *, title: str, status: int, detail: str) -> dict[str, Any]:
    """The members that every problem of ours has, inside a job too."""
    return {"type": TYPE_PREFIX + code, "title": title, "status": status, "code": code, "detail": detail}


def _problem(code: str, *, title: str, status: int, detail: str | None, **more: Any) -> Problem:
    headers = dict(more.pop("headers", None) or {})
    return Problem(
        title, type_=TYPE_PREFIX + code, detail=detail, status=status, headers=headers,
        code=code, request_id=correlation_id.get() or "", **more,
    )  # fmt: skip


def _of_ours(_handler: ExceptionHandler, _request: Request, error: LucencyError) -> Problem:
    headers: dict[str, str] = {}
    if error.status in (429, 503) or error.retry_after is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after or DEFAULT_RETRY_AFTER))
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = 'Bearer realm="lucency"'
    if error.status >= 500 and not isinstance(error, StorageQuotaExceeded):
        log.error("request_failed", code=error.code, exc_info=error)
    else:
        log.info("request_refused", code=error.code, status=error.status)
    return _problem(error.code, title=error.title, status=error.status, detail=error.detail, headers=headers)


def _of_http(_handler: ExceptionHandler, _request: Request, error: HTTPException) -> Problem:
    phrase = HTTPStatus(error.status_code).phrase
    code = phrase.lower().replace(" ", "_").replace("-", "_")
    return _problem(code, title=phrase, status=error.status_code, detail=phrase, headers=error.headers)


def _of_validation(_handler: ExceptionHandler, _request: Request, error: RequestValidationError) -> Problem:
    # Pydantic's own entries repeat the input, which may be anything.
    errors = [{"where": list(entry["loc"]), "message": entry["msg"]} for entry in error.errors()]
    cls = RequestInvalid
    return _problem(cls.code, title=cls.title, status=cls.status, detail=cls.title, errors=errors)


def _of_disconnect(_handler: ExceptionHandler, _request: Request, _error: ClientDisconnect) -> Problem:
    # Nobody reads this answer; it keeps the disconnect from being logged as an error of ours.
    return _problem("client_disconnected", title="The client went away", status=400, detail=None)


def _of_unknown(_handler: ExceptionHandler, _request: Request, error: Exception) -> Problem:
    log.error("request_crashed", error=type(error).__name__, exc_info=error)
    cls = LucencyError
    return _problem(cls.code, title=cls.title, status=cls.status, detail=cls.title)


def _forbid_caching(content: dict[str, Any], _request: Request, response: Response) -> tuple[dict[str, Any], Any]:
    response.headers["Cache-Control"] = "no-store"
    return content, response


def install_problems(app: FastAPI) -> None:
    """Register the handlers: ours, HTTP's, validation's, and one for what nobody expected."""
    handlers: dict[type[Exception], Any] = {
        LucencyError: _of_ours,
        ClientDisconnect: _of_disconnect,
        HTTPException: _of_http,
        RequestValidationError: _of_validation,
        # Last: the first match answers.
        Exception: _of_unknown,
    }
    handler = new_exception_handler(
        handlers=handlers,
        post_hooks=[_forbid_caching],
        http_exception_handler=cast("Any", _of_http),
        request_validation_handler=cast("Any", _of_validation),
    )
    add_exception_handler(app, handler)
    app.add_exception_handler(LucencyError, handler)
    app.add_exception_handler(ClientDisconnect, handler)
