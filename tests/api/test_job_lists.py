"""Lists of jobs over HTTP: filters, counts, causes, the table, many at once; who may, and what is written down."""

from __future__ import annotations

import csv
import io
from uuid import UUID, uuid4

import httpx2
import pytest
from sqlalchemy import text

from core.vocabulary import Scope
from db.repositories import jobs, sites
from db.session import Database
from tests.api.conftest import Api
from tests.factories import make_image, make_job, make_outcome

WRITTEN = "SELECT action, subject, detail FROM audit_record WHERE action LIKE 'jobs%' ORDER BY number"


@pytest.fixture
def made(database: Database, site: UUID, model: UUID) -> dict[str, str]:
    """One succeeded, one cancelled, one waiting job, all of one Site."""
    with database.unit_of_work() as session:
        make_job(session, site)
        (claim,) = jobs.claim(session, owner="w", limit=1, lease_s=30)
        jobs.succeed(session, [make_outcome(claim, model)])
        cancelled = jobs.cancel(session, site_id=site, job_id=make_job(session, site).id).id
        waiting = make_job(session, site, priority=4).id
    return {"succeeded": str(claim.job_id), "cancelled": str(cancelled), "waiting": str(waiting)}


def ids(answer: httpx2.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


def test_filters_and_the_headline(client: httpx2.Client, made: dict[str, str], model: UUID) -> None:
    assert ids(client.get("/v1/jobs")) == [made["waiting"], made["cancelled"], made["succeeded"]]
    (done,) = client.get("/v1/jobs", params={"decision": ["positive", "refer"], "model": str(model)}).json()["items"]
    expected = {
        "label": "fracture", "probability": 0.7, "decision": "positive", "three_way": None, "region": "leg",
        "model_version_id": str(model),
    }  # fmt: skip
    assert (done["id"], done["result"]) == (made["succeeded"], expected)
    assert client.get(f"/v1/jobs/{made['succeeded']}").json()["result"] == expected
    assert client.get(f"/v1/jobs/{made['waiting']}").json()["result"] is None
    for query, names in (
        ({"region": "hip"}, []),
        ({"priority": 4}, ["waiting"]),
        ({"text": "fract"}, ["succeeded"]),
        ({"text": made["waiting"]}, ["waiting"]),
        ({"created_from": "2020-01-01T00:00:00Z", "created_to": "2021-01-01T00:00:00+02:00"}, []),
        ({"replayed": "true"}, []),
        ({"state": ["queued", "cancelled"]}, ["waiting", "cancelled"]),
    ):
        assert ids(client.get("/v1/jobs", params=query)) == [made[name] for name in names], query
        assert client.get("/v1/jobs/count", params=query).json() == {"count": len(names), "exact": True}


def test_a_page_links_to_the_next_with_its_filters(client: httpx2.Client, made: dict[str, str]) -> None:
    first = client.get("/v1/jobs", params={"state": ["succeeded", "cancelled", "queued"], "limit": 2})
    assert ids(first) == [made["waiting"], made["cancelled"]]
    assert ids(client.get(first.links["next"]["url"])) == [made["succeeded"]]


def test_what_is_no_filter(client: httpx2.Client) -> None:
    wrong: list[dict[str, str | int]] = [
        {"state": "lost"}, {"batch": "x"}, {"priority": 11}, {"decision": "maybe"}, {"text": "a\x00b"}, {"text": ""},
        {"created_from": "2020-01-01T00:00"}, {"model": "x"}, {"cursor": "x"}, {"limit": 0},
    ]  # fmt: skip
    for query in wrong:
        assert client.get("/v1/jobs", params=query).status_code == 422, query


def test_causes(client: httpx2.Client, made: dict[str, str]) -> None:
    (cause,) = client.get("/v1/jobs/causes").json()["items"]
    assert (cause["code"], cause["state"], cause["jobs"]) == (None, "cancelled", 1)
    assert client.get("/v1/jobs/causes", params={"state": "dead"}).json() == {"items": []}
    assert made


def test_the_table(client: httpx2.Client, database: Database, site: UUID, made: dict[str, str]) -> None:
    """More rows than are read at once, each once; of a filter its own; written down without what was typed."""
    with database.unit_of_work() as session:
        image = make_image(session, site).id
        session.execute(
            text(
                "INSERT INTO job (id, site_id, image_id, explain, request_hash, max_attempts, deadline_at) SELECT"
                " gen_random_uuid(), :site, :image, '{}', 'h', 5, now() FROM generate_series(1, 2500)"
            ),
            {"site": site, "image": image},
        )
    answer = client.get("/v1/jobs.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len({row["job"] for row in rows}) == len(rows) == 2503
    (done,) = csv.DictReader(io.StringIO(client.get("/v1/jobs.csv", params={"text": "fracture"}).text))
    assert (done["job"], done["label"], done["probability"]) == (made["succeeded"], "fracture", "0.700000")
    assert (done["decision"], done["region"], done["model"]) == ("positive", "leg", "test 1")
    with database.unit_of_work() as session:
        details = list(session.scalars(text("SELECT detail FROM audit_record ORDER BY number DESC LIMIT 1")))
    assert details == [{"form": "csv", "filter": {"text": True}}]


def bulk(client: httpx2.Client, **body: object) -> dict[str, object]:
    answer = client.post("/v1/jobs/bulk", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def counts(**values: object) -> dict[str, object]:
    return {"done": 0, "unfit": 0, "repeated": 0, "missing": 0, "no_room": 0, "more": False, **values}


def test_many_at_once(client: httpx2.Client, database: Database, made: dict[str, str]) -> None:
    everything = [*made.values(), str(uuid4())]
    retried = bulk(client, action="retry", ids=everything)
    assert retried == counts(action="retry", done=1, unfit=2, missing=1)
    (again,) = ids(client.get("/v1/jobs", params={"replay_of": made["cancelled"]}))
    assert bulk(client, action="retry", ids=everything) == counts(action="retry", repeated=1, unfit=2, missing=1)
    assert bulk(client, action="retry", filter={"state": ["cancelled"]}) == counts(action="retry")
    assert bulk(client, action="cancel", filter={}, limit=1) == counts(action="cancel", done=1, more=True)
    assert bulk(client, action="cancel", filter={"priority": [4]}) == counts(action="cancel", done=1)
    assert bulk(client, action="cancel", filter={"state": ["succeeded"]}) == counts(action="cancel")
    assert client.get(f"/v1/jobs/{again}").json()["state"] == "cancelled"
    with database.unit_of_work() as session:
        rows = session.execute(text(WRITTEN)).all()
    assert [(row.action, row.detail) for row in rows] == [
        ("jobs_replayed", {"jobs": 1, "ids": 4}),
        ("jobs_cancelled", {"jobs": 1, "filter": {}}),
        ("jobs_cancelled", {"jobs": 1, "filter": {"priority": [4]}}),
    ]


def test_one_at_a_time_is_written_down_too(client: httpx2.Client, database: Database, made: dict[str, str]) -> None:
    assert client.post(f"/v1/jobs/{made['waiting']}/cancel").status_code == 200
    again = client.post(f"/v1/jobs/{made['waiting']}/retry").json()["id"]
    assert client.post(f"/v1/jobs/{made['succeeded']}/cancel").status_code == 409
    with database.unit_of_work() as session:
        rows = session.execute(text(WRITTEN)).all()
    assert [tuple(row) for row in rows] == [
        ("jobs_cancelled", f"job {made['waiting']}", {"jobs": 1}),
        ("jobs_replayed", f"job {made['waiting']}", {"jobs": 1, "as": again}),
    ]


def test_what_is_no_order(client: httpx2.Client, made: dict[str, str]) -> None:
    wrong: list[dict[str, object]] = [
        {"action": "cancel"},
        {"action": "cancel", "ids": []},
        {"action": "cancel", "ids": [str(uuid4())], "filter": {}},
        {"action": "erase", "filter": {}},
        # A misspelt filter would mean every job.
        {"action": "cancel", "filter": {"states": ["queued"]}},
        {"action": "cancel", "filter": {}, "limit": 1001},
        {"action": "cancel", "ids": [str(uuid4())] * 1001},
    ]
    for body in wrong:
        assert client.post("/v1/jobs/bulk", json=body).status_code == 422, body
    assert client.get(f"/v1/jobs/{made['waiting']}").json()["state"] == "queued"


def test_who_may(api: Api, database: Database, site: UUID, made: dict[str, str]) -> None:
    with database.unit_of_work() as session:
        _row, reader = sites.issue_key(session, site_id=site, name="r", scopes=[Scope.READ])
        _row, submitter = sites.issue_key(session, site_id=site, name="s", scopes=[Scope.SUBMIT])
        other = sites.create_site(session, "Other")
        session.flush()
        _row, stranger = sites.issue_key(session, site_id=other.id, name="o", scopes=list(Scope))
    order = {"action": "cancel", "ids": [made["waiting"]]}
    with api.client(reader) as client:
        assert client.post("/v1/jobs/bulk", json=order).status_code == 403
    with api.client(submitter) as client:
        for path in ("/v1/jobs", "/v1/jobs/count", "/v1/jobs/causes", "/v1/jobs.csv"):
            assert client.get(path).status_code == 403
    with api.client(stranger) as client:
        assert client.post("/v1/jobs/bulk", json=order).json() == counts(action="cancel", missing=1)
        assert ids(client.get("/v1/jobs")) == []
        assert client.get("/v1/jobs/count").json()["count"] == 0
        assert len(client.get("/v1/jobs.csv").text.splitlines()) == 1
