"""A batch from its manifest to its end: every file is a job, rejected or a duplicate, and they add up."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import UUID

import httpx2
from sqlalchemy import text

from core.vocabulary import Scope
from db.repositories.sites import create_site, issue_key
from db.session import Database
from tests.api.batches.conftest import BROKEN, JSON, Files, Judge, end, items, look, made, picture, put, sha256_of
from tests.api.conftest import Api, Trace, serve
from tests.factories import make_model


def test_life(client: httpx2.Client, judge: Judge) -> None:
    one, two = picture(1), picture(2)
    files = (
        Files().add("ward/Müller.png", one).add("b.png", two).add("copy.png", one).add("bad", BROKEN).add("no", b"x")
    )
    batch = made(client, files, priority=3, explain=["hand"])
    assert batch["needed"] == [sha256_of(one), sha256_of(two), sha256_of(BROKEN), sha256_of(b"x")]
    assert (batch["needed_next"], batch["counts"]["awaiting"], batch["done"]) == (None, 5, False)

    first = put(client, batch, one)
    assert (first.status_code, first.json()["state"]) == (201, "job")
    job = client.get(f"/v1/jobs/{first.json()['job']}").json()
    assert (job["priority"], job["explain"]) == (3, ["hand"])
    again = put(client, batch, one)
    assert (again.status_code, again.json()) == (200, first.json())
    assert put(client, batch, two).status_code == 201
    for _ in range(2):
        refused = put(client, batch, BROKEN)
        assert (refused.status_code, refused.json()["code"]) == (415, "type_unsupported")
    assert client.get(f"/v1/batches/{batch['id']}/needed").json()["items"] == [sha256_of(b"x")]

    closed = end(client, batch)
    again_closed = end(client, batch)
    assert all(again_closed[name] == closed[name] for name in ("counts", "failures", "closed_at", "progress"))
    assert closed["counts"] == {"awaiting": 0, "job": 2, "rejected": 2, "duplicate": 1}
    assert {(one["stage"], one["code"], one["count"]) for one in closed["failures"]} == {
        ("rejected", "not_received", 1), ("rejected", "type_unsupported", 1),
    }  # fmt: skip
    assert (closed["progress"], closed["done"], closed["through_at"]) == (0.4, False, None)
    assert put(client, batch, b"x").json()["code"] == "not_received"

    assert judge.all(fail=1) == 2
    over = look(client, batch)
    assert (over["progress"], over["done"], over["eta_s"]) == (1.0, True, 0.0)
    jobs = [client.get(f"/v1/jobs/{one['job']}").json() for one in items(client, batch) if one["job"]]
    assert over["through_at"] == max(job["finished_at"] for job in jobs) > batch["created_at"]
    assert over["jobs"]["succeeded"] == over["jobs"]["failed"] == 1
    causes = {(one["stage"], one["code"]): one["count"] for one in over["failures"]}
    # Its duplicate has no result either.
    assert causes["job", "decode_failed"] == 2
    assert [item["path"] for item in items(client, batch)] == list(files.contents)
    assert [item["state"] for item in items(client, batch)] == ["job", "job", "duplicate", "rejected", "rejected"]
    assert [item["path"] for item in items(client, batch, state="duplicate")] == ["copy.png"]
    assert_filters(client, batch)


def assert_filters(client: httpx2.Client, batch: JSON) -> None:
    """Every cause that is counted lists as many files, and job states list those that the counts say."""
    for cause in client.get(f"/v1/batches/{batch['id']}").json()["failures"]:
        found = items(client, batch, code=cause["code"])
        assert [item["code"] for item in found] == [cause["code"]] * cause["count"]
    for state in ("succeeded", "queued"):
        found = items(client, batch, job_state=state)
        assert [item["job_state"] for item in found] == [state] * len(found)
    everything = items(client, batch)
    succeeded = [item for item in everything if item["job_state"] == "succeeded"]
    assert items(client, batch, job_state="succeeded") == succeeded != []
    for item in succeeded:
        assert item["result"] == client.get(f"/v1/jobs/{item['job']}").json()["result"] is not None
    assert {item["job_state"] for item in everything if item["result"] is not None} == {"succeeded"}


def test_idempotency(client: httpx2.Client) -> None:
    files = Files().add("a", picture(1))
    key = {"Idempotency-Key": "batch-1"}
    first = client.post("/v1/batches", json=files.manifest, headers=key)
    spaced = client.post("/v1/batches", content=f"{files.manifest!s}".replace("'", '"').encode(), headers=key)
    assert (first.status_code, spaced.status_code) == (201, 200)
    assert spaced.headers["idempotent-replayed"] == "true"
    assert spaced.json()["id"] == first.json()["id"]
    other = client.post("/v1/batches", json=files.add("b", picture(2)).manifest, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
    with ThreadPoolExecutor(6) as pool:
        same = [
            pool.submit(client.post, "/v1/batches", json=files.manifest, headers={"Idempotency-Key": "k"})
            for _ in range(6)
        ]
    assert len({answer.result().json()["id"] for answer in same}) == 1


def test_known_contents(client: httpx2.Client, judge: Judge, database: Database) -> None:
    done, active, stale, new = (picture(number) for number in range(4))
    client.post("/v1/jobs", files={"file": ("a.png", stale)})
    assert judge.all() == 1
    with database.unit_of_work() as session:
        newer = make_model(session, labels=["fracture", "hand"], explainable=["fracture", "hand"]).id
    client.post("/v1/jobs", files={"file": ("a.png", done)})
    assert replace(judge, model=newer).all() == 1
    client.post("/v1/jobs", files={"file": ("a.png", active)})
    files = (
        Files().add("done", done).add("active", active).add("stale", stale).add("stale again", stale).add("new", new)
    )
    batch = made(client, files)
    assert batch["needed"] == [sha256_of(new)]
    assert [item["state"] for item in items(client, batch)] == [
        "duplicate",
        "duplicate",
        "job",
        "duplicate",
        "awaiting",
    ]
    found = {item["path"]: item["job"] for item in items(client, batch)}
    assert found["stale"] == found["stale again"] != found["done"]
    # A label that the earlier job did not explain: its result would not do.
    other = made(client, Files().add("done", done), explain=["hand"])
    assert other["counts"]["job"] == 1
    put(client, batch, new)
    assert end(client, batch)["counts"] == {"awaiting": 0, "job": 2, "rejected": 0, "duplicate": 3}


def test_known_contents_in_quarantine(client: httpx2.Client, database: Database) -> None:
    """No way around a quarantine: the job that a manifest alone makes is held as well."""
    job = client.post("/v1/jobs", files={"file": ("a.png", picture(1))}).json()
    client.post(f"/v1/jobs/{job['id']}/cancel")
    with database.unit_of_work() as session:
        session.execute(text("UPDATE image SET quarantined = true"))
    batch = made(client, Files().add("a", picture(1)).add("b", picture(1)))
    assert batch["counts"] == {"awaiting": 0, "job": 1, "rejected": 0, "duplicate": 1}
    assert batch["jobs"]["held"] == 1
    assert end(client, batch, "cancel")["jobs"]["cancelled"] == 1


def test_other_bytes(client: httpx2.Client, trace: Trace) -> None:
    batch = made(client, Files().add("a", picture(1)).add("b", picture(2)).add("c", picture(3)))
    with trace.nothing_left():
        for name in (1, 2):
            wrong = put(client, batch, picture(9), name=sha256_of(picture(name)))
            assert (wrong.status_code, wrong.json()["code"]) == (422, "not_in_manifest")
        assert put(client, batch, picture(9)).json()["code"] == "not_in_manifest"
    assert put(client, batch, picture(2)).status_code == 201
    closed = end(client, batch)
    assert [item["code"] for item in items(client, batch)] == ["not_in_manifest", None, "not_received"]
    assert closed["counts"]["job"] == 1


def test_many_at_once(api: Api, database: Database) -> None:
    """Twelve clients send the same contents, of two batches: one job a content, and both add up."""
    contents = [picture(number) for number in range(4)]
    files = Files()
    for number, content in enumerate(contents * 3):
        files.add(f"{number}", content)
    with api.client() as client:
        both = [made(client, files), made(client, files)]

    def send(number: int) -> None:
        with api.client() as client:
            for content in contents[number % 4 :] + contents[: number % 4]:
                assert put(client, both[number % 2], content).status_code in {200, 201}

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(send, range(12)))
    with api.client() as client:
        counts = [end(client, batch)["counts"] for batch in both]
    assert sum(count["job"] for count in counts) == 4
    assert sum(count["duplicate"] for count in counts) == 20
    with database.unit_of_work() as session:
        assert session.execute(text("SELECT count(*) FROM job")).scalar_one() == 4


def test_completing_beside_uploads(api: Api, database: Database) -> None:
    """What a late upload is answered is what stays: no job without its item, no item without its job."""
    contents = [picture(number) for number in range(24)]
    files = Files()
    for number, content in enumerate(contents):
        files.add(f"{number}", content)
    with api.client() as client:
        batch = made(client, files)

        def send(content: bytes) -> int:
            return put(client, batch, content).status_code

        with ThreadPoolExecutor(6) as pool:
            sent = [pool.submit(send, content) for content in contents]
            sent[3].result()
            counts = end(client, batch)["counts"]
        statuses = [answer.result() for answer in sent]
        assert set(statuses) <= {201, 409, 422}
        assert statuses.count(201) == counts["job"] >= 1
        assert look(client, batch)["counts"] == counts
    with database.unit_of_work() as session:
        assert session.execute(text("SELECT count(*) FROM job")).scalar_one() == counts["job"]
        assert session.execute(text("SELECT count(*) FROM image")).scalar_one() == counts["job"]


def test_cancel(client: httpx2.Client) -> None:
    shared, own, never = picture(1), picture(2), picture(3)
    batch = made(client, Files().add("a", shared).add("b", own).add("c", never))
    jobs = {name: put(client, batch, content).json()["job"] for name, content in (("a", shared), ("b", own))}
    other = made(client, Files().add("a", shared))
    assert other["counts"]["duplicate"] == 1
    closed = end(client, batch, "cancel")
    assert (closed["jobs"]["cancelled"], closed["jobs"]["queued"]) == (1, 1)
    assert [item["code"] for item in items(client, batch)] == [None, "cancelled", "batch_cancelled"]
    assert client.get(f"/v1/jobs/{jobs['a']}").json()["state"] == "queued"
    assert end(client, batch, "cancel")["counts"] == closed["counts"]


def test_limits_of_the_site(api: Api, client: httpx2.Client, database: Database, judge: Judge) -> None:
    """A full queue is nobody's rejection: the file stays awaited and may come later."""
    batch = made(client, Files().add("a", picture(1)))
    with database.unit_of_work() as session:
        session.execute(text("UPDATE model_version SET state = 'candidate', shadow_share = NULL"))
    refused = put(client, batch, picture(1))
    assert (refused.status_code, refused.json()["code"]) == (503, "no_active_model")
    with database.unit_of_work() as session:
        session.execute(text("UPDATE model_version SET state = 'active'"))
    assert put(client, batch, picture(1)).status_code == 201


