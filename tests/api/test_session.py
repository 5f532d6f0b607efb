"""Signing in by password: what opens, what a cookie may, and what ends it."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest

from core.vocabulary import Role
from db.session import Database
from tests.api.conftest import Api
from tests.api.people import Browser, browser, make_user

READER = "reader@example.org"


@pytest.fixture
def page(api: Api) -> Iterator[Browser]:
    made = browser(api.url)
    with made.client:
        yield made


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
    assert page.client.get("/v1/jobs").status_code == 200
    refused = page.client.patch("/v1/site", json={"retention_days": 1})
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")

    assert page.client.delete("/v1/session").status_code == 204
    assert page.client.get("/v1/jobs").status_code == 401
