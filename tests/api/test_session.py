"""Signing in by password: what opens, what a cookie may, and what ends it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import text

from core.settings import Settings
from core.vocabulary import Role
from db.repositories import audit, users
from db.repositories.sites import PLATFORM, create_site
from db.session import Database
from tests.api.conftest import Api, serve
from tests.api.people import PASSWORD, Browser, browser, make_user

READER = "reader@example.org"


@pytest.fixture
def page(api: Api) -> Iterator[Browser]:
    made = browser(api.url)
    with made.client:
        yield made


def change(database: Database, statement: str) -> None:
    with database.unit_of_work() as session:
        session.execute(text(statement))


def code(answered: httpx2.Response) -> tuple[int, str]:
    return answered.status_code, answered.json()["code"]


def test_a_viewer_signs_in_reads_and_leaves(page: Browser, database: Database, site: UUID) -> None:
    make_user(database, READER, roles={site: Role.VIEWER})
    assert page.client.get("/v1/session").status_code == 401

    signed = page.sign_in("  Reader@Example.org ")

    assert signed.status_code == 200
    cookie = signed.headers["set-cookie"]
    assert cookie.startswith("__Host-lucency=")
    attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert attributes == {"path=/", "secure", "httponly", "samesite=strict"}
    assert signed.headers["cache-control"] == "no-store"
    seen = page.client.get("/v1/session").json()
    assert seen["user"]["email"] == READER
    assert seen["site"] == {"id": str(site), "name": "Test Site", "role": "viewer"}
    assert seen["scopes"] == ["read"]
    # What a browser is given it may not keep, whatever an API client may.
    assert page.client.get("/v1/jobs").headers["cache-control"] == "no-store"
    assert code(page.client.patch("/v1/site", json={"retention_days": 1})) == (403, "forbidden")

    left = page.client.delete("/v1/session")
    assert left.status_code == 204
    assert 'lucency=""' in left.headers["set-cookie"]
    assert page.client.get("/v1/jobs").status_code == 401


@pytest.mark.parametrize(
    ("role", "operator", "scopes"),
    [
        (Role.SUBMITTER, False, ["read", "submit"]),
        (Role.ADMIN, False, ["admin", "read", "submit"]),
        (Role.VIEWER, True, ["operate", "read"]),
        (None, True, ["operate"]),
        (None, False, []),
    ],
)
def test_what_a_role_allows(
    page: Browser, database: Database, site: UUID, role: Role | None, operator: bool, scopes: list[str]
) -> None:
    make_user(database, READER, roles={site: role} if role else {}, operator=operator)
    assert page.sign_in(READER).json()["scopes"] == scopes
    assert page.client.get("/v1/jobs").status_code == (200 if "read" in scopes else 403)
    with database.unit_of_work() as session:
        signed_in = [record.action for record in audit.page(session, site_id=site if role else PLATFORM)]
    assert signed_in[-1] == "signed_in"


FORGED: tuple[dict[str, str], ...] = (
    {"X-CSRF-Token": ""},
    {"X-CSRF-Token": "0" * 64},
    {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "", "Sec-Fetch-Site": ""},
)


def test_a_cookie_alone_changes_nothing(page: Browser, database: Database, site: UUID) -> None:
    make_user(database, READER, roles={site: Role.ADMIN})
    page.sign_in(READER)
    for headers in FORGED:
        changed = dict(page.client.headers) | {name.lower(): value for name, value in headers.items()}
        sent = {name: value for name, value in changed.items() if value}
        with httpx2.Client(base_url=page.client.base_url, headers=sent, timeout=30) as forger:
            assert forger.get("/v1/site").status_code == 200
            assert code(forger.patch("/v1/site", json={"retention_days": 7})) == (403, "csrf_failed"), headers
            assert code(forger.delete("/v1/session")) == (403, "csrf_failed"), headers
    answered = page.client.patch("/v1/site", json={"retention_days": 7})
    assert answered.json()["retention_days"] == 7


def test_no_sign_in_from_another_origin_or_over_plain_http(page: Browser, database: Database, site: UUID) -> None:
    make_user(database, READER, roles={site: Role.VIEWER})
    body = {"email": READER, "password": PASSWORD}
    foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert code(page.client.post("/v1/session", json=body, headers=foreign)) == (403, "csrf_failed")
    plain = {"Host": "lucency.hospital.example", "Origin": "http://lucency.hospital.example"}
    refused = page.client.post("/v1/session", json=body, headers=plain)
    assert code(refused) == (403, "https_needed")
    assert "set-cookie" not in refused.headers
    behind_tls = {"Host": "lucency.hospital.example", "Origin": "https://lucency.hospital.example"}
    assert page.client.post("/v1/session", json=body, headers=behind_tls).status_code == 200


def test_wrong_passwords_lock_whether_or_not_there_is_a_user(
    settings: Settings, store: object, database: Database, site: UUID
) -> None:
    user = make_user(database, READER, roles={site: Role.VIEWER})
    with serve(settings.model_copy(update={"login_failures": 3})) as (url, _port):
        page = browser(url)
        told: dict[str, list[Any]] = {}
        for email in (READER, "nobody@example.org"):
            answers = [page.sign_in(email, f"not the password {number}") for number in range(4)]
            told[email] = [(*code(answered), answered.headers.get("retry-after")) for answered in answers]
        first, second = told.values()
        assert first == second
        assert [one[:2] for one in first] == [(401, "sign_in_refused")] * 2 + [(429, "sign_in_locked")] * 2
        assert first[2][2] == "60"
        # The right one does not open it either, while it is locked; another address is not.
        assert code(page.sign_in(READER)) == (429, "sign_in_locked")
        change(database, "UPDATE user_account SET locked_until = now() - interval '1 s'")
        assert page.sign_in(READER, "wrong again, and so").headers["retry-after"] == "120"
        change(database, "UPDATE user_account SET locked_until = now() - interval '1 s'")
        assert page.sign_in(READER).status_code == 200
        # Forgotten: the next wrong one is the first again.
        assert code(page.sign_in(READER, "not the password")) == (401, "sign_in_refused")
        page.client.close()
    with database.unit_of_work() as session:
        records = audit.page(session, site_id=site)
    locks = [record.detail for record in records if record.action == "sign_in_locked"]
    assert locks == [{"seconds": 60}, {"seconds": 120}]
    assert {record.subject for record in records if record.action == "sign_in_locked"} == {f"user {user}"}


def test_tries_at_once_count_as_many(settings: Settings, store: object, database: Database, site: UUID) -> None:
    make_user(database, READER, roles={site: Role.VIEWER})
    with serve(settings.model_copy(update={"login_failures": 3})) as (url, _port):
        pages = [browser(url) for _ in range(8)]
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda page: page.sign_in(READER, "not the password"), pages))
        for page in pages:
            page.client.close()
    assert sorted(answered.status_code for answered in answers) == [401, 401] + [429] * 6


ENDS = (
    ("UPDATE user_session SET expires_at = now()", ""),
    ("UPDATE user_session SET seen_at = now() - interval '3601 s'", ""),
    ("UPDATE user_account SET disabled_at = now()", "UPDATE user_account SET disabled_at = NULL"),
    ("DELETE FROM user_account", ""),
)


def test_what_ends_a_session(page: Browser, database: Database, site: UUID) -> None:
    make_user(database, READER, roles={site: Role.VIEWER})
    for statement, back in ENDS:
        page.sign_in(READER)
        assert page.client.get("/v1/jobs").status_code == 200
        change(database, statement)
        assert page.client.get("/v1/jobs").status_code == 401, statement
        assert page.client.get("/v1/session").status_code == 401, statement
        if back:
            change(database, back)


def test_only_what_a_person_does_keeps_a_session(page: Browser, database: Database, site: UUID) -> None:
    make_user(database, READER, roles={site: Role.VIEWER})
    page.sign_in(READER)
    asked = "SELECT seen_at < now() - interval '60 s' FROM user_session"
    change(database, "UPDATE user_session SET seen_at = now() - interval '100 s'")
    for headers in ({"X-Unattended": "1"}, {"Accept": "text/event-stream"}):
        assert page.client.get("/v1/jobs", headers=headers).status_code == 200
        with database.unit_of_work() as session:
            assert session.execute(text(asked)).scalar_one() is True
    assert page.client.get("/v1/jobs").status_code == 200
    with database.unit_of_work() as session:
        assert session.execute(text(asked)).scalar_one() is False


def test_a_new_sign_in_is_a_new_session_in_place_of_the_old(page: Browser, database: Database, site: UUID) -> None:
    make_user(database, READER, roles={site: Role.VIEWER})
    page.sign_in(READER)
    old = page.client.headers["Cookie"]
    page.sign_in(READER)
    assert page.client.headers["Cookie"] != old
    assert page.client.get("/v1/session").status_code == 200
    assert page.client.get("/v1/session", headers={"Cookie": old}).status_code == 401
    with database.unit_of_work() as session:
        kept = session.execute(text("SELECT token_sha256 FROM user_session")).scalars().all()
    assert len(kept) == 1
    assert kept[0] not in page.client.headers["Cookie"]


def test_a_changed_password_ends_all_other_sessions(api: Api, page: Browser, database: Database, site: UUID) -> None:
    make_user(database, READER, roles={site: Role.VIEWER})
    page.sign_in(READER)
    elsewhere = browser(api.url)
    with elsewhere.client:
        elsewhere.sign_in(READER)
        assert len(page.client.get("/v1/sessions").json()["items"]) == 2
        new = "eine ganz andere Passphrase: größer"
        wrong = page.client.post("/v1/session/password", json={"current": "not the password", "new": new})
        assert code(wrong) == (422, "password_wrong")
        short = page.client.post("/v1/session/password", json={"current": PASSWORD, "new": "elf Zeichen"})
        assert code(short) == (422, "password_unfit")
        before = page.client.headers["Cookie"]

        changed = page.client.post("/v1/session/password", json={"current": PASSWORD, "new": new})

        assert changed.status_code == 200
        page.adopt(changed)
        assert page.client.headers["Cookie"] != before
        assert [item["current"] for item in page.client.get("/v1/sessions").json()["items"]] == [True]
        assert elsewhere.client.get("/v1/session").status_code == 401
        assert code(elsewhere.sign_in(READER)) == (401, "sign_in_refused")
        assert elsewhere.sign_in(READER, new).status_code == 200
        assert page.client.delete("/v1/sessions").status_code == 204
        assert elsewhere.client.get("/v1/session").status_code == 401
        assert page.client.get("/v1/session").status_code == 200


def test_sessions_are_their_users_own(api: Api, page: Browser, database: Database, site: UUID) -> None:
    make_user(database, READER, roles={site: Role.VIEWER})
    make_user(database, "other@example.org", roles={site: Role.ADMIN})
    page.sign_in(READER)
    (mine,) = page.client.get("/v1/sessions").json()["items"]
    other = browser(api.url)
    with other.client:
        other.sign_in("other@example.org")
        assert code(other.client.delete(f"/v1/sessions/{mine['id']}")) == (404, "not_found")
        other.sign_in(READER)
    items = page.client.get("/v1/sessions").json()["items"]
    (theirs,) = [item for item in items if not item["current"]]
    assert page.client.delete(f"/v1/sessions/{theirs['id']}").status_code == 204
    assert [item["id"] for item in page.client.get("/v1/sessions").json()["items"]] == [mine["id"]]


def test_only_a_members_sites_come_into_view(page: Browser, database: Database, site: UUID) -> None:
    user = make_user(database, READER, roles={site: Role.VIEWER})
    with database.unit_of_work() as session:
        second = create_site(session, "Another Site").id
        foreign = create_site(session, "A foreign Site").id
        users.set_role(session, user, site_id=second, role=Role.ADMIN)
    assert page.sign_in(READER).json()["site"]["name"] == "Another Site"
    assert code(page.client.patch("/v1/session", json={"site_id": str(foreign)})) == (404, "not_found")
    assert code(page.client.patch("/v1/session", json={"site_id": str(PLATFORM)})) == (404, "not_found")
    switched = page.client.patch("/v1/session", json={"site_id": str(site)}).json()
    assert (switched["site"]["id"], switched["scopes"]) == (str(site), ["read"])
    assert page.client.get("/v1/site").json()["id"] == str(site)
    # It is remembered for the next sign-in.
    assert page.sign_in(READER).json()["site"]["id"] == str(site)
    with database.unit_of_work() as session:
        users.set_role(session, user, site_id=site, role=None)
    assert page.client.get("/v1/site").status_code == 403
    change(database, f"UPDATE site SET disabled_at = now() WHERE id = '{second}'")
    assert page.client.get("/v1/session").json()["sites"] == []


def test_the_methods_tell_of_the_first_run(settings: Settings, api: Api, page: Browser, database: Database) -> None:
    assert page.client.get("/v1/session/methods").json() == {"password": True, "oidc": None, "users": False}
    make_user(database, READER)
    assert page.client.get("/v1/session/methods").json()["users"] is True
    with serve(settings.model_copy(update={"password_login": False})) as (url, _port):
        other = browser(url)
        with other.client:
            assert other.client.get("/v1/session/methods").json()["password"] is False
            assert code(other.sign_in(READER)) == (403, "forbidden")


def test_a_key_is_no_session_and_goes_before_one(page: Browser, api: Api, database: Database, site: UUID) -> None:
    make_user(database, READER, roles={site: Role.VIEWER})
    assert page.client.get("/v1/session", headers=api.headers).status_code == 401
    page.sign_in(READER)
    forged = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    answered = page.client.patch("/v1/site", json={"retention_days": 3}, headers=api.headers | forged)
    assert answered.json()["retention_days"] == 3
