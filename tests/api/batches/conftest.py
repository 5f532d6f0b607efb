"""Batches of small generated radiographs, and a worker's part played by the repositories' own functions."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx2
import pytest

from core.vocabulary import Decision
from db.repositories import jobs
from db.repositories.jobs import FindingRecord
from db.session import Database
from storage.s3 import S3Store
from tests.data import encoded, generated_radiograph
from tests.factories import HEATMAP, make_outcome

JSON = dict[str, Any]


def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def picture(number: int) -> bytes:
    """A PNG that no other number has."""
    return encoded(generated_radiograph(64, 48, seed=number))


BROKEN = b"this is no radiograph at all, and never was one"


@dataclass
class Files:
    """A manifest's files in order, by path."""

    contents: dict[str, bytes] = field(default_factory=dict)

    def add(self, path: str, content: bytes) -> Files:
        self.contents[path] = content
        return self

    @property
    def manifest(self) -> JSON:
        return {
            "files": [
                {"path": path, "sha256": sha256_of(content), "size": len(content)}
                for path, content in self.contents.items()
            ]
        }


def made(client: httpx2.Client, files: Files, **more: Any) -> JSON:
    answer = client.post("/v1/batches", json=files.manifest | more)
    assert answer.status_code == 201, answer.text
    found: JSON = answer.json()
    assert answer.headers["location"] == f"/v1/batches/{found['id']}"
    return found


def put(client: httpx2.Client, batch: JSON, content: bytes, *, name: str | None = None) -> httpx2.Response:
    return client.put(f"/v1/batches/{batch['id']}/files/{name or sha256_of(content)}", content=content)


def look(client: httpx2.Client, batch: JSON) -> JSON:
    """The batch as it is now; that it adds up is checked each time."""
    found: JSON = client.get(f"/v1/batches/{batch['id']}").json()
    assert sum(found["counts"].values()) == found["files"]
    assert sum(found["jobs"].values()) == found["counts"]["job"]
    rejected = [one["count"] for one in found["failures"] if one["stage"] == "rejected"]
    assert sum(rejected) == found["counts"]["rejected"]
    return found


def end(client: httpx2.Client, batch: JSON, verb: str = "complete") -> JSON:
    answer = client.post(f"/v1/batches/{batch['id']}/{verb}")
    assert answer.status_code == 200, answer.text
    found = look(client, batch)
    assert found["state"] == "closed"
    assert found["counts"]["awaiting"] == 0
    return found


def items(client: httpx2.Client, batch: JSON, **query: Any) -> list[JSON]:
    found: list[JSON] = client.get(f"/v1/batches/{batch['id']}/items", params={"limit": 1000} | query).json()["items"]
    return found


@dataclass(frozen=True)
class Judge:
    """Runs every job that is due, as a worker would, and always the same opinion."""

    database: Database
    store: S3Store
    model: UUID

    def all(self, *, fail: int = 0) -> int:
        """How many; the first `fail` of them fail."""
        from core.errors import DecodeFailed

        with self.database.unit_of_work() as session:
            claims = jobs.claim(session, owner="tests", limit=10_000, lease_s=60.0)
        for number, claim in enumerate(claims):
            with self.database.unit_of_work() as session:
                if number < fail:
                    jobs.fail(session, claim, error=DecodeFailed())
                    continue
                finding = FindingRecord(
                    "fracture", 0.7, 0.5, Decision.POSITIVE.value, HEATMAP,
                    [{"x": 10.0, "y": 20.0, "width": 30.0, "height": 40.0, "score": 0.8}],
                )  # fmt: skip
                outcome = make_outcome(claim, self.model, findings=(finding,), rows=64, columns=48)
                assert jobs.succeed(session, [outcome])
        return len(claims)


@pytest.fixture
def judge(database: Database, store: S3Store, model: UUID) -> Judge:
    return Judge(database, store, model)
