"""`/v1/models`: what is registered, in which state, and what its card says."""

from __future__ import annotations

from uuid import UUID

import httpx2
from uuid_utils.compat import uuid7

from db.repositories import model_versions
from db.session import Database
from storage.s3 import S3Store
from storage.store import bundle_prefix
from tests.factories import make_model

METRICS = {
    "test": {
        "n": 10,
        "findings": {"fracture": {"auc": 0.93, "auc_ci95": [0.9, 0.95], "accuracy": None, "notes": ["few"]}},
        "regions": {"region": {"accuracy": 0.98, "confusion_matrix": [[1]]}},
    },
    "odd": ["another form"],
}


def test_one_model_and_its_card(client: httpx2.Client, model: UUID, database: Database, store: S3Store) -> None:
    with database.unit_of_work() as session:
        shadow = make_model(session, name="net", version="2", activate=False, manifest={"metrics": METRICS})
        model_versions.shadow(session, shadow.id, share=0.25)
    listed = {item["id"]: item for item in client.get("/v1/models").json()["items"]}
    assert {item["state"] for item in listed.values()} == {"active", "shadow"}
    found = client.get(f"/v1/models/{shadow.id}").json()
    assert listed[str(shadow.id)].items() <= found.items()
    figures = {(one["split"], one["subject"], one["label"]): one["figures"] for one in found["evaluations"]}
    assert figures == {
        ("test", "finding", "fracture"): [
            {"name": "auc", "value": 0.93, "low": 0.9, "high": 0.95},
        ],
        ("test", "choice", "region"): [{"name": "accuracy", "value": 0.98, "low": None, "high": None}],
    }
    assert (found["predictions"], found["workers"], found["failing"]) == (0, 0, [])
    assert (found["name"], found["version"], found["shadow_share"]) == ("net", "2", 0.25)
    assert found["activated_at"] is None
    assert found["metrics"] == {
        "test": {"n": 10, "findings": {"fracture": {"auc": 0.93}}, "regions": {"region": {"accuracy": 0.98}}}
    }
    active = listed[str(model)]
    assert (active["shadow_share"], active["metrics"]) == (None, {})
    assert active["activated_at"] is not None

    assert client.get(found["links"]["card"]).json()["code"] == "not_found"
    store.put_bytes(f"{bundle_prefix(shadow.digest)}MODEL_CARD.md", b"# Net 2\n", content_type="text/markdown")
    card = client.get(found["links"]["card"])
    assert (card.status_code, card.text) == (200, "# Net 2\n")
    assert card.headers["content-type"] == "text/markdown; charset=utf-8"


def test_an_unknown_model(client: httpx2.Client) -> None:
    for path in (f"/v1/models/{uuid7()}", f"/v1/models/{uuid7()}/card"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
