"""Multipart, zip and presigned uploads: the same outcomes as one PUT each, and nothing left of what is refused."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import text

from core.settings import Settings
from db.session import Database
from storage.s3 import S3Store
from tests.api.batches.conftest import BROKEN, JSON, Files, end, items, look, made, picture, put, sha256_of
from tests.api.conftest import Api, Trace, serve
from tests.api.test_intake import END, FORM, ROOT, free_port, part
from tests.api.test_memory import wait_until_served
from worker.maintenance import reconciler

MEBIBYTE = 1024 * 1024


def zip_of(*contents: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("folder")
        for number, content in enumerate(contents):
            archive.writestr(f"folder/{number}", content)
    return buffer.getvalue()


@pytest.fixture
def batch(client: httpx2.Client) -> JSON:
    """Three pictures, one of them twice, one broken file and an empty one."""
    files = Files().add("a", picture(1)).add("b", picture(2)).add("c", picture(1)).add("d", BROKEN).add("e", b"")
    return made(client, files.add("f", picture(3)))


SENT = [picture(1), BROKEN, picture(9), picture(2), picture(1), b""]
EXPECTED = [
    ("job", None), ("rejected", "type_unsupported"), ("awaiting", "not_in_manifest"), ("job", None), ("job", None),
    ("rejected", "upload_empty"),
]  # fmt: skip


def check(client: httpx2.Client, batch: JSON, answer: httpx2.Response) -> None:
    assert answer.status_code == 200, answer.text
    results = answer.json()["results"]
    assert [(one["state"], one["code"]) for one in results] == EXPECTED
    assert [one["sha256"] for one in results] == [sha256_of(content) for content in SENT]
    assert results[0]["job"] == results[4]["job"]
    assert look(client, batch)["counts"] == {"awaiting": 1, "job": 2, "rejected": 2, "duplicate": 1}


def test_many_files(client: httpx2.Client, batch: JSON) -> None:
    path = f"/v1/batches/{batch['id']}/files"
    files = [("file", (f"name {number}", content)) for number, content in enumerate(SENT)]
    check(client, batch, client.post(path, files=files))
    check(client, batch, client.post(path, files=files))  # again: nothing changes
    assert end(client, batch)["counts"]["rejected"] == 3
    late = client.post(path, files=[("file", ("f", picture(3))), ("file", ("a", picture(1)))]).json()["results"]
    assert [(one["state"], one["code"]) for one in late] == [("rejected", "not_received"), ("job", None)]


def test_many_files_malformed(client: httpx2.Client, batch: JSON, trace: Trace) -> None:
    """What was complete is taken; the rest is for another try."""
    path = f"/v1/batches/{batch['id']}/files"
    with trace.nothing_left():
        for body in (
            b"",
            END,
            part("image", picture(1), filename="a") + END,
            part("file", b"x" * 50, filename="a")[:-9],
        ):
            assert client.post(path, content=body, headers=FORM).status_code == 400
    body = part("file", picture(1), filename="a") + part("file", picture(2), filename="b")
    assert client.post(path, content=body[:-40], headers=FORM).json()["code"] == "multipart_malformed"
    assert look(client, batch)["counts"]["job"] == 1


def test_too_large(settings: Settings, store: S3Store, api_key: str, model: UUID, trace: Trace) -> None:
    """A file beyond the limit is rejected whatever the way it comes, and its neighbours are not."""
    small = settings.model_copy(update={"upload_bytes": 100_000})
    with serve(small) as (url, port):
        client = Api(url, port, small, api_key).client()
        contents = [os.urandom(200_000), os.urandom(150_000), os.urandom(300_000), picture(1), picture(2)]
        files = Files()
        for number, content in enumerate(contents):
            files.add(f"{number}", content)
        batch = made(client, files)
        path = f"/v1/batches/{batch['id']}"
        assert put(client, batch, contents[0]).json()["code"] == "upload_too_large"
        parts = [("file", ("a", contents[1])), ("file", ("b", contents[3]))]
        results = client.post(f"{path}/files", files=parts).json()["results"]
        assert [one["code"] for one in results] == ["upload_too_large", None]
        results = client.post(f"{path}/archive", content=zip_of(contents[2], contents[4])).json()["results"]
        assert [one["code"] for one in results] == ["upload_too_large", None]
        assert look(client, batch)["counts"] == {"awaiting": 0, "job": 2, "rejected": 3, "duplicate": 0}
        client.close()
    assert trace.look().files == ()


@pytest.mark.parametrize("way", ["raw", "form"])
def test_zip(client: httpx2.Client, batch: JSON, trace: Trace, way: str) -> None:
    path, data = f"/v1/batches/{batch['id']}/archive", zip_of(*SENT)
    for _ in range(2):
        if way == "raw":
            answer = client.post(path, content=data, headers={"Content-Type": "application/zip"})
        else:
            answer = client.post(path, files={"file": ("a.zip", data)})
        check(client, batch, answer)
    assert trace.look().files == ()


def test_unsafe_zip(client: httpx2.Client, batch: JSON, trace: Trace) -> None:
    """All or nothing: one bad entry behind a good one, and the good one is not taken."""
    path = f"/v1/batches/{batch['id']}/archive"
    bomb, link = zip_of(picture(1), bytes(20 * MEBIBYTE)), io.BytesIO(zip_of(picture(1)))
    with zipfile.ZipFile(link, "a") as archive:
        info = zipfile.ZipInfo("link")
        info.create_system, info.external_attr = 3, 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    with trace.nothing_left():
        for data in (bomb, link.getvalue(), zip_of(picture(1), zip_of(picture(2))), zip_of(picture(1))[:-3], b"no zip"):
            answer = client.post(path, content=data)
            assert (answer.status_code, answer.json()["code"]) == (422, "archive_unsafe")
        assert client.post(path, content=b"").json()["code"] == "upload_empty"
    assert look(client, batch)["counts"]["awaiting"] == 6


def send_to_store(post: JSON, content: bytes) -> int:
    return httpx2.post(post["url"], data=post["fields"], files={"file": ("file", content)}, timeout=30).status_code


def test_presigned(client: httpx2.Client, batch: JSON, store: S3Store, settings: Settings, database: Database) -> None:
    path = f"/v1/batches/{batch['id']}/uploads"
    names = [sha256_of(content) for content in (picture(1), picture(2), BROKEN, picture(3), b"", picture(9))]
    answer = client.post(path, json={"sha256": names}).json()
    posts = {post["sha256"]: post for post in answer["items"]}
    # An empty file cannot go by this way, and what the manifest lacks may not.
    assert list(posts) == names[:4]
    assert datetime.fromisoformat(answer["expires_at"]) > datetime.now(UTC)

    assert client.post(f"{path}/{names[0]}/received").json()["code"] == "upload_missing"
    assert send_to_store(posts[names[0]], picture(1)) == 204
    first = client.post(f"{path}/{names[0]}/received")
    assert (first.status_code, first.json()["state"]) == (201, "job")
    assert client.post(f"{path}/{names[0]}/received").json() == first.json()
    # The form is for this size and this key only.
    assert send_to_store(posts[names[1]], picture(2) + b"x") == 400
    elsewhere = posts[names[1]] | {"fields": posts[names[1]]["fields"] | {"key": "in/elsewhere"}}
    assert send_to_store(elsewhere, picture(2)) == 403
    altered = bytes(len(picture(2)))
    assert send_to_store(posts[names[1]], altered) == 204
    assert client.post(f"{path}/{names[1]}/received").json()["code"] == "not_in_manifest"
    assert send_to_store(posts[names[2]], BROKEN) == 204
    assert client.post(f"{path}/{names[2]}/received").json()["code"] == "type_unsupported"
    assert list(store.list("staging/")) == []

    assert send_to_store(posts[names[3]], picture(3)) == 204  # and never told of
    assert end(client, batch)["counts"] == {"awaiting": 0, "job": 1, "rejected": 4, "duplicate": 1}
    assert client.post(path, json={"sha256": names}).json()["code"] == "batch_closed"
    young = reconciler.reconcile(database, store, settings)
    old = reconciler.reconcile(database, store, settings.model_copy(update={"orphan_age": 0.001}))
    assert (young.removed_uploads, old.removed_uploads) == (0, 1)
    assert list(store.list("staging/")) == []


def test_killed(
    settings: Settings, settings_env: dict[str, str], store: S3Store, api_key: str, model: UUID, database: Database
) -> None:
    """kill -9 of the API in the middle: the client begins again with `needed`, and all adds up."""
    port = free_port()
    api = Api(f"http://127.0.0.1:{port}", port, settings, api_key)
    contents = [picture(number) for number in range(60)] + [BROKEN + bytes([number]) for number in range(5)]
    files = Files()
    for number, content in enumerate([*contents, *contents[:10]]):
        files.add(f"{number}", content)
    by_name = {sha256_of(content): content for content in contents}
    child = start(settings_env, port)
    try:
        wait_until_served(api)
        with api.client() as client:
            batch = made(client, files)
        accepted: list[str] = []
        sender = threading.Thread(target=send_all, args=(api, batch, by_name, accepted))
        sender.start()
        wait_for_more(accepted, 8)
        child.send_signal(signal.SIGKILL)
        child.wait()
        sender.join()
        assert len(accepted) < 60
        child = start(settings_env, port)
        wait_until_served(api)
        send_all(api, batch, by_name, accepted)
        with api.client() as client:
            assert end(client, batch)["counts"] == {"awaiting": 0, "job": 60, "rejected": 5, "duplicate": 10}
            jobs = {item["job"] for item in items(client, batch) if item["state"] == "job"}
            assert set(accepted) <= jobs
    finally:
        child.kill()
        child.wait()
    with database.unit_of_work() as session:
        assert session.execute(text("SELECT count(*) FROM job")).scalar_one() == 60
        assert session.execute(text("SELECT count(*) FROM image")).scalar_one() == 60


def start(environment: dict[str, str], port: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "uvicorn", "--factory", "api.app:create_app", "--port", str(port)]
    return subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wait_for_more(accepted: list[str], number: int) -> None:
    limit = time.monotonic() + 30
    while len(accepted) < number:
        assert time.monotonic() < limit, "the API takes nothing"
        time.sleep(0.005)


def send_all(api: Api, batch: JSON, by_name: dict[str, bytes], accepted: list[str]) -> None:
    """One PUT after the other of what is needed; ends when the API is gone."""
    try:
        with api.client() as client:
            for name in client.get(f"/v1/batches/{batch['id']}/needed?limit=1000").json()["items"]:
                answer = client.put(f"/v1/batches/{batch['id']}/files/{name}", content=by_name[name])
                if answer.status_code in {200, 201}:
                    accepted.append(answer.json()["job"])
    except httpx2.TransportError:
        return


def test_spools_are_nameless(tmp_path: Path) -> None:
    from api.uploads.spool import Scratch

    with Scratch(tmp_path, limit=10) as scratch:
        scratch.write(b"12345")
        assert list(tmp_path.iterdir()) == []
        with scratch.reading() as file:
            assert file.read() == b"12345"
