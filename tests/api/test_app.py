"""The application as a whole: submit, poll, problems, headers, documents."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import httpx2

from api.app import create_app
from api.commands import openapi_text
from core.version import VERSION
from storage.s3 import S3Store
from storage.store import image_key
from tests.api.conftest import PNG, Api

ROOT = Path(__file__).parent.parent.parent


def test_submit_then_poll(client: httpx2.Client, store: S3Store, site: UUID) -> None:
    answer = client.post("/v1/jobs", files={"file": ("hand.png", PNG)})
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}" == job["links"]["self"]
    assert answer.headers["retry-after"] == "1"
    assert job["state"] == "queued"
    assert job["explain"] == ["fracture"]
    assert (job["image"]["rows"], job["image"]["columns"]) == (320, 240)
    assert store.get(image_key(site, hashlib.sha256(PNG).hexdigest())) == PNG

    polled = client.get(answer.headers["location"])
    assert polled.status_code == 200
    assert polled.json() == job
    assert polled.headers["retry-after"] == "1"
    assert client.get(job["links"]["self"], headers={"If-None-Match": polled.headers["etag"]}).status_code == 304
    assert [event["kind"] for event in client.get(job["links"]["events"]).json()["items"]] == ["submitted"]
    assert client.get(job["links"]["result"]).json()["code"] == "result_not_ready"


def test_every_problem_is_a_problem(api: Api, client: httpx2.Client) -> None:
    with httpx2.Client(base_url=api.url, timeout=30) as nobody:
        answers = {
            "not_found": nobody.get("/nowhere/MUSTERMANN"),
            "method_not_allowed": nobody.put("/v1/jobs"),
            "unauthorized": nobody.get("/v1/jobs"),
            "request_invalid": client.get("/v1/jobs", params={"limit": 0}),
        }
        bad_key = nobody.get("/v1/jobs", headers={"X-API-Key": "lcy_aaaaaaaaaaaa.bbb"})
    for code, answer in answers.items():
        assert answer.headers["content-type"] == "application/problem+json", code
        document = answer.json()
        assert document["code"] == code
        assert document["status"] == answer.status_code
        assert document["type"] == f"urn:lucency:problem:{code}"
        assert document["request_id"] == answer.headers["x-request-id"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in answer.headers
    assert [answer.status_code for answer in answers.values()] == [404, 405, 401, 422]
    assert bad_key.status_code == 401
    assert bad_key.headers["www-authenticate"].startswith("Bearer")


def test_the_version_is_told(client: httpx2.Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok", "version": VERSION}
    assert client.get("/", headers={"Accept": "application/json"}).json()["version"] == VERSION
    assert client.get("/openapi.json").json()["info"]["version"] == VERSION


def test_docs_need_no_other_host(client: httpx2.Client) -> None:
    page = client.get("/docs")
    assert page.status_code == 200
    assert "https://" not in page.text
    assert client.get("/static-offline-docs/swagger-ui-bundle.js").status_code == 200


def test_committed_openapi_is_the_app_s() -> None:
    committed = (ROOT / "openapi.json").read_text(encoding="utf-8")
    assert json.loads(committed) == json.loads(openapi_text()), "run: lucency api openapi --out openapi.json"
    assert committed == openapi_text()


def test_the_collector_waits_until_all_is_loaded() -> None:
    script = "import gc, api.app; print([kind['collections'] for kind in gc.get_stats()[1:]])"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[0, 0]"


def test_routes_are_matched_as_they_are(api: Api) -> None:
    """FastAPI reads the signatures of included routers anew with the first request: 0.2 s while a client waits."""
    routes = create_app(api.settings).router.routes
    assert len(routes) > 100
    assert not [route for route in routes if not hasattr(route, "path")]


def test_the_api_loads_no_network_and_no_codec() -> None:
    heavy = ["tensorflow", "keras", "onnxruntime", "openvino", "imagecodecs", "openjpeg", "rle"]
    heavy += ["networks", "trainer", "worker"]
    # Of single sign-on and of reports: whoever asks for them first loads them.
    heavy += ["authlib", "httpx2", "joserfc", "reportlab", "highdicom", "fhir", "pydicom"]
    script = f"import sys, api.app; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
