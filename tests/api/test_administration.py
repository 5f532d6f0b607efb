"""Keys, users, Sites, quotas and the audit log over HTTP: who may, what is shown once, what is audited."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest

from core.vocabulary import Role, Scope
from db.repositories import sites
from db.session import Database
from tests.api.conftest import Api, Trace
from tests.api.people import PASSWORD, Browser, browser, make_user
from tests.api.test_jobs import key_of, submit
from tests.data import encoded, generated_radiograph

JSON = dict[str, Any]


def look(client: httpx2.Client, path: str, **query: Any) -> JSON:
    answered = client.get(path, params=query)
    assert answered.status_code == 200, answered.text
    found: JSON = answered.json()
    return found


def noted(client: httpx2.Client, **query: Any) -> list[tuple[str, JSON]]:
    return [(one["action"], one["detail"]) for one in look(client, "/v1/audit", **query)["items"]]


@pytest.fixture
def administrator(api: Api, database: Database, site: UUID) -> Iterator[Browser]:
    """The browser of an administrator of `site`."""
    make_user(database, "admin@example.org", roles={site: Role.ADMIN})
    made = browser(api.url)
    with made.client:
        assert made.sign_in("admin@example.org").status_code == 200
        yield made


@pytest.fixture
def operator(api: Api, database: Database) -> Iterator[Browser]:
    """The browser of an operator who is a member of no Site."""
    make_user(database, "operator@example.org", operator=True)
    made = browser(api.url)
    with made.client:
        assert made.sign_in("operator@example.org").status_code == 200
        yield made


def test_a_key_s_life(api: Api, administrator: Browser) -> None:
    client = administrator.client
    asked = {"name": " Ward 3 ", "scopes": ["read"], "expires_at": (datetime.now(UTC) + timedelta(days=1)).isoformat()}
    made = client.post("/v1/keys", json=asked)
    assert made.status_code == 201, made.text
    key = made.json()
    assert made.headers["cache-control"] == "no-store"
    assert (key["name"], key["scopes"], key["used_at"]) == ("Ward 3", ["read"], None)
    assert key["secret"].startswith(key["prefix"])
    with api.client(key["secret"]) as holder:
        assert holder.get("/v1/jobs").status_code == 200
        assert holder.get("/v1/keys").status_code == 403
    shown = client.get("/v1/keys")
    assert key["secret"] not in shown.text
    listed = {one["id"]: one for one in shown.json()["items"]}
    assert listed[key["id"]]["used_at"] is not None
    turned = client.post(f"/v1/keys/{key['id']}/rotate", json={}).json()
    assert (turned["name"], turned["scopes"], turned["expires_at"]) == ("Ward 3", ["read"], key["expires_at"])
    with api.client(key["secret"]) as old, api.client(turned["secret"]) as new:
        assert (old.get("/v1/jobs").status_code, new.get("/v1/jobs").status_code) == (401, 200)
        again = client.post(f"/v1/keys/{turned['id']}/rotate", json={"overlap_hours": 1}).json()
        assert new.get("/v1/jobs").status_code == 200  # for an hour
    assert client.post(f"/v1/keys/{key['id']}/rotate", json={}).status_code == 409
    for _twice in range(2):
        assert client.delete(f"/v1/keys/{again['id']}").status_code == 204
    with api.client(again["secret"]) as ended:
        assert ended.get("/v1/jobs").status_code == 401
    actions = [action for action, _detail in noted(client, action=["key_issued", "key_revoked"])]
    assert actions[:5] == ["key_revoked", "key_issued", "key_issued", "key_revoked", "key_issued"]


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"name": "", "scopes": ["read"]}, 422),
        ({"name": "a", "scopes": []}, 422),
        ({"name": "a", "scopes": ["all"]}, 422),
        ({"name": "a", "scopes": ["read"], "expires_at": "2020-01-01T00:00:00Z"}, 422),
        ({"name": "a", "scopes": ["read"], "colour": "red"}, 422),
        ({"name": "a", "scopes": ["operate"]}, 403),
    ],
)
def test_keys_that_are_refused(administrator: Browser, asked: JSON, status: int) -> None:
    assert administrator.client.post("/v1/keys", json=asked).status_code == status


def test_a_new_member_signs_in_with_the_password_shown(api: Api, administrator: Browser, site: UUID) -> None:
    client = administrator.client
    made = client.post("/v1/users", json={"email": "Nurse@Example.org", "name": "A Nurse", "role": "submitter"})
    assert made.status_code == 201, made.text
    user = made.json()
    assert [(one["role"], one["site_id"]) for one in user["roles"]] == [("submitter", str(site))]
    assert user["password"] not in client.get("/v1/users").text
    with browser(api.url).client as other:
        page = Browser(other)
        assert page.sign_in("nurse@example.org", user["password"]).status_code == 200
        assert other.get("/v1/users").status_code == 403
        fresh = client.post(f"/v1/users/{user['id']}/password").json()["password"]
        assert other.get("/v1/jobs").status_code == 401, "a new password ends the sessions"
        assert page.sign_in("nurse@example.org", user["password"]).status_code == 401
        assert page.sign_in("nurse@example.org", fresh).status_code == 200
        changed = client.patch(f"/v1/users/{user['id']}", json={"role": "viewer"})
        assert changed.json()["roles"][0]["role"] == "viewer"
        assert other.get("/v1/session").json()["scopes"] == ["read"]
        assert client.patch(f"/v1/users/{user['id']}", json={"disabled": True}).json()["disabled"] is True
        assert other.get("/v1/jobs").status_code == 401
        assert client.patch(f"/v1/users/{user['id']}", json={"disabled": False}).json()["disabled"] is False
    assert client.delete(f"/v1/users/{user['id']}").status_code == 204
    assert [one["email"] for one in look(client, "/v1/users")["items"]] == ["admin@example.org"]
    assert client.patch(f"/v1/users/{user['id']}", json={"role": "admin"}).status_code == 404
    assert ("user_changed", {"role": None}) in noted(client)
    assert ("user_added", {"role": "submitter"}) in noted(client)


def test_an_administrator_takes_nobody_over(administrator: Browser, database: Database, site: UUID) -> None:
    """Who belongs elsewhere too, or runs the platform, keeps name and password; and nobody changes oneself."""
    client = administrator.client
    with database.unit_of_work() as session:
        elsewhere = sites.create_site(session, "Elsewhere").id
    both = make_user(database, "both@example.org", roles={site: Role.VIEWER, elsewhere: Role.ADMIN})
    runs = make_user(database, "runs@example.org", roles={site: Role.VIEWER}, operator=True)
    stranger = make_user(database, "stranger@example.org", roles={elsewhere: Role.VIEWER})
    listed = {one["id"]: one for one in look(client, "/v1/users")["items"]}
    assert str(stranger) not in listed
    for user in (both, runs):
        assert listed[str(user)]["manageable"] is False
        assert [one["site_id"] for one in listed[str(user)]["roles"]] == [str(site)]
        assert client.post(f"/v1/users/{user}/password").status_code == 403
        assert client.patch(f"/v1/users/{user}", json={"disabled": True}).status_code == 403
        assert client.patch(f"/v1/users/{user}", json={"name": "Mine"}).status_code == 403
        assert client.patch(f"/v1/users/{user}", json={"role": "submitter"}).status_code == 200
    assert client.patch(f"/v1/users/{both}", json={"role": "viewer", "site_id": str(elsewhere)}).status_code == 404
    me = look(client, "/v1/session")["user"]["id"]
    for change in ({"role": "viewer"}, {"disabled": True}):
        assert client.patch(f"/v1/users/{me}", json=change).json()["code"] == "own_account"
    assert client.patch(f"/v1/users/{both}", json={"operator": True}).status_code == 403
    assert client.get("/v1/users", params={"everyone": True}).status_code == 403
    # Known elsewhere, it is let in with its own password.
    let_in = client.post("/v1/users", json={"email": "stranger@example.org", "role": "viewer"})
    assert (let_in.status_code, let_in.json()["password"]) == (201, None)
    again = client.post("/v1/users", json={"email": "stranger@example.org", "role": "viewer"})
    assert (again.status_code, again.json()["code"]) == (409, "already_member")
    nobody = client.post("/v1/users", json={"email": "no address", "role": "viewer"})
    assert (nobody.status_code, nobody.json()["code"]) == (422, "email_invalid")


def test_an_operator_makes_a_site_and_its_first_administrator(api: Api, operator: Browser) -> None:
    client = operator.client
    made = client.post("/v1/sites", json={"name": "North", "active_limit": 5})
    assert made.status_code == 201, made.text
    north = made.json()
    assert (north["usage"]["active_limit"], north["usage"]["stored_bytes_limit"]) == (5, None)
    assert client.post("/v1/sites", json={"name": "North"}).json()["code"] == "name_taken"
    assert "(platform)" not in client.get("/v1/sites").text
    asked = {"email": "head@example.org", "role": "admin", "site_id": north["id"]}
    user = client.post("/v1/users", json=asked).json()
    with browser(api.url).client as other:
        page = Browser(other)
        assert page.sign_in("head@example.org", user["password"]).status_code == 200
        assert other.get("/v1/sites").status_code == 403
        assert look(other, "/v1/site")["name"] == "North"
        closed = client.patch(f"/v1/sites/{north['id']}", json={"disabled": True})
        assert closed.json()["disabled_at"] is not None
        assert other.get("/v1/jobs").status_code in (401, 403)
        opened = client.patch(f"/v1/sites/{north['id']}", json={"disabled": False, "active_limit": None})
        assert (opened.json()["disabled_at"], opened.json()["active_limit"]) == (None, None)
        assert other.get("/v1/jobs").status_code == 200
        changes = [detail for action, detail in noted(other) if action == "site_changed"]
        assert changes[:2] == [{"active_limit": None, "disabled": False}, {"disabled": True}]
    everyone = {one["email"]: one for one in look(client, "/v1/users", everyone=True)["items"]}
    assert everyone["head@example.org"]["roles"][0]["site"] == "North"


def test_a_disabled_site_s_keys_open_nothing(api: Api, operator: Browser, database: Database, site: UUID) -> None:
    key = key_of(database, site, Scope.READ)
    with api.client(key) as holder:
        assert holder.get("/v1/jobs").status_code == 200
        assert operator.client.patch(f"/v1/sites/{site}", json={"disabled": True}).status_code == 200
        assert holder.get("/v1/jobs").status_code == 401


def test_the_site_s_own_quota_of_jobs(
    api: Api, operator: Browser, client: httpx2.Client, site: UUID, trace: Trace
) -> None:
    assert operator.client.patch(f"/v1/sites/{site}", json={"active_limit": 1}).status_code == 200
    assert submit(client).status_code == 202
    with trace.nothing_left():
        refused = submit(client, encoded(generated_radiograph(64, 64)))
        assert (refused.status_code, refused.json()["code"]) == (429, "quota_exceeded")
        assert "1 jobs of this site" in refused.json()["detail"]
        assert int(refused.headers["retry-after"]) > 0
    used = look(client, "/v1/site/usage")
    assert (used["active_jobs"], used["active_limit"], used["images"]) == (1, 1, 1)


def test_the_site_s_quota_of_bytes(operator: Browser, client: httpx2.Client, site: UUID, trace: Trace) -> None:
    first = encoded(generated_radiograph(64, 64))
    second = encoded(generated_radiograph(64, 64, seed=1))
    limit = len(first) + len(second) - 1
    assert operator.client.patch(f"/v1/sites/{site}", json={"stored_bytes_limit": limit}).status_code == 200
    assert submit(client, first).status_code == 202
    with trace.nothing_left():
        refused = submit(client, second)
        assert (refused.status_code, refused.json()["code"]) == (507, "storage_quota_exceeded")
        assert str(limit) in refused.json()["detail"]
    assert submit(client, first).status_code == 202, "what is stored already takes no more room"
    used = look(client, "/v1/site/usage")
    assert used["stored_bytes_limit"] == limit
    assert 0 < used["stored_bytes"] <= limit


def test_the_audit_log_in_pages_and_by_filters(administrator: Browser, client: httpx2.Client) -> None:
    submit(client)
    for number in range(3):
        assert client.patch("/v1/site", json={"retention_days": number + 1}).status_code == 200
    client_ = administrator.client
    everything = look(client_, "/v1/audit", limit=200)["items"]
    numbers = [one["number"] for one in everything]
    assert numbers == list(range(numbers[0], 0, -1))
    paged, cursor = [], None
    while cursor is not None or not paged:
        page = look(client_, "/v1/audit", limit=2, **({"cursor": cursor} if cursor else {}))
        paged += page["items"]
        cursor = page["next"]
    assert paged == everything
    changes = look(client_, "/v1/audit", action="site_changed")["items"]
    assert [one["detail"]["retention_days"] for one in changes] == [3, 2, 1]
    assert {one["actor_name"] for one in changes} == {"tests"}
    signed = look(client_, "/v1/audit", action="signed_in")["items"]
    assert signed[0]["actor_name"] == "A Reader (admin@example.org)"
    assert look(client_, "/v1/audit", actor=signed[0]["actor"])["items"] == signed
    assert look(client_, "/v1/audit", subject=changes[0]["subject"], until=changes[0]["at"])["items"] == changes[1:]
    assert look(client_, "/v1/audit", since=changes[0]["at"])["items"][-1] == changes[0]
    whole = client_.post("/v1/audit/verify").json()
    assert (whole["records"], whole["breaks"], whole["head_hash"]) == (len(everything), [], everything[0]["hash"])
    assert client_.get("/v1/audit", params={"platform": True}).status_code == 403


def test_the_platform_s_own_log(operator: Browser, administrator: Browser) -> None:
    assert PASSWORD not in operator.client.get("/v1/audit", params={"platform": True}).text
    assert [action for action, _ in noted(operator.client, platform=True)] == ["signed_in"]
    assert operator.client.post("/v1/audit/verify", params={"platform": True}).json()["breaks"] == []
    assert operator.client.get("/v1/audit").status_code == 403
    assert administrator.client.get("/v1/sites").status_code == 403
