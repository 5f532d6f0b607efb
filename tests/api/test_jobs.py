"""Jobs over HTTP: idempotency, isolation between Sites, pages, waiting, results, and servers that are away."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import cv2
import httpx2
import numpy as np
import pytest
from pydantic import SecretStr

from core.settings import Settings
from core.vocabulary import Scope
from db.repositories import jobs, sites, workers
from db.session import Database
from lucency.stack.ports import choose_ports
from storage.s3 import S3Store
from tests.api.conftest import PNG, Api, Trace, serve
from tests.data import encoded, generated_radiograph, pydicom_file
from tests.factories import make_outcome, store_as_before


def submit(client: httpx2.Client, content: bytes = PNG, **headers: str) -> httpx2.Response:
    return client.post(
        "/v1/jobs", files={"file": ("a", content)}, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


def finish(database: Database, store: S3Store, model: UUID) -> int:
    """Do what a worker does: claim what is due and finish it."""
    with database.unit_of_work() as session:
        claims = jobs.claim(session, owner="test", limit=10, lease_s=30)
    outcomes = [make_outcome(claim, model) for claim in claims]
    with database.unit_of_work() as session:
        return len(jobs.succeed(session, outcomes))


def test_idempotency(client: httpx2.Client, trace: Trace) -> None:
    first = submit(client, Idempotency_Key="k-1")
    assert first.status_code == 202
    assert "idempotent-replayed" not in first.headers
    with trace.nothing_left():
        again = submit(client, Idempotency_Key="k-1")
        assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
        assert again.headers["idempotent-replayed"] == "true"
        other = submit(client, encoded(generated_radiograph(64, 64)), Idempotency_Key="k-1")
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
        for field in ({"priority": "3"}, {"stability": "true"}):
            fields = client.post("/v1/jobs", files={"file": ("a", PNG)}, data=field, headers={"Idempotency-Key": "k-1"})
            assert fields.json()["code"] == "idempotency_mismatch"
    assert submit(client, Idempotency_Key="k-2").json()["id"] != first.json()["id"]


def test_eight_at_once_with_one_key_make_one_job(api: Api, trace: Trace) -> None:
    gate = threading.Barrier(8)

    def one(_number: int) -> httpx2.Response:
        with api.client() as client:
            gate.wait()
            return submit(client, Idempotency_Key="same")

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(one, range(8)))
    assert [answer.status_code for answer in answers] == [202] * 8
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert trace.look().rows["job"] == 1


def key_of(database: Database, site_id: UUID, *scopes: Scope) -> str:
    with database.unit_of_work() as session:
        return sites.issue_key(session, site_id=site_id, name="more", scopes=scopes)[1]


def test_another_site_s_job_is_not_found(api: Api, database: Database, store: S3Store, model: UUID) -> None:
    with api.client() as client:
        job = submit(client, Idempotency_Key="mine").json()
    finish(database, store, model)
    with database.unit_of_work() as session:
        stranger = sites.create_site(session, "Another Site").id
    path = job["links"]["self"]
    with api.client(key_of(database, stranger, *Scope)) as other:
        answers = {
            name: other.request(method, path + name)
            for method, name in [
                ("GET", ""), ("GET", "/result"), ("GET", "/events"), ("GET", "/explanations/fracture.png"),
                ("POST", "/cancel"), ("POST", "/retry"),
            ]
        }  # fmt: skip
        assert {(answer.status_code, answer.json()["code"]) for answer in answers.values()} == {(404, "not_found")}
        # The same answer as for a job that does not exist: nothing tells them apart.
        unknown = other.get(f"/v1/jobs/{uuid4()}").json()
        assert unknown | {"request_id": ""} == answers[""].json() | {"request_id": ""}
        assert other.get("/v1/jobs").json() == {"items": [], "next": None}
        mine = submit(other, Idempotency_Key="mine")
        assert mine.json()["id"] != job["id"]
        assert "idempotent-replayed" not in mine.headers
    with api.client() as client:
        assert client.get(path).json()["state"] == "succeeded"


def test_scopes(api: Api, database: Database, site: UUID) -> None:
    with (
        api.client(key_of(database, site, Scope.SUBMIT)) as submitter,
        api.client(key_of(database, site, Scope.READ)) as reader,
    ):
        job = submit(submitter)
        assert job.status_code == 202
        path = job.json()["links"]["self"]
        assert reader.get(path).status_code == 200
        refused = [
            submit(reader),
            reader.post(f"{path}/cancel"),
            reader.post(f"{path}/retry"),
            submitter.get(path),
            submitter.get("/v1/models"),
        ]
        assert {(answer.status_code, answer.json()["code"]) for answer in refused} == {(403, "forbidden")}
        assert reader.get("/v1/models").json()["items"][0]["state"] == "active"


def test_pages_stand_still_while_jobs_come_in(client: httpx2.Client) -> None:
    ids = [submit(client).json()["id"] for _ in range(5)]
    page = client.get("/v1/jobs", params={"limit": 2, "state": "queued"})
    seen = [job["id"] for job in page.json()["items"]]
    while page.json()["next"]:
        submit(client)
        link = re.fullmatch(r'<([^>]+)>; rel="next"', page.headers["link"])
        assert link
        page = client.get(link[1])
        seen += [job["id"] for job in page.json()["items"]]
    assert seen == ids[::-1]
    assert "link" not in page.headers
    assert client.get("/v1/jobs", params={"state": "failed"}).json()["items"] == []
    for cursor in ("x", "!!", "AAAA", "=", "MjAyMHwx"):
        assert client.get("/v1/jobs", params={"cursor": cursor}).json()["code"] == "request_invalid"


def test_waiting_ends_when_the_job_does(
    api: Api, client: httpx2.Client, database: Database, store: S3Store, model: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.jobs.routes.FALLBACK_POLL", 15.0)
    job = submit(client).json()
    answers: list[tuple[httpx2.Response, float]] = []

    def wait() -> None:
        with api.client() as waiter:
            answers.append((waiter.get(job["links"]["self"], headers={"Prefer": "wait=20"}), time.monotonic()))

    waiters = [threading.Thread(target=wait) for _ in range(3)]
    for waiter in waiters:
        waiter.start()
    time.sleep(0.5)
    assert answers == []
    assert finish(database, store, model) == 1
    finished = time.monotonic()
    for waiter in waiters:
        waiter.join(timeout=20)
    assert [answer.status_code for answer, _ in answers] == [200] * 3
    assert {answer.json()["state"] for answer, _ in answers} == {"succeeded"}
    assert answers[0][0].headers["preference-applied"] == "wait=20"
    assert "retry-after" not in answers[0][0].headers
    # Well below the fallback: the notification woke them.
    assert max(at for _, at in answers) - finished < 10


def test_waiting_ends_when_its_time_does(client: httpx2.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not before, however often the job is looked at meanwhile."""
    monkeypatch.setattr("api.jobs.routes.FALLBACK_POLL", 0.2)
    started = time.monotonic()
    answer = submit(client, Prefer="respond-async, wait=1")
    assert 0.9 < time.monotonic() - started < 15
    assert (answer.status_code, answer.headers["preference-applied"]) == (202, "wait=1")
    poll = client.get(answer.headers["location"], headers={"Prefer": "wait=0"})
    assert (poll.status_code, poll.headers["retry-after"]) == (202, "1")
    assert client.get(answer.headers["location"], headers={"Prefer": "wait=soon"}).status_code == 200


