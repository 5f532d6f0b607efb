"""Delivery rules and deliveries over HTTP: who may, what is refused, what is never shown."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx2
from sqlalchemy import text
from standardwebhooks import Webhook

from core.errors import DeliveryRefused
from core.vocabulary import Scope
from db.repositories import audit, deliveries, sites
from db.session import Database
from tests.api.conftest import Api
from tests.db.test_deliveries import succeed, take

HOOK: dict[str, Any] = {"name": "hook", "kind": "webhook", "target": {"url": "https://example.org/hook"}}
PACS: dict[str, Any] = {
    "name": "pacs",
    "kind": "c_store",
    "target": {"host": "pacs.example.org", "port": 104, "called_ae_title": "PACS"},
    "reports": ["sr"],
}
STOW: dict[str, Any] = {
    "name": "stow",
    "kind": "stow",
    "target": {"url": "https://example.org/dicom-web"},
    "reports": ["sr", "sc"],
    "authorization": "Bearer hush-hush",
}


def made(client: httpx2.Client, rule: dict[str, Any], **changes: Any) -> dict[str, Any]:
    answer = client.post("/v1/delivery-rules", json=rule | changes)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/v1/delivery-rules/{found['id']}"
    return found


def test_a_rule_from_its_making_to_its_end(client: httpx2.Client, database: Database, site: UUID) -> None:
    rule = made(client, HOOK, events=["failed", "succeeded", "failed"])
    path = f"/v1/delivery-rules/{rule['id']}"
    key = rule.pop("signing_key")
    assert key.startswith("whsec_")
    Webhook(key)
    assert rule["events"] == ["failed", "succeeded"]
    assert client.get(path).json() == rule
    assert client.get("/v1/delivery-rules").json() == {"items": [rule]}
    changed = client.patch(path, json={"enabled": False, "name": "other"}).json()
    assert (changed["enabled"], changed["name"], changed["target"]) == (False, "other", rule["target"])
    rotated = client.post(f"{path}/rotate-key").json()["signing_key"]
    assert rotated != key
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404
    with database.unit_of_work() as session:
        noted = [one.detail["what"] for one in audit.page(session, site_id=site) if one.action == "site_changed"]
    assert noted == ["added", "changed", "changed", "removed"]


def test_secrets_are_shown_once_and_kept_sealed(client: httpx2.Client, database: Database) -> None:
    key = made(client, HOOK)["signing_key"]
    assert made(client, STOW)["signing_key"] is None
    shown = client.get("/v1/delivery-rules").text
    with database.unit_of_work() as session:
        kept = "".join(session.scalars(text("SELECT row_to_json(delivery_rule)::text FROM delivery_rule")))
        kept += "".join(session.scalars(text("SELECT row_to_json(audit_record)::text FROM audit_record")))
        stored = b"".join(bytes(one) for one in session.scalars(text("SELECT secret FROM delivery_rule")))
    for secret in (key, key.removeprefix("whsec_"), "hush-hush"):
        assert secret not in shown + kept
        assert secret.encode() not in stored


WRONG = {
    "a loopback address": (HOOK, {"target": {"url": "http://127.0.0.1/"}}),
    "the metadata address": (HOOK, {"target": {"url": "http://169.254.169.254/latest"}}),
    "IPv6 loopback": (HOOK, {"target": {"url": "http://[::1]/"}}),
    "IPv4 in IPv6": (HOOK, {"target": {"url": "http://[::ffff:10.0.0.1]/"}}),
    "another scheme": (HOOK, {"target": {"url": "file:///etc/passwd"}}),
    "credentials": (HOOK, {"target": {"url": "https://a:b@example.org/"}}),
    "a line break": (HOOK, {"target": {"url": "https://example.org/\r\nX: y"}}),
    "no host": (HOOK, {"target": {"url": "https:///x"}}),
    "a port that is none": (HOOK, {"target": {"url": "https://example.org:99999/"}}),
    "reports of a webhook": (HOOK, {"reports": ["sr"]}),
    "an identity in a webhook": (HOOK, {"with_identity": True}),
    "authorization of a webhook": (HOOK, {"authorization": "x"}),
    "a state that is no end": (HOOK, {"events": ["running"]}),
    "no events": (HOOK, {"events": []}),
    "another kind's target": (HOOK, {"target": PACS["target"]}),
    "no report": (PACS, {"reports": []}),
    "a report that is not DICOM": (PACS, {"reports": ["pdf"]}),
    "failures by C-STORE": (PACS, {"events": ["failed"]}),
    "a long AE title": (PACS, {"target": PACS["target"] | {"called_ae_title": "A" * 17}}),
    "a blank AE title": (PACS, {"target": PACS["target"] | {"called_ae_title": "  "}}),
    "a header in authorization": (STOW, {"authorization": "x\r\nY: z"}),
    "an unknown field": (HOOK, {"colour": "red"}),
}


def test_what_is_refused(client: httpx2.Client) -> None:
    made(client, HOOK, name="taken")
    for wrong, (rule, changes) in WRONG.items():
        answer = client.post("/v1/delivery-rules", json=rule | changes)
        assert answer.status_code == 422, f"{wrong}: {answer.text}"
        assert answer.headers["content-type"] == "application/problem+json"
    assert client.post("/v1/delivery-rules", json=PACS | {"name": "taken"}).json()["code"] == "name_taken"
    assert client.post("/v1/delivery-rules", json=HOOK | {"name": "x" * 300_000}).status_code == 413
    assert len(client.get("/v1/delivery-rules").json()["items"]) == 1


def test_changes_are_judged_like_new_rules(client: httpx2.Client) -> None:
    hook, stow = (f"/v1/delivery-rules/{made(client, rule)['id']}" for rule in (HOOK, STOW))
    for path, change in (
        (hook, {"reports": ["sr"]}),
        (hook, {"target": {"url": "http://10.0.0.1/"}}),
        (hook, {"with_identity": True}),
        (stow, {"events": ["failed"]}),
        (stow, {"reports": ["csv"]}),
        (stow, {"target": PACS["target"]}),
    ):
        assert client.patch(path, json=change).status_code == 422, change
    assert client.post(f"{stow}/rotate-key").status_code == 422
    assert client.patch(stow, json={"authorization": "Bearer other", "reports": ["sc"]}).json()["reports"] == ["sc"]


def test_only_administrators_and_only_their_own(api: Api, client: httpx2.Client, database: Database) -> None:
    rule = made(client, HOOK)["id"]
    with database.unit_of_work() as session:
        other = sites.create_site(session, "Other")
        session.flush()
        stranger = sites.issue_key(session, site_id=other.id, name="x", scopes=[Scope.ADMIN])[1]
        own = sites.authenticate(session, api.key).site_id
        reader = sites.issue_key(session, site_id=own, name="x", scopes=[Scope.READ, Scope.SUBMIT])[1]
    with api.client(reader) as reading, api.client(stranger) as strange:
        for client_, status in ((reading, 403), (strange, 404)):
            for method, path in (
                ("GET", f"/v1/delivery-rules/{rule}"),
                ("PATCH", f"/v1/delivery-rules/{rule}"),
                ("DELETE", f"/v1/delivery-rules/{rule}"),
                ("POST", f"/v1/delivery-rules/{rule}/rotate-key"),
            ):
                answer = client_.request(method, path, json={} if method == "PATCH" else None)
                assert answer.status_code == status, (method, path)
        assert reading.post("/v1/delivery-rules", json=HOOK).status_code == 403
        assert strange.get("/v1/delivery-rules").json() == {"items": []}


def test_deliveries_are_seen_and_sent_again(api: Api, client: httpx2.Client, database: Database, site: UUID) -> None:
    rule = made(client, HOOK)["id"]
    made_jobs = succeed(database, site, 3)
    page = client.get("/v1/deliveries", params={"limit": 2}).json()
    rest = client.get("/v1/deliveries", params={"limit": 2, "cursor": page["next"]}).json()
    assert (len(page["items"]), len(rest["items"]), rest["next"]) == (2, 1, None)
    assert {one["job_id"] for one in page["items"] + rest["items"]} == {str(one) for one in made_jobs}
    (held, *_) = take(database, limit=1)
    one = client.get(f"/v1/deliveries/{held.delivery_id}").json()
    assert (one["state"], one["attempt"], one["rule_id"]) == ("pending", 1, rule)
    again = one["links"]["redeliver"]
    assert client.post(again).status_code == 409
    with database.unit_of_work() as session:
        deliveries.failed(session, held, error=DeliveryRefused("No."), attempts=5, retry_base=1, retry_cap=1)
    (dead,) = client.get("/v1/deliveries", params={"state": "dead"}).json()["items"]
    assert (dead["id"], dead["code"], dead["detail"]) == (str(held.delivery_id), "delivery_refused", "No.")
    assert dead["next_attempt_at"] is None
    first, second = client.post(again), client.post(again)
    assert (first.status_code, first.json()["id"]) == (202, second.json()["id"])
    assert first.headers["location"] == f"/v1/deliveries/{first.json()['id']}"
    of_job = client.get(f"/v1/jobs/{held.job_id}/deliveries").json()["items"]
    assert [one["redelivery_of"] for one in of_job] == [None, dead["id"]]
    assert client.get("/v1/deliveries", params={"rule": str(UUID(int=1))}).json()["items"] == []
    with database.unit_of_work() as session:
        other = sites.create_site(session, "Other")
        session.flush()
        stranger = sites.issue_key(session, site_id=other.id, name="x", scopes=[Scope.ADMIN])[1]
    with api.client(stranger) as strange:
        for path in (f"/v1/deliveries/{dead['id']}", f"/v1/jobs/{held.job_id}/deliveries"):
            assert strange.get(path).status_code == 404
        assert strange.post(again).status_code == 404
        assert strange.get("/v1/deliveries").json() == {"items": [], "next": None}
