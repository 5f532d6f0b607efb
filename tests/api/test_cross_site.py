"""Every route of the OpenAPI document, asked by strangers: nothing of another Site is shown, changed or told apart.

A route that is added is asked as well. Where it has a path parameter, a body or a UUID that is not known here, the test
fails until it is said below what of the other Site belongs there.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx2
import pytest
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from api import cookies
from api.app import create_app
from core.vocabulary import Role, Scope, SignIn
from db.repositories import sessions
from db.session import Database
from storage.s3 import S3Store
from tests.api.another_site import Other, content, furnish
from tests.api.conftest import PNG, Api
from tests.api.dicomweb import TYPE
from tests.api.dicomweb import body as dicom_parts
from tests.api.people import make_user
from tests.api.test_jobs import key_of

METHODS = ("get", "put", "post", "patch", "delete", "head", "options", "trace")
# Open to everyone: health, and what comes before signing in.
PUBLIC = {"health_index", "health_healthz", "health_readyz", "health_metrics", "session_methods", "session_start"}
# Ends the session that there is and forgets the cookie in any case; and the provider's way back.
PUBLIC |= {"session_end", "session_begin_oidc", "session_finish_oidc"}
# Path parameters that name nothing of a Site.
NEUTRAL = {"label": "fracture", "kind": "csv", "frames": "1", "path": "7FE00010", "name": "hand"}
# A sender names the study that it stores into, whether it is there or not: each Site has its own of that UID.
CHOSEN = {"dicomweb_store_in_study"}
# The platform's own, which every Site may name.
SHARED = {"model_id", "model", "model_version_id"}
# What a query may call a thing.
CALLED = {"replay_of": "job_id"}


def _zip() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("a.png", PNG)
    return made.getvalue()


def bodies(other: Other) -> dict[str, dict[str, Any]]:
    """What each route with a body is sent, with the other Site's ids wherever there is place for one."""
    things = other.things
    picture = {"files": {"file": ("a.png", PNG)}}
    parts = {"content": dicom_parts(b"no DICOM"), "headers": {"Content-Type": TYPE}}
    return {
        "predict_predict": {"files": {"file": ("a.png", b"nothing")}},  # it would wait for a worker
        "jobs_submit": picture,
        "jobs_bulk": {"json": {"action": "cancel", "ids": [things["job_id"]]}},
        "feedback_give": {"json": {"verdict": "reject"}},
        "models_rollback": {"json": {}},
        "models_retire": {"json": {}},
        "models_shadow": {"json": {"share": 0.5}},
        "batches_create": {"json": {"files": []}},
        "batches_post_archive": {"content": _zip(), "headers": {"Content-Type": "application/zip"}},
        "batches_post_files": picture,
        "batches_put_file": {"content": PNG},
        "batches_presigned": {"json": {"sha256": [things["sha256"]]}},
        "delivery_rules_make": {"json": {}},
        "delivery_rules_change": {"json": {"enabled": False}},
        "session_start": {"json": {"email": "other@example.org", "password": "not the password"}},
        "session_switch_site": {"json": {"site_id": things["site_id"]}},
        "session_change_password": {"json": {"current": "not the password", "new": "another pass phrase"}},
        "site_change": {"json": {"retention_days": 1}},
        "keys_create": {"json": {"name": "x", "scopes": ["read"]}},
        "keys_rotate": {"json": {}},
        "users_add": {"json": {"email": "new@example.org", "role": "viewer", "site_id": things["site_id"]}},
        "users_change": {"json": {"role": "admin", "site_id": things["site_id"]}},
        "sites_create": {"json": {"name": "Mine"}},
        "sites_change": {"json": {"name": "Mine"}},
        "dicomweb_store": parts,
        "dicomweb_store_in_study": parts,
    }


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    spec: dict[str, Any]

    @property
    def name(self) -> str:
        """Its operation id; DICOMweb's begin with the function's name alone."""
        made = str(self.spec["operationId"])
        return f"dicomweb_{made.partition('_dicom_web_')[0]}" if "_dicom_web_" in made else made

    def parameters(self, place: str) -> list[dict[str, Any]]:
        return [one for one in self.spec.get("parameters", ()) if one["in"] == place]

    @property
    def streams(self) -> bool:
        return any("text/event-stream" in one.get("content", ()) for one in self.spec["responses"].values())


