"""Operators move models by the API: the state changes, the history and the platform's audit log say who did it."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from uuid import UUID

import httpx2
from uuid_utils.compat import uuid7

from core.vocabulary import Scope
from db.repositories import audit, model_versions, sites
from db.repositories.sites import PLATFORM
from db.session import Database
from storage.s3 import S3Store
from storage.store import bundle_prefix
from tests.api.conftest import Api
from tests.factories import make_model


def stored_model(database: Database, store: S3Store, version: str) -> UUID:
    """A candidate whose Bundle the object store holds whole."""
    graph = f"graph {version}".encode()
    manifest = json.dumps({"files": {"model.onnx": hashlib.sha256(graph).hexdigest()}}).encode()
    digest = hashlib.sha256(manifest).hexdigest()
    store.put_bytes(f"{bundle_prefix(digest)}model.onnx", graph, content_type="application/octet-stream")
    store.put_bytes(f"{bundle_prefix(digest)}bundle.json", manifest, content_type="application/json")
    with database.unit_of_work() as session:
        return make_model(session, version=version, digest=digest, activate=False).id


def audited(database: Database) -> list[dict[str, Any]]:
    with database.unit_of_work() as session:
        return [
            {"subject": row.subject, **{name: row.detail[name] for name in ("verb", "from", "to")}}
            for row in audit.page(session, site_id=PLATFORM)
            if row.action == "model_moved"
        ]


def states(client: httpx2.Client) -> dict[str, str]:
    return {item["id"]: item["state"] for item in client.get("/v1/models").json()["items"]}


def test_activate_and_roll_back(client: httpx2.Client, model: UUID, database: Database, store: S3Store) -> None:
    new = stored_model(database, store, "new")
    assert client.get("/v1/models").json()["rollback_to"] is None
    answer = client.post(f"/v1/models/{new}/activate")
    assert (answer.status_code, answer.json()["state"]) == (200, "active")
    assert states(client) == {str(new): "active", str(model): "retired"}
    assert client.get("/v1/models").json()["rollback_to"] == str(model)
    # Said twice, it is done once.
    assert client.post(f"/v1/models/{new}/activate").status_code == 200
    refused = client.post("/v1/models/rollback", json={"expected": str(new)})
    assert (refused.status_code, refused.json()["code"]) == (409, "bundle_invalid")  # the old one is not stored

    newer = stored_model(database, store, "newer")
    assert client.post(f"/v1/models/{newer}/activate").status_code == 200
    refused = client.post("/v1/models/rollback", json={"expected": str(newer)})
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    back = client.post("/v1/models/rollback", json={"expected": str(new)})
    assert (back.status_code, back.json()["id"]) == (200, str(new))
    history = client.get(f"/v1/models/{new}/history").json()["items"]
    assert [event["kind"] for event in history] == ["rolled_back", "replaced", "activated", "registered"]
    assert history[0]["actor"].startswith("key ")
    assert history[0]["actor_name"] == "tests"
    assert audited(database) == [
        {"subject": f"model {new}", "verb": "activate", "from": "candidate", "to": "active"},
        {"subject": f"model {newer}", "verb": "activate", "from": "candidate", "to": "active"},
        {"subject": f"model {new}", "verb": "roll_back", "from": None, "to": "active"},
    ]


def test_shadow_and_retire(client: httpx2.Client, model: UUID, database: Database, store: S3Store) -> None:
    new = stored_model(database, store, "new")
    for share in (0, 1.2, "half"):
        assert client.post(f"/v1/models/{new}/shadow", json={"share": share}).status_code == 422
    for share in (0.1, 0.5):
        answer = client.post(f"/v1/models/{new}/shadow", json={"share": share}).json()
        assert (answer["state"], answer["shadow_share"]) == ("shadow", share)
    assert client.get(f"/v1/models/{new}/comparison").json() == {"jobs": 0, "against": []}
    assert client.post(f"/v1/models/{new}/retire", json={}).json()["state"] == "retired"
    refused = client.post(f"/v1/models/{model}/retire", json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "model_move_illegal")
    assert client.post(f"/v1/models/{model}/retire", json={"instead": str(new)}).json()["state"] == "retired"
    assert states(client) == {str(new): "active", str(model): "retired"}
    assert [(entry["from"], entry["to"]) for entry in audited(database)] == [
        ("candidate", "shadow 0.1"),
        ("shadow 0.1", "shadow 0.5"),
        ("shadow 0.5", "retired"),
        ("active", "retired"),
    ]


def test_one_whose_bundle_is_damaged_is_not_served(
    client: httpx2.Client, model: UUID, database: Database, store: S3Store
) -> None:
    new = stored_model(database, store, "new")
    with database.unit_of_work() as session:
        digest = model_versions.get(session, new).digest
    store.put_bytes(f"{bundle_prefix(digest)}model.onnx", b"other", content_type="application/octet-stream")
    for verb, body in (("activate", None), ("shadow", {"share": 0.1})):
        answer = client.post(f"/v1/models/{new}/{verb}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "bundle_invalid")
    assert states(client)[str(model)] == "active"
    assert audited(database) == []


def test_operators_alone(api: Api, model: UUID, database: Database, site: UUID) -> None:
    """An administrator of a Site looks, but moves nothing; an unknown model is not found."""
    with database.unit_of_work() as session:
        _row, key = sites.issue_key(session, site_id=site, name="admin", scopes=[Scope.ADMIN])
    moves = (("activate", None), ("shadow", {"share": 0.1}), ("retire", {}))
    with api.client(key) as admin, api.client() as operator:
        for verb, body in moves:
            answer = admin.post(f"/v1/models/{model}/{verb}", json=body)
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
            assert operator.post(f"/v1/models/{uuid7()}/{verb}", json=body).status_code == 404
        assert admin.post("/v1/models/rollback", json={}).status_code == 403
        assert admin.get(f"/v1/models/{model}/comparison").status_code == 403
        assert admin.get(f"/v1/models/{model}/drift", params={"everywhere": True}).status_code == 403
        for path in ("", "/drift", "/history"):
            assert admin.get(f"/v1/models/{model}{path}").status_code == 200
        answer = operator.post("/v1/models/rollback", json={})
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