def test_result_and_explanations(client: httpx2.Client, database: Database, store: S3Store, model: UUID) -> None:
    job = submit(client).json()
    finish(database, store, model)
    answer = client.get(job["links"]["result"])
    result = answer.json()
    assert answer.headers["cache-control"] == "no-store"
    assert result["model_version"]["id"] == str(model)
    (finding,) = result["findings"]
    assert (finding["label"], finding["decision"], finding["probability"]) == ("fracture", "positive", 0.7)
    assert finding["regions_of_interest"][0]["width"] == 30
    assert result["region"] == {"label": "leg", "probability": 0.9, "probabilities": {"leg": 0.9, "hand": 0.1}}

    overlay = client.get(finding["explanation"]["overlay"])
    assert overlay.headers["content-type"] == "image/png"
    assert overlay.headers["content-disposition"] == f'inline; filename="{job["id"]}-fracture-overlay.png"'
    assert cv2.imdecode(np.frombuffer(overlay.content, np.uint8), cv2.IMREAD_UNCHANGED).shape[2] == 3
    heatmap = client.get(finding["explanation"]["heatmap"])
    grey = cv2.imdecode(np.frombuffer(heatmap.content, np.uint8), cv2.IMREAD_UNCHANGED)
    assert (grey.dtype, grey.shape) == (np.uint16, (640, 480))
    plain, boxed, clear = (
        client.get(finding["explanation"]["overlay"], params=params).content
        for params in ({}, {"boxes": "true"}, {"opacity": "0"})
    )
    assert plain == overlay.content
    assert len({plain, boxed, clear}) == 3
    known = {"If-None-Match": overlay.headers["etag"]}
    assert client.get(finding["explanation"]["overlay"], headers=known).status_code == 304
    assert client.get(finding["explanation"]["heatmap"], headers=known).status_code == 200
    path = job["links"]["self"]
    assert client.get(f"{path}/explanations/leg.png").status_code == 404
    assert client.get(f"{path}/explanations/fracture.png", params={"opacity": 1.1}).status_code == 422
    assert client.get(f"{path}/explanations/fracture.png", params={"view": "raw"}).status_code == 422
    assert client.get("/v1/jobs/no-uuid").json()["code"] == "request_invalid"


