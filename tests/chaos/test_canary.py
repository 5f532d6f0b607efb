"""No patient data anywhere but sealed: a radiograph full of canaries goes through every process, then every sink is
searched, down to the servers' files on the disk. Then its patient is erased, and nothing of it is left.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import psycopg2
import pytest
import redis

from tests.chaos.harness import Platform
from tests.imaging.encodings import NATIVE
from tests.imaging.phi import CANARIES, CANARY, WORD, plant
from tests.worker.deliveries.receiver import receiving

DX = "1.2.840.10008.5.1.4.1.1.1.1"
PROCESSES = ("api", "services", "beat", "worker-a")
# Fixed: what is written of erased rows may lie in a dead page until Postgres cleans it.
ERASED_TABLES_KEEP = ("audit_record", "audit_head")


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory, bundle: Path) -> Iterator[Platform]:
    """A platform that may send webhooks to this machine, and stores a copy beside each file."""
    made = Platform(tmp_path_factory.mktemp("private"), bundle, delivery_private_addresses=True, reduced_from=1)
    yield made
    made.close()


def leaks(data: bytes) -> list[str]:
    return [canary.decode() for canary in CANARIES if canary in data]


def rows(platform: Platform) -> Iterator[tuple[str, bytes]]:
    """Every row of every table as bytes: texts as they are, binary columns raw."""
    url = platform.settings.database_url.get_secret_value().replace("+psycopg2", "")
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for (table,) in cursor.fetchall():
            cursor.execute(f"SELECT * FROM {table}")  # names of our own tables
            for row in cursor:
                cells = (bytes(cell) if isinstance(cell, memoryview) else str(cell).encode() for cell in row)
                yield table, b"\0".join(cells)
    connection.close()


def broker_content(platform: Platform) -> bytes:
    """Every key of the broker with its value, in any type."""
    with redis.Redis.from_url(platform.settings.broker_url.get_secret_value()) as client:
        keys = client.keys("*")
        return b"\0".join(key + b"\0" + (client.dump(key) or b"") for key in keys)


def on_disk(platform: Platform) -> Iterator[tuple[str, bytes]]:
    """Every file of the servers and of the logs, whole."""
    for path in sorted(platform.home.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield str(path.relative_to(platform.home)), path.read_bytes()


def objects(platform: Platform) -> Iterator[tuple[str, bytes]]:
    for entry in platform.store.list(""):
        yield entry.key, entry.key.encode() + platform.store.get(entry.key)


def erase(platform: Platform, *arguments: str, stdin: str = "") -> dict[str, Any]:
    command = [sys.executable, "-m", "lucency.commands", "erase", "--site", "Chaos", "--yes", "--json", *arguments]
    done = subprocess.run(command, env=platform.environment(), input=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert leaks((done.stdout + done.stderr).encode()) == []
    receipt: dict[str, Any] = json.loads(done.stdout)
    return receipt


def test_canaries_reach_no_sink_and_erasure_leaves_nothing(private: Platform, tmp_path: Path) -> None:
    private.start(*PROCESSES)
    data = plant(NATIVE[1], DX).data
    broken = plant(NATIVE[1], DX, Modality="CT", SOPInstanceUID="1.2.826.0.1.777.5").data
    answers: list[bytes] = []
    headers = {"Authorization": f"Bearer {private.key}"}

    def call(method: str, path: str, status: int, **options: Any) -> Any:
        answer = client.request(method, path, **options)
        assert answer.status_code == status, answer.text
        answers.append(repr(answer.headers.raw).encode() + answer.content)
        return answer.json() if "json" in answer.headers["content-type"] else None

    with (
        receiving() as receiver,
        httpx2.Client(base_url=private.address, headers=headers, timeout=30) as client,
    ):
        rule = {"name": "hook", "kind": "webhook", "target": {"url": receiver.url}}
        call("POST", "/v1/delivery-rules", 201, json=rule)
        file = {"file": (f"{WORD}^PATIENT 19420117.dcm", data)}
        job = call("POST", "/v1/jobs", 202, files=file)["id"]
        call("POST", "/v1/jobs", 422, files={"file": (f"{WORD}.dcm", broken)})
        call("POST", "/v1/jobs", 422, files={"file": (f"{WORD}.dcm", data[: len(data) // 2])})
        manifest = {"files": [{"path": f"{WORD}/19420117.dcm", "sha256": hashlib.sha256(data).hexdigest()}]}
        batch = call("POST", "/v1/batches", 201, json=manifest)["id"]
        private.until(lambda: client.get(f"/v1/jobs/{job}").json()["state"] == "succeeded", what="the job")
        private.until(lambda: receiver.received, what="the webhook")
        for path in (f"/v1/jobs/{job}", f"/v1/jobs/{job}/result", f"/v1/jobs/{job}/events", "/v1/jobs", "/v1/studies"):
            call("GET", path, 200)
        call("GET", f"/v1/batches/{batch}", 200)
        call("GET", "/metrics", 200)
        hooks = repr(receiver.received)

    assert len(CANARY) > 4
    assert all(canary in data for canary in CANARIES)
    assert [leaks(answer) for answer in answers if leaks(answer)] == []
    assert leaks(hooks.encode()) == []
    assert leaks(broker_content(private)) == []
    assert [table for table, row in rows(private) if leaks(row)] == []
    stored = dict(objects(private))
    assert [key for key, content in stored.items() if leaks(content)] == []
    assert any(key.startswith("in/") for key in stored)
    assert any(key.startswith("reduced/") for key in stored)
    found = [(name, leaks(content)) for name, content in on_disk(private) if leaks(content)]
    assert found == []

    check_erasure(private, job, tmp_path)


def check_erasure(platform: Platform, job: str, tmp_path: Path) -> None:
    rehearsal = erase(platform, "--patient", "-", "--dry-run", stdin=f"{WORD}\n")
    assert rehearsal["totals"]["images"] == 1
    held = {entry["key"] for image in rehearsal["images"] for entry in image["objects"]}
    assert held == {key for key, _ in objects(platform) if key.startswith(("in/", "out/", "reduced/"))}
    receipt = erase(platform, "--patient", "-", "--receipt", str(tmp_path / "receipt.json"), stdin=f"{WORD}\n")
    assert json.loads((tmp_path / "receipt.json").read_text()) == receipt
    canonical = {name: value for name, value in receipt.items() if name != "sha256"}
    encoded = json.dumps(canonical, sort_keys=True, separators=(",", ":")).encode()
    assert hashlib.sha256(encoded).hexdigest() == receipt["sha256"]
    (image,) = receipt["images"]
    assert {entry["key"] for entry in image["objects"]} == held
    assert job in image["jobs"]
    assert {"image", "job", "job_event", "prediction", "finding", "sealed_identity", "study"} <= set(image["rows"])
    assert [key for key, _ in objects(platform) if key.startswith(("in/", "out/", "reduced/"))] == []
    gone = [UUID(job).hex, image["image"], image["stored_sha256"], image["received_sha256"], *image["jobs"]]
    left = [
        table
        for table, row in rows(platform)
        if table not in ERASED_TABLES_KEEP and any(name.encode() in row for name in gone)
    ]
    assert left == []
    assert platform.status("/healthz") == 200
