"""Who asks, and the session to answer with: the API key, its scopes, and one committed transaction per use."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import structlog
from fastapi import Depends, Header, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from api.backends import Backends, backends_of
from core.errors import Forbidden, RequestInvalid, Unauthorized
from core.vocabulary import Scope
from db.repositories import sites
from db.repositories.sites import Principal
from db.session import Session

BackendsOf = Annotated[Backends, Depends(backends_of)]

_bearer = HTTPBearer(auto_error=False, description="An API key: `Authorization: Bearer lcy_…`.")
_header = APIKeyHeader(name="X-API-Key", auto_error=False, description="The same key in a header of its own.")
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class Caller:
    """The presented key. Each `session` authenticates in its own transaction: one indexed query beside the work's."""

    def __init__(self, backends: Backends, presented: str) -> None:
        self.backends = backends
        self._presented = presented

    @contextmanager
    def session(self, scope: Scope) -> Iterator[tuple[Session, Principal]]:
        """One unit of work as this caller; it is committed when the block ends, so before any response is sent.

        Raises Unauthorized, Forbidden, DatabaseUnavailable.
        """
        with self.backends.database.unit_of_work() as session:
            principal = sites.authenticate(session, self._presented)
            require(principal, scope)
            structlog.contextvars.bind_contextvars(site_id=str(principal.site_id))
            yield session, principal


def require(principal: Principal, scope: Scope) -> None:
    """Raises Forbidden where the key lacks `scope`; `admin` includes the others."""
    if scope not in principal.scopes and Scope.ADMIN not in principal.scopes:
        raise Forbidden(f"This needs an API key with the scope '{scope}'.")


def caller(
    backends: BackendsOf,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    header: Annotated[str | None, Security(_header)],
) -> Caller:
    """Raises Unauthorized where no key is presented; it is verified with the first session."""
    presented = bearer.credentials if bearer is not None else header
    if not presented:
        raise Unauthorized
    return Caller(backends, presented)


CallerOf = Annotated[Caller, Depends(caller)]


def idempotency_key(
    value: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description="The same key and body give the same job. 1 to 255 visible ASCII signs.",
        ),
    ] = None,
) -> str | None:
    """Raises RequestInvalid where the key is not 1 to 255 visible ASCII characters."""
    if value is not None and not _IDEMPOTENCY_KEY.fullmatch(value):
        raise RequestInvalid("Idempotency-Key must be 1 to 255 visible ASCII characters.")
    return value


IdempotencyKey = Annotated[str | None, Depends(idempotency_key)]
Prefer = Annotated[
    str | None, Header(description="`wait=N`: answer when the job is done, or after N seconds (RFC 7240).")
]