def test_another_site(api: Api, client: httpx2.Client, database: Database) -> None:
    batch = made(client, Files().add("a", picture(1)))
    with database.unit_of_work() as session:
        site = create_site(session, "Elsewhere")
        _row, key = issue_key(session, site_id=site.id, name="k", scopes=list(Scope))
        _row, reader = issue_key(session, site_id=site.id, name="r", scopes=[Scope.READ])
    path = f"/v1/batches/{batch['id']}"
    name = sha256_of(picture(1))
    with api.client(key) as stranger:
        for method, route in [
            ("GET", ""), ("GET", "/needed"), ("GET", "/items"), ("GET", "/results.csv"), ("GET", "/results.ndjson"),
            ("GET", "/results.zip"), ("POST", "/complete"), ("POST", "/cancel"), ("POST", "/files"),
            ("POST", "/archive"), ("POST", "/uploads"), ("PUT", f"/files/{name}"),
            ("POST", f"/uploads/{name}/received"),
        ]:  # fmt: skip
            assert stranger.request(method, path + route).status_code == 404, (method, route)
        assert stranger.get("/v1/batches").json()["items"] == []
    with api.client(reader) as looker:
        assert looker.post("/v1/batches", json=Files().add("a", b"a").manifest).status_code == 403
    assert client.get("/v1/batches").json()["items"][0]["id"] == batch["id"]


