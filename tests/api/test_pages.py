"""The web application's files as the API serves them, and the headers that surround every answer."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from api.web_application import NONCE
from core.settings import Settings
from tests.api.conftest import serve

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
DOCUMENT = f'<!doctype html><meta property="csp-nonce" nonce="{NONCE}"><script src="/assets/a-1.js" nonce="{NONCE}">'
SCRIPT = b"console.log('a radiograph');" * 100


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a build leaves."""
    made = tmp_path / "dist"
    for name, content in {
        "index.html": DOCUMENT.encode(),
        "icon.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "assets/a-1.js": SCRIPT,
        "assets/a-1.js.gz": gzip.compress(SCRIPT),
        ".vite/manifest.json": b"{}",
    }.items():
        file = made / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    (tmp_path / "secret.txt").write_text("hush")
    return made


@pytest.fixture
def client(settings: Settings, folder: Path) -> Iterator[httpx2.Client]:
    changed = {"ui_folder": folder, "public_url": "https://lucency.example"}
    with serve(settings.model_copy(update=changed)) as (url, _port), httpx2.Client(base_url=url, timeout=30) as made:
        yield made


def test_every_address_is_the_page_with_a_nonce_of_its_own(client: httpx2.Client) -> None:
    seen = set()
    for path in ("/", "/login?next=%2Fjobs", "/jobs/018f/view", "/admin/overview"):
        page = client.get(path, headers=HTML)
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert page.headers["cache-control"] == "no-store"
        policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
        (nonce,) = re.findall(r"'nonce-([\w-]{20,})'", policy["style-src"])
        assert page.text.count(f'nonce="{nonce}"') == 2
        assert NONCE not in page.text
        assert (policy["default-src"], policy["script-src"]) == ("'none'", "'self'")
        assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert "unsafe" not in page.headers["content-security-policy"]
        seen.add(nonce)
    assert len(seen) == 4


def test_assets_are_kept_for_ever_and_come_packed(client: httpx2.Client) -> None:
    packed = client.get("/assets/a-1.js", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert (packed.content, packed.headers["content-type"].partition(";")[0]) == (SCRIPT, "text/javascript")
    assert int(packed.headers["content-length"]) < len(SCRIPT) / 10
    assert packed.headers["cache-control"] == "public, max-age=31536000, immutable"
    plain = client.get("/assets/a-1.js", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == SCRIPT
    assert client.get("/icon.svg").headers["content-type"].startswith("image/svg+xml")


NO_PAGES = (
    "/assets/gone.js",
    "/assets/%2e%2e/%2e%2e/secret.txt",
    "/..%2fsecret.txt",
    "/.vite/manifest.json",
    "/assets/a-1.js.gz",
    "/v1/nothing",
    "/dicom-web/nothing",
)


def test_what_is_no_page(client: httpx2.Client) -> None:
    for path in NO_PAGES:
        for headers in (HTML, {"Accept": "application/json"}):
            answered = client.get(path, headers=headers)
            assert "hush" not in answered.text
            if path.startswith(("/assets/", "/v1/", "/dicom-web/")) or "json" in headers["Accept"]:
                assert answered.status_code == 404, path
                assert answered.json()["code"] == "not_found", path


def test_programs_get_no_page(client: httpx2.Client) -> None:
    assert client.get("/").json()["name"] == "Lucency"
    assert client.get("/jobs").json()["code"] == "not_found"
    assert client.post("/jobs", headers=HTML).status_code == 404
    assert client.get("/assets/a-1.js").status_code == 200


def test_the_headers_of_every_answer(client: httpx2.Client) -> None:
    for path, status in (("/", 200), ("/icon.svg", 200), ("/v1/jobs", 401), ("/healthz", 200), ("/nothing", 404)):
        answered = client.get(path)
        assert answered.status_code == status
        headers = answered.headers
        assert headers["strict-transport-security"] == "max-age=31536000"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        if "json" in headers["content-type"]:
            assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert client.get("/v1/jobs").headers["cache-control"] == "no-store"
    documentation = client.get("/docs").headers["content-security-policy"]
    assert "default-src 'none'" in documentation
    assert "http" not in documentation


def test_a_tree_without_a_build_says_so(settings: Settings, tmp_path: Path) -> None:
    with (
        serve(settings.model_copy(update={"ui_folder": tmp_path})) as (url, _port),
        httpx2.Client(base_url=url, timeout=30) as one,
    ):
        page = one.get("/", headers=HTML)
        assert page.status_code == 503
        assert "make ui" in page.text
        assert "strict-transport-security" not in page.headers
        assert one.get("/").json()["name"] == "Lucency"
        # It is served as soon as it is there.
        (tmp_path / "index.html").write_text(DOCUMENT)
        assert one.get("/", headers=HTML).status_code == 200