def test_a_result_of_an_older_release_is_drawn_from_its_objects(
    client: httpx2.Client, database: Database, store: S3Store, model: UUID
) -> None:
    job = submit(client).json()
    finish(database, store, model)
    with database.unit_of_work() as session:
        heatmap_key, preview_key = store_as_before(session, store, UUID(job["id"]))
    path = f"{job['links']['self']}/explanations/fracture.png"
    shown = client.get(path, params={"view": "radiograph"})
    picture = cv2.imdecode(np.frombuffer(shown.content, np.uint8), cv2.IMREAD_UNCHANGED)
    assert picture.shape == (512, 384)  # the object's, not the image's
    for view in ("overlay", "heatmap", "colours"):
        assert client.get(path, params={"view": view}).status_code == 200
    assert client.get(f"{job['links']['self']}/reports/pdf").status_code == 200
    for key, view in ((preview_key, "radiograph"), (heatmap_key, "heatmap")):
        store.delete([key])
        gone = client.get(path, params={"view": view})
        assert (gone.status_code, gone.json()["code"]) == (500, "input_integrity")


def test_cancel_and_retry(client: httpx2.Client) -> None:
    asked = client.post("/v1/jobs", files={"file": ("a", PNG)}, data={"stability": "true"}).json()
    path = asked["links"]["self"]
    assert client.post(f"{path}/retry").json()["code"] == "transition_illegal"
    assert client.post(f"{path}/cancel").json()["state"] == "cancelled"
    again = client.post(f"{path}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "transition_illegal")
    replayed = client.post(f"{path}/retry")
    assert replayed.status_code == 202
    assert replayed.headers["location"] == replayed.json()["links"]["self"] != path
    assert f"/v1/jobs/{replayed.json()['replay_of']}" == path
    assert asked["stability"] is replayed.json()["stability"] is True


def test_predict(api: Api, client: httpx2.Client, database: Database, store: S3Store, model: UUID) -> None:
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(client.post, "/predict", files={"file": ("a.png", PNG)})
        end = time.monotonic() + 20
        while not finish(database, store, model):
            assert time.monotonic() < end
            time.sleep(0.05)
        answer = asked.result(timeout=20)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["prediction"], found["confidence"], found["region"]) == ("fracture", 0.7, "leg")
    assert client.get(found["job"]).json()["state"] == "succeeded"
    assert client.get(found["explanation"]).status_code == 200


def test_a_failed_job_says_why(client: httpx2.Client, database: Database) -> None:
    from core.errors import DecodeFailed

    path = submit(client).json()["links"]["self"]
    with database.unit_of_work() as session:
        (claim,) = jobs.claim(session, owner="test", limit=1, lease_s=30)
        jobs.fail(session, claim, error=DecodeFailed(), retry_base=1, retry_cap=1)
    answer = client.get(path)
    assert (answer.status_code, answer.json()["state"]) == (200, "failed")
    assert (answer.json()["problem"]["code"], answer.json()["problem"]["status"]) == ("decode_failed", 422)
    assert client.get(f"{path}/result").json()["code"] == "result_not_ready"