def test_pages(client: httpx2.Client) -> None:
    files = Files()
    for number in range(25):
        files.add(f"f{number}", f"{number}".encode())
    batch = made(client, files)
    for route, names in (("needed", batch["needed"]), ("items", list(files.contents))):
        found, path = [], f"/v1/batches/{batch['id']}/{route}?limit=10"
        while path:
            answer = client.get(path)
            found += [item if isinstance(item, str) else item["path"] for item in answer.json()["items"]]
            path = answer.links["next"]["url"] if "next" in answer.links else ""
            assert bool(path) == (answer.json()["next"] is not None)
        assert found == names
    assert client.get(f"/v1/batches/{batch['id']}/items?cursor=nonsense").json()["code"] == "request_invalid"
    for number in range(2):
        made(client, Files().add("a", f"{number}".encode()))
    page = client.get("/v1/batches?limit=2").json()
    rest = client.get(f"/v1/batches?limit=2&cursor={page['next']}").json()
    assert len({one["id"] for one in page["items"] + rest["items"]}) == 3


def test_paths_are_sealed(client: httpx2.Client, database: Database, site: UUID) -> None:
    made(client, Files().add("Müller^Anna/x.dcm", b"1"))
    with database.unit_of_work() as session:
        rows = session.execute(text("SELECT sealed_path, CAST(batch AS text) FROM batch_item JOIN batch ON true")).all()
        exported = session.execute(text("SELECT count(*) FROM audit_record WHERE action = 'result_exported'"))
        assert exported.scalar_one() == 0
    assert all(b"Anna" not in bytes(row[0]) and "Anna" not in row[1] for row in rows)
    batch = client.get("/v1/batches").json()["items"][0]
    assert items(client, batch)[0]["path"] == "Müller^Anna/x.dcm"
    with database.unit_of_work() as session:
        record = session.execute(
            text("SELECT subject, CAST(detail AS text) FROM audit_record WHERE action = 'result_exported'")
        ).one()
    assert record == (f"batch {batch['id']}", '{"form": "items"}')