def operations(api: Api) -> list[Operation]:
    document = create_app(api.settings).openapi()
    made = [
        Operation(method, path, spec)
        for path, known in document["paths"].items()
        for method, spec in known.items()
        if method in METHODS
    ]
    # The audit log first: later it has what the stranger itself asked for.
    return sorted(made, key=lambda one: not one.name.startswith("audit_"))


class Asking:
    """Asks an operation for the other Site's things, as somebody."""

    def __init__(self, client: httpx2.Client, other: Other) -> None:
        self.client = client
        self.other = other
        self.bodies = bodies(other)

    def address(self, operation: Operation) -> tuple[str, bool]:
        """The path, and whether it names something of the other Site."""
        path, foreign = operation.path, False
        for one in operation.parameters("path"):
            name = one["name"]
            if name in self.other.things:
                path, foreign = path.replace(f"{{{name}}}", self.other.things[name]), foreign or name != "sha256"
            elif name in SHARED:
                path = path.replace(f"{{{name}}}", str(UUID(int=1)))
            else:
                assert name in NEUTRAL, f"{operation.name}: what of another Site is '{name}'? Say it in this test."
                path = path.replace(f"{{{name}}}", NEUTRAL[name])
        return path, foreign and operation.name not in CHOSEN

    def query(self, operation: Operation) -> dict[str, str]:
        """The other Site's id wherever a query may name one."""
        asked = {}
        for one in operation.parameters("query"):
            if "uuid" in str(one["schema"]):
                name = CALLED.get(one["name"], one["name"])
                known = self.other.things.get(name) or self.other.things.get(f"{name}_id")
                assert known or one["name"] in SHARED, f"{operation.name}: what of another Site is '{one['name']}'?"
                asked[one["name"]] = known or str(UUID(int=1))
        return asked

    def body(self, operation: Operation) -> dict[str, Any]:
        needed = "requestBody" in operation.spec or operation.name in self.bodies
        assert not needed or operation.name in self.bodies, f"{operation.name}: what is sent? Say it above."
        return self.bodies.get(operation.name, {})

    def ask(self, operation: Operation, who: dict[str, str]) -> httpx2.Response:
        path, _foreign = self.address(operation)
        sent = dict(self.body(operation))
        headers = who | sent.pop("headers", {})
        request = self.client.build_request(
            operation.method.upper(), path, params=self.query(operation), headers=headers, **sent
        )
        answered = self.client.send(request, stream=operation.streams)
        if operation.streams:
            # It does not end; what comes at once is what is known already.
            if answered.status_code == 200:
                answered._content = next(answered.iter_bytes(), b"")
            else:
                answered.read()
            answered.close()
        return answered


@pytest.fixture
def other(api: Api, database: Database, store: S3Store, model: UUID) -> Other:
    return furnish(api, database, store, model)


@pytest.fixture
def asking(api: Api, other: Other) -> Iterator[Asking]:
    with httpx2.Client(base_url=api.url, timeout=10) as client:
        yield Asking(client, other)


