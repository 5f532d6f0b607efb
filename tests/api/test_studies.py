"""Studies over HTTP: open and settled, in pages, with their images and jobs, and nobody else's."""

from __future__ import annotations

from uuid import UUID, uuid4

import httpx2
from sqlalchemy import text

from core.settings import Settings
from core.vocabulary import Scope
from db.repositories import sites
from db.session import Database
from tests.api.conftest import Api
from tests.worker.maintenance.exams import add_image, judge, model, quiet
from worker.maintenance.studies import settle_due


def test_from_open_to_settled_and_back(
    client: httpx2.Client, database: Database, site: UUID, settings: Settings
) -> None:
    with database.unit_of_work() as session:
        version = model(session)
        images = [add_image(session, site, "1.2") for _ in range(2)]
    (listed,) = client.get("/v1/studies").json()["items"]
    assert (listed["state"], listed["revision"], listed["study_instance_uid"]) == ("open", 0, "1.2")
    assert {listed[name] for name in ("findings", "images", "rule", "model_version", "settled_at")} == {None}
    assert (listed["stored_images"], listed["created_at"] <= listed["last_image_at"]) == (2, True)
    judge(database, version, 0.9, 0.7)
    quiet(database)
    settle_due(database, settings)
    response = client.get(listed["links"]["self"])
    study = response.json()
    assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")
    assert (study["state"], study["revision"], study["images"], study["judged_images"]) == ("settled", 1, 2, 2)
    assert (study["rule"], study["model_version"]["id"]) == ("mean", str(version))
    (finding,) = study["findings"]
    assert (finding["label"], round(finding["probability"], 6), finding["decision"]) == ("fracture", 0.8, "positive")
    assert finding["three_way"] == {"decision": "positive", "coverage": None, "lower": 0.4, "upper": 0.6}
    assert {member["id"] for member in study["members"]} == set(map(str, images))
    for member in study["members"]:
        assert member["judged_by"] == member["job"]
        job = client.get(member["job"]).json()
        assert (job["state"], job["image"]["study_id"]) == ("succeeded", study["id"])
    with database.unit_of_work() as session:
        add_image(session, site, "1.2")
    study = client.get(f"/v1/studies/{study['id']}").json()
    assert (study["state"], study["revision"], study["findings"]) == ("open", 1, None)
    assert (study["images"], study["stored_images"], study["created_at"]) == (None, 3, listed["created_at"])
    assert [member["judged_by"] for member in study["members"]] == [None] * 3
    assert study["members"][0]["job_state"] == "queued"


def test_pages(client: httpx2.Client, database: Database, site: UUID) -> None:
    with database.unit_of_work() as session:
        model(session)
    for number in range(5):
        with database.unit_of_work() as session:
            add_image(session, site, f"1.{number}")
    with database.unit_of_work() as session:
        session.execute(
            text(
                "UPDATE study_result SET state = 'settled', settled_at = now() WHERE study_id ="
                " (SELECT id FROM study WHERE study_instance_uid = '1.2')"
            )
        )
        add_image(session, site, "1.0")  # a late image of the oldest leaves it in its place
    seen: list[str] = []
    times: list[str] = []
    path: str | None = "/v1/studies?limit=2&state=open"
    while path:
        response = client.get(path)
        page = response.json()
        seen += [item["study_instance_uid"] for item in page["items"]]
        times += [item["created_at"] for item in page["items"]]
        assert ("link" in response.headers) == (page["next"] is not None)
        path = f"/v1/studies?limit=2&state=open&cursor={page['next']}" if page["next"] else None
    assert seen == ["1.4", "1.3", "1.1", "1.0"]
    assert times == sorted(times, reverse=True)
    assert [item["study_instance_uid"] for item in client.get("/v1/studies?state=settled").json()["items"]] == ["1.2"]
    assert client.get("/v1/studies?state=half").status_code == 422
    assert client.get("/v1/studies?cursor=x").json()["code"] == "request_invalid"


def test_pages_of_images(client: httpx2.Client, database: Database, site: UUID) -> None:
    with database.unit_of_work() as session:
        model(session)
        images = [str(add_image(session, site, "1.2")) for _ in range(5)]
    (study,) = client.get("/v1/studies").json()["items"]
    seen: list[str] = []
    cursor = ""
    while True:
        page = client.get(f"/v1/studies/{study['id']}?limit=2{cursor}").json()
        seen += [member["id"] for member in page["members"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert sorted(seen) == sorted(images)
    assert len(seen) == len(images)


def test_another_site_s_is_not_found(api: Api, client: httpx2.Client, database: Database, site: UUID) -> None:
    with database.unit_of_work() as session:
        model(session)
        add_image(session, site, "1.2")
        other = sites.create_site(session, "Another")
        _, key = sites.issue_key(session, site_id=other.id, name="k", scopes=[Scope.READ])
        _, blind = sites.issue_key(session, site_id=site, name="k", scopes=[Scope.SUBMIT])
    (study,) = client.get("/v1/studies").json()["items"]
    with api.client(key) as stranger:
        assert stranger.get("/v1/studies").json() == {"items": [], "next": None}
        assert stranger.get(f"/v1/studies/{study['id']}").status_code == 404
    with api.client(blind) as submitter:
        assert submitter.get("/v1/studies").status_code == 403
    assert client.get(f"/v1/studies/{uuid4()}").status_code == 404