def test_states_without_paths_are_no_export(client: httpx2.Client, database: Database) -> None:
    batch = made(client, Files().add("Müller^Anna/x.dcm", picture(1)))

    def exports() -> int:
        with database.unit_of_work() as session:
            return session.execute(
                text("SELECT count(*) FROM audit_record WHERE action = 'result_exported'")
            ).scalar_one()

    before = exports()
    first = client.get(f"/v1/batches/{batch['id']}/items?paths=false")
    assert [(item["path"], item["state"]) for item in first.json()["items"]] == [(None, "awaiting")]
    assert exports() == before
    items(client, batch)
    assert exports() == before + 1


def test_the_next_page_asks_for_the_same(client: httpx2.Client) -> None:
    batch = made(client, Files().add("a", picture(1)).add("b", picture(2)).add("c", picture(3)))
    first = client.get(f"/v1/batches/{batch['id']}/items?state=awaiting&state=rejected&paths=false&limit=2")
    following = client.get(first.links["next"]["url"]).json()
    assert [(item["position"], item["path"]) for item in following["items"]] == [(2, None)]
    assert "state=awaiting&state=rejected" in first.links["next"]["url"]
    assert client.get(f"/v1/batches/{batch['id']}/items?code=%00").status_code == 422


def test_without_a_key(client: httpx2.Client, api: Api) -> None:
    with serve(api.settings.model_copy(update={"identity_key": None})) as (url, _port):
        answer = httpx2.post(f"{url}/v1/batches", json=Files().add("a", b"a").manifest, headers=api.headers, timeout=30)
    assert (answer.status_code, answer.json()["code"]) == (503, "identity_key_missing")
