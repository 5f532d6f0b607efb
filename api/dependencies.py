"""Who asks, and the session to answer with: an API key or a signed-in user, and one committed transaction per use."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Annotated

import structlog
from fastapi import Depends, Header, Request, Security
from fastapi.security import APIKeyCookie, APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from api import cookies
from api.backends import Backends, backends_of
from core.errors import Forbidden, RequestInvalid, Unauthorized
from core.vocabulary import Scope
from db.repositories import sessions, sites
from db.repositories.sessions import SignedIn
from db.repositories.sites import Principal
from db.session import Session, bind

BackendsOf = Annotated[Backends, Depends(backends_of)]

_bearer = HTTPBearer(auto_error=False, description="An API key: `Authorization: Bearer lcy_…`.")
_header = APIKeyHeader(name="X-API-Key", auto_error=False, description="The same key in a header of its own.")
_cookie = APIKeyCookie(
    name=cookies.COOKIE,
    auto_error=False,
    description=f"A browser's session; what changes something bears `{cookies.CSRF_HEADER}` as well.",
)
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True, slots=True)
class Visitor:
    """The browser of a signed-in user, by its cookie; what would change something has passed the CSRF check."""

    backends: Backends
    token: str
    attended: bool

    def find(self, session: Session) -> SignedIn:
        """The session of the cookie. Raises Unauthorized."""
        return sessions.find(session, self.token, idle_s=self.backends.settings.session_idle, attended=self.attended)

    @contextmanager
    def session(self) -> Iterator[tuple[Session, SignedIn]]:
        """One unit of work on the user's own account. Raises Unauthorized, DatabaseUnavailable."""
        with self.backends.database.unit_of_work() as session:
            yield session, self.find(session)

    def look(self) -> SignedIn:
        """Who it is. Raises Unauthorized, DatabaseUnavailable."""
        with self.session() as (_session, found):
            return found


class Caller:
    """Who asks: the presented key, or the browser of a signed-in user.

    Each `session` authenticates in its own transaction: one indexed query beside the work's.
    """

    def __init__(self, backends: Backends, presented: str | Visitor) -> None:
        self.backends = backends
        self._presented = presented

    @contextmanager
    def session(self, scope: Scope, *, bound: bool = True) -> Iterator[tuple[Session, Principal]]:
        """One unit of work as this caller; it is committed when the block ends, so before any response is sent.

        It is bound to the caller's Site; with `Scope.OPERATE` it sees the platform. `bound=False` is for the routes of
        users, who are the platform's and members of several Sites: what they touch they check themselves.
        Raises Unauthorized, Forbidden, DatabaseUnavailable.
        """
        with self.backends.database.unit_of_work() as session:
            known = self.presumed(scope) if bound and scope is not Scope.OPERATE else None
            if known is not None and sites.readmit(session, known):
                yield session, known
                return
            principal = self._authenticate(session)
            require(principal, scope)
            if bound and scope is not Scope.OPERATE:
                bind(session, principal.site_id)
            structlog.contextvars.bind_contextvars(site_id=str(principal.site_id))
            yield session, principal

    def unattended(self) -> Caller:
        """The same caller, whose asking does not keep a user's session from idling out."""
        presented = self._presented
        return Caller(
            self.backends, replace(presented, attended=False) if isinstance(presented, Visitor) else presented
        )

    @contextmanager
    def administration(self) -> Iterator[tuple[Session, Principal]]:
        """One unit of work of an administrator of the Site in view, or of an operator; not bound to a Site.

        Raises Unauthorized, Forbidden, DatabaseUnavailable.
        """
        with self.backends.database.unit_of_work() as session:
            principal = self._authenticate(session)
            if Scope.OPERATE not in principal.scopes:
                require(principal, Scope.ADMIN)
            structlog.contextvars.bind_contextvars(site_id=str(principal.site_id))
            yield session, principal

    def presumed(self, scope: Scope) -> Principal | None:
        """Who asks, where that was known seconds ago, and may do so: for work whose own transaction asks again
        (`db.repositories.intake.enter`). None: ask the database.
        """
        if isinstance(self._presented, Visitor):
            return None
        principal = self.backends.keys.find(self._presented)
        if principal is None or not allows(principal, scope):
            return None
        structlog.contextvars.bind_contextvars(site_id=str(principal.site_id))
        return principal

    def _authenticate(self, session: Session) -> Principal:
        if isinstance(self._presented, Visitor):
            return self._presented.find(session).principal
        principal = sites.authenticate(session, self._presented)
        self.backends.keys.remember(self._presented, principal)
        return principal


def allows(principal: Principal, scope: Scope) -> bool:
    """Whether the caller has `scope`; `admin` includes the others, but for `operate`."""
    return scope in principal.scopes or (Scope.ADMIN in principal.scopes and scope is not Scope.OPERATE)


def require(principal: Principal, scope: Scope) -> None:
    """Raises Forbidden where `scope` is lacking."""
    if not allows(principal, scope):
        raise Forbidden(f"This needs the scope '{scope}', of an API key or of the user's role at the Site.")


async def visitor(request: Request, backends: BackendsOf, cookie: Annotated[str | None, Security(_cookie)]) -> Visitor:
    """Raises Unauthorized without a cookie, CsrfFailed; the cookie is verified with the first session."""
    return _visitor(request, backends, cookie)


def _visitor(request: Request, backends: Backends, cookie: str | None) -> Visitor:
    if not cookie:
        raise Unauthorized
    cookies.check_csrf(request, cookie, backends.settings)
    return Visitor(backends, cookie, cookies.attended(request))


VisitorOf = Annotated[Visitor, Depends(visitor)]


async def caller(
    request: Request,
    backends: BackendsOf,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    header: Annotated[str | None, Security(_header)],
    cookie: Annotated[str | None, Security(_cookie)],
) -> Caller:
    """Raises Unauthorized where neither key nor cookie is presented; they are verified with the first session.

    A key goes before a cookie, and needs no CSRF token: no browser sends it by itself.
    """
    presented = bearer.credentials if bearer is not None else header
    return Caller(backends, presented or _visitor(request, backends, cookie))


CallerOf = Annotated[Caller, Depends(caller)]


async def idempotency_key(
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
