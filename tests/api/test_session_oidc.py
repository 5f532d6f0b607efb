"""Single sign-on against a provider that runs: who comes in, and what of the way back must hold."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx2
import pytest
from pydantic import SecretStr

from api.sessions.oidc import PENDING_COOKIE, Pending
from core.settings import Settings
from core.vocabulary import Role
from db.repositories import users
from db.session import Database
from tests.api.conftest import serve
from tests.api.people import make_user

with warnings.catch_warnings():
    # The provider is built on a part of Authlib that will move; ours is not.
    warnings.simplefilter("ignore")
    from oidc_provider_mock import User, run_server_in_thread

ADA = "ada@example.org"
# The provider runs in a thread of this process, and its own warnings are not ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore:get_jwt_config:DeprecationWarning")


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    people = [
        User(sub="ada", claims={"email": ADA, "email_verified": True, "name": "Ada"}),
        User(sub="eve", claims={"email": ADA, "email_verified": False}),
        User(sub="bob", claims={"email": "bob@example.org", "email_verified": True}),
        User(sub="ada2", claims={"email": ADA, "email_verified": True}),
    ]
    with run_server_in_thread(require_nonce=True, user_claims=people) as server:
        yield f"http://localhost:{server.server_port}"


@contextmanager
def served(settings: Settings, issuer: str) -> Iterator[httpx2.Client]:
    changed = {"oidc_issuer": issuer, "oidc_client_id": "lucency", "oidc_client_secret": SecretStr("hush")}
    with serve(settings.model_copy(update=changed)) as (url, _port), httpx2.Client(base_url=url, timeout=30) as client:
        yield client


@pytest.fixture
def client(settings: Settings, issuer: str) -> Iterator[httpx2.Client]:
    with served(settings, issuer) as made:
        yield made


def to_provider(client: httpx2.Client, after: str = "/jobs?state=dead") -> tuple[str, str]:
    """The provider's address, and the cookie that the browser keeps meanwhile."""
    sent = client.get("/v1/session/oidc", params={"next": after})
    assert sent.status_code == 303
    cookie = sent.headers["set-cookie"]
    assert cookie.startswith(f"{PENDING_COOKIE}=")
    assert {"secure", "httponly", "samesite=lax", "path=/"} <= {part.strip().lower() for part in cookie.split(";")}
    return sent.headers["location"], cookie.partition(";")[0]


def authorized(address: str, subject: str) -> str:
    """The way back, path and query, after the person let the provider tell us who it is."""
    answered = httpx2.post(address, data={"sub": subject}, timeout=30)
    assert answered.status_code == 302, answered.text
    back = urlsplit(answered.headers["location"])
    return f"{back.path}?{back.query}"


def sign_on(client: httpx2.Client, subject: str) -> httpx2.Response:
    address, cookie = to_provider(client)
    return client.get(authorized(address, subject), headers={"Cookie": cookie})


def notice(answered: httpx2.Response) -> str:
    assert answered.status_code == 303
    assert "__Host-lucency=" not in answered.headers.get("set-cookie", "")
    return parse_qs(urlsplit(answered.headers["location"]).query)["notice"][0]


def test_a_known_address_comes_in_and_stays_bound(client: httpx2.Client, database: Database, site: UUID) -> None:
    make_user(database, ADA, roles={site: Role.VIEWER})
    assert client.get("/v1/session/methods").json()["oidc"] == "single sign-on"
    address, _cookie = to_provider(client)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    assert asked["code_challenge_method"] == "S256"
    assert asked.keys() >= {"state", "nonce", "code_challenge"}

    back = sign_on(client, "ada")

    assert (back.status_code, back.headers["location"]) == (303, "/jobs?state=dead")
    cookies = back.headers.get_list("set-cookie")
    session = next(cookie for cookie in cookies if cookie.startswith("__Host-lucency="))
    assert "samesite=strict" in session.lower()
    seen = client.get("/v1/session", headers={"Cookie": session.partition(";")[0]})
    assert (seen.json()["user"]["email"], seen.json()["provider"]) == (ADA, "oidc")
    # The address is bound to that identity now: another of the same address is nobody.
    assert notice(sign_on(client, "ada2")) == "oidc_unknown"
    with database.unit_of_work() as unit:
        ada = users.by_email(unit, ADA)
        assert ada is not None
        assert ada.oidc_subject == "ada"
        users.set_disabled(unit, ada.id, disabled=True)
    assert notice(sign_on(client, "ada")) == "oidc_unknown"


def test_who_is_nobody_here(client: httpx2.Client, database: Database, site: UUID) -> None:
    make_user(database, ADA, roles={site: Role.VIEWER})
    assert notice(sign_on(client, "bob")) == "oidc_unknown"
    # The provider does not vouch for the address.
    assert notice(sign_on(client, "eve")) == "oidc_unknown"
    with database.unit_of_work() as unit:
        assert [user.email for user in users.listing(unit)] == [ADA]


def test_what_must_hold_on_the_way_back(client: httpx2.Client, database: Database, site: UUID) -> None:
    make_user(database, ADA, roles={site: Role.VIEWER})
    address, cookie = to_provider(client)
    back = authorized(address, "ada")
    assert notice(client.get(back)) == "oidc_failed"  # another browser
    pending = Pending.unpacked(cookie.partition("=")[2].strip('"'))
    for name in ("state", "nonce"):
        values = {part: getattr(pending, part) for part in Pending.__slots__} | {name: "x" * 20}
        address, cookie = to_provider(client)
        forged = {"Cookie": f"{PENDING_COOKIE}={Pending(**values).packed()}"}
        assert notice(client.get(authorized(address, "ada"), headers=forged)) == "oidc_failed"
    address, cookie = to_provider(client)
    back = authorized(address, "ada")
    foreign = client.get(f"{back}&iss=https://elsewhere.example", headers={"Cookie": cookie})
    assert notice(foreign) == "oidc_failed"
    denied = back.partition("?")[0] + f"?error=access_denied&state={pending.state}"
    assert notice(client.get(denied, headers={"Cookie": cookie})) == "oidc_failed"
    # A code serves once.
    assert client.get(back, headers={"Cookie": cookie}).headers["location"] == "/jobs?state=dead"
    assert notice(client.get(back, headers={"Cookie": cookie})) == "oidc_failed"


@pytest.mark.parametrize("after", ["//evil.example", "https://evil.example", "/\\evil.example", "/v1/jobs", "jobs"])
def test_after_it_one_is_inside(client: httpx2.Client, database: Database, site: UUID, after: str) -> None:
    make_user(database, ADA, roles={site: Role.VIEWER})
    address, cookie = to_provider(client, after)
    assert client.get(authorized(address, "ada"), headers={"Cookie": cookie}).headers["location"] == "/"


def test_a_provider_that_is_away_or_another(settings: Settings, issuer: str) -> None:
    with served(settings, "http://127.0.0.1:1") as client:
        assert notice(client.get("/v1/session/oidc")) == "oidc_unreachable"
    # The document is there, and names another issuer.
    with served(settings, issuer.replace("localhost", "LOCALHOST")) as client:
        assert notice(client.get("/v1/session/oidc")) == "oidc_unreachable"
