"""Readers' feedback over HTTP: once for each reader, sealed comments, running figures, and the export for training."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import httpx2
import pytest
from scipy.stats import binomtest
from sqlalchemy import text

from api.feedback.confusion import Confusion, wilson
from core.vocabulary import AuditAction, Decision, Role, Scope, Verdict
from db.repositories import audit, jobs, sites
from db.repositories.jobs import FindingRecord
from db.session import Database
from storage.s3 import S3Store
from tests.api.conftest import PNG, Api
from tests.api.people import browser, make_user
from tests.api.test_jobs import finish, key_of, submit
from tests.factories import make_job, make_outcome

A, R = Verdict.ACCEPT, Verdict.REJECT


@pytest.fixture
def path(client: httpx2.Client, database: Database, store: S3Store, model: UUID) -> str:
    """Of a succeeded Job with one positive Finding, `fracture`."""
    found: str = submit(client, PNG).json()["links"]["self"]
    finish(database, store, model)
    return found


def put(client: httpx2.Client, path: str, verdict: Verdict, **fields: Any) -> httpx2.Response:
    return client.put(f"{path}/feedback/fracture", json={"verdict": verdict.value} | fields)


def test_once_for_each_reader(api: Api, client: httpx2.Client, database: Database, site: UUID, path: str) -> None:
    assert client.get(f"{path}/feedback").json() == {"items": []}
    first = put(client, path, A, comment="  a gap at the neck ")
    assert first.status_code == 200, first.text
    (said,) = first.json()["items"]
    assert (said["verdict"], said["decision"], said["mine"], said["comment"]) == (
        "accept", "positive", True, "a gap at the neck",
    )  # fmt: skip
    (changed,) = put(client, path, R).json()["items"]
    assert (changed["verdict"], changed["comment"], changed["created_at"]) == ("reject", None, said["created_at"])
    assert changed["updated_at"] > said["updated_at"]
    make_user(database, "reader@example.org", roles={site: Role.VIEWER})
    reader = browser(api.url)
    reader.sign_in("reader@example.org")
    both = put(reader.client, path, A, comment="seen").json()["items"]
    assert [(one["mine"], one["verdict"]) for one in both] == [(False, "reject"), (True, "accept")]
    assert both[1]["reader"].startswith("user ")
    assert client.get(f"{path}/feedback").json()["items"][1]["comment"] == "seen"
    put(client, path, R, comment="for administrators")
    assert [one["comment"] for one in reader.client.get(f"{path}/feedback").json()["items"]] == [None, "seen"]
    assert reader.client.delete(f"{path}/feedback/fracture").status_code == 204
    assert reader.client.delete(f"{path}/feedback/fracture").status_code == 404
    reader.client.close()
    with database.unit_of_work() as session:
        told = [one.detail for one in audit.page(session, site_id=site) if one.action == AuditAction.FEEDBACK_GIVEN]
        sealed = session.execute(text("SELECT sealed_comment FROM feedback")).scalar_one()
    verdicts = ["accept", "reject", "accept", "reject", None]
    assert told == [{"label": "fracture", "verdict": verdict} for verdict in verdicts]
    assert b"administrators" not in bytes(sealed)


def test_refusals(api: Api, client: httpx2.Client, database: Database, site: UUID, path: str) -> None:
    assert put(client, path, A, comment="x" * 2001).status_code == 422
    assert client.put(f"{path}/feedback/fracture", json={"verdict": "maybe"}).status_code == 422
    # Explained, but a region: no Finding.
    assert client.put(f"{path}/feedback/leg", json={"verdict": "accept"}).status_code == 404
    waiting = submit(client, PNG).json()["links"]["self"]
    assert put(client, waiting, A).json()["code"] == "result_not_ready"
    with database.unit_of_work() as session:
        stranger = sites.create_site(session, "Another Site").id
    put(client, path, A)
    with api.client(key_of(database, stranger, *Scope)) as other:
        assert put(other, path, A).status_code == 404
        assert other.get(f"{path}/feedback").status_code == 404
        assert other.delete(f"{path}/feedback/fracture").status_code == 404
        assert other.get("/v1/feedback.ndjson").content == b""
        assert other.get("/v1/feedback/summary").json()["items"] == []
    with api.client(key_of(database, site, Scope.SUBMIT)) as sender:
        assert put(sender, path, A).status_code == 403
    with api.client(key_of(database, site, Scope.READ)) as reader:
        assert reader.get("/v1/feedback.ndjson?comments=true").status_code == 403


def judged_jobs(database: Database, site: UUID, model: UUID, decisions: list[Decision]) -> list[str]:
    with database.unit_of_work() as session:
        made = [make_job(session, site).id for _ in decisions]
    with database.unit_of_work() as session:
        claims = {claim.job_id: claim for claim in jobs.claim(session, owner="test", limit=50, lease_s=30)}
        outcomes = [
            make_outcome(
                claims[job],
                model,
                findings=(
                    FindingRecord("fracture", 0.9 if decision is Decision.POSITIVE else 0.1, 0.5, decision.value),
                    FindingRecord("leg", 0.8, 0.5, "positive"),
                ),
            )
            for job, decision in zip(made, decisions, strict=True)
        ]
        jobs.succeed(session, outcomes)
    return [f"/v1/jobs/{job}" for job in made]


def test_running_figures(api: Api, client: httpx2.Client, database: Database, site: UUID, model: UUID) -> None:
    paths = judged_jobs(database, site, model, [Decision.POSITIVE] * 6 + [Decision.NEGATIVE] * 10)
    for path, verdict in zip(paths, [A, A, A, R, A, None, A, A, A, R], strict=False):
        if verdict is not None:
            put(client, path, verdict)
    with (
        api.client(key_of(database, site, Scope.READ)) as second,
        api.client(key_of(database, site, Scope.READ)) as third,
    ):
        put(second, paths[0], R)  # a tie: counts nowhere
        put(second, paths[1], R)
        put(third, paths[1], R)  # two against one: a false positive
    answer = client.get("/v1/feedback/summary").json()
    (shown,) = answer["items"]
    assert (shown["label"], shown["model_version"]["id"]) == ("fracture", str(model))
    assert shown["positive"] == {"findings": 6, "accepted": 2, "rejected": 2, "disputed": 1}
    assert shown["negative"] == {"findings": 10, "accepted": 3, "rejected": 1, "disputed": 0}
    table = ["true_positives", "false_positives", "true_negatives", "false_negatives"]
    assert [shown[name] for name in table] == [2, 2, 3, 1]
    exact = binomtest(2, 3).proportion_ci(method="wilson")
    assert shown["sensitivity"] == pytest.approx({"value": 2 / 3, "lower": exact.low, "upper": exact.high})
    exact = binomtest(3, 5).proportion_ci(method="wilson")
    assert shown["specificity"] == pytest.approx({"value": 0.6, "lower": exact.low, "upper": exact.high})
    # Half of 6 positives and a quarter of 10 negatives have a fracture.
    assert shown["adjusted_sensitivity"] == pytest.approx(3 / 5.5)
    assert shown["adjusted_specificity"] == pytest.approx(7.5 / 10.5)
    assert "true positive" in answer["meaning"]
    assert client.get(f"/v1/feedback/summary?model_version_id={site}").json()["items"] == []
    with database.unit_of_work() as session:
        session.execute(text("UPDATE job SET created_at = now() - interval '8 days'"))
    assert client.get("/v1/feedback/summary?days=7").json()["items"] == []


def test_export(
    client: httpx2.Client, database: Database, site: UUID, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.feedback.views.PAGE", 1)
    put(client, path, R, comment="Röntgen")
    with database.unit_of_work() as session:
        other = sites.issue_key(session, site_id=site, name="other", scopes=[Scope.READ])[1]
    client.put(f"{path}/feedback/fracture", json={"verdict": "accept"}, headers={"Authorization": f"Bearer {other}"})
    plain = client.get("/v1/feedback.ndjson")
    assert plain.headers["content-type"] == "application/x-ndjson"
    first, second = (json.loads(line) for line in plain.text.splitlines())
    assert {name: first[name] for name in ("job_id", "label", "decision", "verdict", "present")} == {
        "job_id": path.rsplit("/", 1)[1], "label": "fracture", "decision": "positive", "verdict": "reject",
        "present": False,
    }  # fmt: skip
    assert (first["probability"], second["present"]) == (0.7, True)
    assert "comment" not in first
    assert first["image_id"] == client.get(path).json()["image"]["id"]
    whole = [json.loads(line) for line in client.get("/v1/feedback.ndjson?comments=true").text.splitlines()]
    assert [one["comment"] for one in whole] == ["Röntgen", None]


@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (1, 1), (3, 7), (50, 50), (199, 1000)])
def test_wilson_is_scipys(successes: int, trials: int) -> None:
    mine = wilson(successes, trials)
    theirs = binomtest(successes, trials).proportion_ci(method="wilson")
    assert mine is not None
    assert (mine.value, mine.lower, mine.upper) == pytest.approx((successes / trials, theirs.low, theirs.high))


def test_figures_without_enough() -> None:
    assert wilson(0, 0) is None
    assert Confusion(1, 0, 0, 0, 5, 5).adjusted() == (None, None)
    assert Confusion(1, 0, 1, 0, 5, 5).adjusted() == (1.0, 1.0)