def test_same_instance_with_other_pixels(client: httpx2.Client, trace: Trace) -> None:
    original = pydicom_file("RG3_UNCI.dcm").read_bytes()
    assert submit(client, original).status_code == 202
    with trace.nothing_left():
        answer = submit(client, original[:-1] + bytes([original[-1] ^ 1]))
        assert (answer.status_code, answer.json()["code"]) == (409, "instance_conflict")
    assert submit(client, original).status_code == 202


@pytest.fixture
def narrow(settings: Settings, store: S3Store, api_key: str, model: UUID) -> Iterator[Api]:
    """An API whose Sites may have one active job."""
    changed = settings.model_copy(update={"site_active_limit": 1})
    with serve(changed) as (url, port):
        yield Api(url=url, port=port, settings=changed, key=api_key)


def test_over_quota_leaves_nothing(narrow: Api, trace: Trace) -> None:
    with narrow.client() as client:
        assert submit(client).status_code == 202
        with trace.nothing_left():
            for content in (PNG, encoded(generated_radiograph(80, 80))):
                answer = submit(client, content)
                assert (answer.status_code, answer.json()["code"]) == (429, "quota_exceeded")
                assert int(answer.headers["retry-after"]) > 0


def without(settings: Settings, server: str) -> Settings:
    """Settings that name a port where nobody listens."""
    port = choose_ports(["closed"])["closed"]
    changes: dict[str, dict[str, object]] = {
        "database": {"database_url": SecretStr(f"postgresql+psycopg2://lucency@127.0.0.1:{port}/lucency")},
        "broker": {"broker_url": SecretStr(f"redis://127.0.0.1:{port}/0")},
        "store": {"s3_endpoint": f"127.0.0.1:{port}"},
    }
    return settings.model_copy(update=changes[server])


def readiness(url: str) -> tuple[int, dict[str, str]]:
    answer = httpx2.get(f"{url}/readyz", timeout=20)
    return answer.status_code, {name: check["status"] for name, check in answer.json()["checks"].items()}


def test_readiness(api: Api, database: Database) -> None:
    up = dict.fromkeys(("database", "store", "broker", "worker", "model"), "up")
    assert readiness(api.url) == (503, up | {"worker": "down"})
    with database.unit_of_work() as session:
        workers.beat(session, name="w", pid=1, engine="onnxruntime", model_digest=None, state="ready", progressed=True)
    assert readiness(api.url) == (200, up)
    for server, also in (("database", {"worker", "model"}), ("store", set()), ("broker", set())):
        with serve(without(api.settings, server)) as (url, _):
            assert readiness(url) == (503, up | dict.fromkeys({server} | also, "down"))
            assert httpx2.get(f"{url}/healthz", timeout=30).status_code == 200


def test_submit_while_a_server_is_away(api: Api, trace: Trace) -> None:
    with (
        serve(without(api.settings, "broker")) as (url, _),
        httpx2.Client(base_url=url, headers=api.headers, timeout=30) as client,
    ):
        started = time.monotonic()
        assert [submit(client).status_code for _ in range(3)] == [202] * 3
        assert time.monotonic() - started < 10
    for server, code in (("store", "store_unavailable"), ("database", "database_unavailable")):
        with trace.nothing_left(), serve(without(api.settings, server)) as (url, _):
            answer = httpx2.post(f"{url}/v1/jobs", files={"file": ("a", PNG)}, headers=api.headers, timeout=60)
            assert (answer.status_code, answer.json()["code"]) == (503, code)
            assert int(answer.headers["retry-after"]) > 0


def test_metrics(client: httpx2.Client) -> None:
    submit(client)
    text = client.get("/metrics").text
    assert 'lucency_jobs{state="queued"} 1.0' in text
    assert "lucency_database_up 1.0" in text
    assert "lucency_workers_alive 0.0" in text
    assert 'http_requests_total{handler="/v1/jobs",method="POST",status="202"} 1.0' in text