@pytest.fixture
def strangers(api: Api, database: Database, site: UUID) -> Any:
    """Makes the credentials of an administrator of `site`: a key's, and those of a browser, new each time."""
    key = key_of(database, site, Scope.READ, Scope.SUBMIT, Scope.ADMIN)
    user = make_user(database, "stranger@example.org", roles={site: Role.ADMIN})

    def make() -> dict[str, dict[str, str]]:
        with database.unit_of_work() as session:
            _id, token = sessions.insert(
                session, user_id=user, provider=SignIn.PASSWORD, lifetime_s=600, agent="", site_id=site
            )
        page = {"Origin": api.url, "Sec-Fetch-Site": "same-origin", "X-CSRF-Token": cookies.csrf_token(token)}
        return {
            "key": {"Authorization": f"Bearer {key}"},
            "cookie": {"Cookie": f"{cookies.COOKIE}={token}"} | page,
        }

    return make


def test_nobody(api: Api, asking: Asking, database: Database) -> None:
    """Without credentials everything is 401 but what is named as public, and wrong ones are as none."""
    for operation in operations(api):
        if operation.name in PUBLIC:
            continue
        for who in ({}, {"Authorization": "Bearer lcy_0123456789ab.wrong"}, {"Cookie": f"{cookies.COOKIE}=wrong"}):
            answered = asking.ask(operation, who)
            # A browser's request must bear the session's token before it is looked whose it is.
            expected = {401, 403} if "Cookie" in who and operation.method != "get" else {401}
            assert answered.status_code in expected, f"{operation.name} by {who}: {answered.text[:300]}"
    assert content(database, asking.other.site_id) == asking.other.content


def test_strangers(api: Api, asking: Asking, other: Other, database: Database, strangers: Any) -> None:
    """An administrator of one Site, by key and by cookie, with another Site's ids on every route."""
    asked = 0
    for operation in operations(api):
        _path, foreign = asking.address(operation)
        for way, who in strangers().items():
            answered = asking.ask(operation, who)
            told = f"{operation.method} {operation.path} by {way}: {answered.status_code} {answered.text[:300]}"
            assert answered.status_code < 500 or operation.name == "health_readyz", told
            found_nothing = operation.name.startswith("dicomweb_") and answered.text == "[]"  # a search's way of 404
            if foreign and not found_nothing and operation.name not in PUBLIC:
                # 401: what belongs to a browser's session has no place for a key.
                assert answered.status_code in ({404, 403, 401} if way == "key" else {404, 403}), told
            for mark in other.marks:
                assert mark not in answered.text, f"{mark} in {told}"
            assert content(database, other.site_id) == other.content, told
            asked += 1
    assert asked == 2 * len(operations(api)) > 100


def test_its_own_people_are_answered(api: Api, asking: Asking, other: Other) -> None:
    """The same requests by the other Site's own key: the ids above are of the right kind, or 404 shows nothing."""
    for operation in operations(api):
        _path, foreign = asking.address(operation)
        if foreign and operation.method == "get" and operation.name not in BROWSERS:
            answered = asking.ask(operation, {"Authorization": f"Bearer {other.key}"})
            assert answered.status_code not in {401, 403, 404}, f"{operation.name}: {answered.text[:300]}"


# Reached by a browser's session alone, or by an operator.
BROWSERS = {"sites_one"}
# Served beside the document: its own pages, and what is no API.
UNDOCUMENTED = {"/openapi.json", "/docs", "/docs/oauth2-redirect"}


def leaves(routes: Iterable[BaseRoute]) -> Iterator[BaseRoute]:
    """The routes themselves, within whichever routers."""
    for route in routes:
        inner = getattr(route, "original_router", None)
        if inner is None:
            yield route
        else:
            yield from leaves(inner.routes)


def test_nothing_is_left_out(api: Api) -> None:
    """Each route of the application is in the document, or named here."""
    documented = {(one.method.upper(), one.path) for one in operations(api)}
    for route in leaves(create_app(api.settings).routes):
        if isinstance(route, APIRoute) and route.include_in_schema:
            path = route.path_format
            assert {(method, path) for method in route.methods - {"HEAD"}} <= documented
        else:
            path = getattr(route, "path", "")
            assert path in UNDOCUMENTED or path.startswith("/static-offline-docs"), f"{path} is in no document"
