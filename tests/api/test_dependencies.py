"""Who asks: what a scope includes, and how far a caller's own session reaches."""

from __future__ import annotations

from collections.abc import Callable
from inspect import iscoroutinefunction, isfunction
from typing import Any
from uuid import UUID

import pytest
from fastapi.routing import APIRoute
from sqlalchemy import text

from api.app import create_app
from api.backends import make_backends
from api.dependencies import Caller, require
from api.dependencies import caller as caller_of
from core.errors import Forbidden, Unauthorized
from core.settings import Settings
from core.vocabulary import Scope
from db.repositories.sites import Principal, create_site
from db.session import Database
from tests.factories import make_image

INCLUDED = {
    Scope.READ: {Scope.READ},
    Scope.SUBMIT: {Scope.SUBMIT},
    Scope.ADMIN: {Scope.READ, Scope.SUBMIT, Scope.ADMIN},
    Scope.OPERATE: {Scope.OPERATE},
}


@pytest.mark.parametrize("held", Scope)
@pytest.mark.parametrize("wanted", Scope)
def test_what_a_scope_includes(held: Scope, wanted: Scope) -> None:
    principal = Principal(site_id=UUID(int=1), scopes=frozenset({held}), key_id=UUID(int=2))
    if wanted in INCLUDED[held]:
        require(principal, wanted)
    else:
        with pytest.raises(Forbidden, match=wanted.value):
            require(principal, wanted)


@pytest.fixture
def caller(settings: Settings, api_key: str) -> Caller:
    return Caller(make_backends(settings), api_key)


def test_a_callers_session_is_bound_to_its_site(caller: Caller, database: Database, site: UUID) -> None:
    """Whatever a route asks for, the database shows it one Site; an operator's session sees the platform."""
    with database.unit_of_work() as session:
        other = create_site(session, "Other").id
        for owner in (site, other):
            make_image(session, owner)
    everything = text("SELECT count(*) FROM image")
    for scope in (Scope.READ, Scope.SUBMIT, Scope.ADMIN):
        with caller.session(scope) as (session, principal):
            assert (session.scalar(everything), principal.site_id) == (1, site)
    with caller.session(Scope.OPERATE) as (session, _principal):
        assert session.scalar(everything) == 2
    with caller.session(Scope.READ, bound=False) as (session, _principal):
        assert session.scalar(everything) == 2


def test_nobodys_key_opens_no_session(settings: Settings) -> None:
    nobody = Caller(make_backends(settings), "lcy_000000000000.nothing")
    with pytest.raises(Unauthorized), nobody.session(Scope.READ):
        pytest.fail("a session was opened")


def test_who_asks_is_told_without_a_thread(settings: Settings) -> None:
    """FastAPI runs a dependency that is not `async` in a thread: four hand-overs for each request."""
    routes = [route for route in create_app(settings).router.routes if isinstance(route, APIRoute)]
    waiting = [route.dependant for route in routes]
    calls: set[Callable[..., Any] | None] = set()
    while waiting:
        dependant = waiting.pop()
        waiting += dependant.dependencies
        calls |= {one.call for one in dependant.dependencies}
    assert caller_of in calls
    assert [call for call in calls if isfunction(call) and not iscoroutinefunction(call)] == []
