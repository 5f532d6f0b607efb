"""`/v1/samples`: real radiographs of the wheel, the files of a folder, or nothing."""

from __future__ import annotations

import io
from pathlib import Path

import httpx2
import pytest
from PIL import Image

from core.settings import Settings
from core.vocabulary import Scope
from db.repositories.sites import issue_key
from db.session import Database
from storage.s3 import S3Store
from tests.api.conftest import serve
from tests.data import encoded, generated_radiograph


def test_the_wheels_samples_are_taken_as_any_upload(client: httpx2.Client) -> None:
    items = {item["name"]: item for item in client.get("/v1/samples").json()["items"]}
    assert set(items) == {"lower-leg", "lower-leg-picture", "chest", "head-mr"}
    taken = {}
    for name in ("lower-leg", "lower-leg-picture", "head-mr"):
        file = client.get(items[name]["links"]["file"])
        assert file.status_code == 200
        upload = (items[name]["file_name"], file.content, file.headers["content-type"])
        answer = client.post("/v1/jobs", files={"file": upload}).json()
        taken[name] = answer["image"]["media_kind"] if "image" in answer else answer["code"]
        assert taken[name] in {items[name]["media_kind"], "not_applicable"}
    assert taken == {"lower-leg": "dicom", "lower-leg-picture": "png", "head-mr": "not_applicable"}


def test_thumbnails(client: httpx2.Client) -> None:
    for item in client.get("/v1/samples").json()["items"]:
        if item["name"] == "head-mr":
            assert item["links"]["thumbnail"] is None
            continue
        answer = client.get(item["links"]["thumbnail"])
        picture = Image.open(io.BytesIO(answer.content))
        assert (answer.headers["content-type"], picture.format, max(picture.size)) == ("image/jpeg", "JPEG", 224)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("hip 1.png", "hand.PNG", ".hidden.png", "notes.pdf"):
        (tmp_path / name).write_bytes(encoded(generated_radiograph(320, 240), "PNG"))
    (tmp_path / "hip 1.png.txt").write_text("A hip\nSeen from\nthe front.", encoding="utf-8")
    (tmp_path / "inner.png").mkdir()
    (tmp_path / "large.png").write_bytes(b"x" * 5000)
    return tmp_path


def test_a_folder_of_ones_own(settings: Settings, store: S3Store, api_key: str, folder: Path) -> None:
    limits = {"samples_folder": folder, "upload_bytes": (folder / "hand.PNG").stat().st_size}
    (folder / "large.png").write_bytes(b"x" * (limits["upload_bytes"] + 1))
    with serve(settings.model_copy(update=limits)) as (url, _port), client_of(url, api_key) as client:
        items = client.get("/v1/samples").json()["items"]
        assert [(item["name"], item["title"], item["description"]) for item in items] == [
            ("hand.PNG", "hand", ""),
            ("hip 1.png", "A hip", "Seen from the front."),
        ]
        assert client.get(items[1]["links"]["file"]).content == (folder / "hip 1.png").read_bytes()
        assert client.get(items[1]["links"]["thumbnail"]).status_code == 200
        for name in ("notes.pdf", ".hidden.png", "large.png", "..%2F..%2Fetc%2Fpasswd", "lower-leg"):
            assert client.get(f"/v1/samples/{name}").status_code == 404


def test_none_where_there_is_no_folder(settings: Settings, store: S3Store, api_key: str, tmp_path: Path) -> None:
    away = settings.model_copy(update={"samples_folder": tmp_path / "away"})
    with serve(away) as (url, _port), client_of(url, api_key) as client:
        assert client.get("/v1/samples").json() == {"items": []}


def test_who_may_not_submit_needs_no_samples(
    settings: Settings, store: S3Store, database: Database, client: httpx2.Client, api_key: str
) -> None:
    with database.unit_of_work() as session:
        site_id = client.get("/v1/site").json()["id"]
        _row, reader = issue_key(session, site_id=site_id, name="reader", scopes=[Scope.READ])
    answer = client.get("/v1/samples", headers={"Authorization": f"Bearer {reader}"})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def client_of(url: str, key: str) -> httpx2.Client:
    return httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=30)
