"""A real uvicorn on the real servers, and what a refusal must leave: nothing."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import httpx2
import pytest
import uvicorn
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import text

from api.app import create_app
from core.passwords import _nobodys
from core.settings import Settings
from db.repositories import model_versions
from db.session import Database
from storage.s3 import S3Store
from tests.data import encoded, generated_radiograph

PNG = encoded(generated_radiograph(320, 240), "PNG")
EXPLAINABLE = ["fracture", "hand"]


@pytest.fixture(scope="package", autouse=True)
def _cheap_hashes() -> Iterator[None]:
    """Passwords are hashed with the least that argon2id takes; what it costs in earnest is tests/core's."""
    with pytest.MonkeyPatch.context() as patch:
        cheap = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),))
        patch.setattr("core.passwords._hasher", lambda: cheap)
        _nobodys.cache_clear()
        yield
    _nobodys.cache_clear()


@dataclass(frozen=True)
class Api:
    """A served application: its address, its settings, and a client with a key of every scope."""

    url: str
    port: int
    settings: Settings
    key: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    def client(self, key: str | None = None) -> httpx2.Client:
        return httpx2.Client(base_url=self.url, headers={"Authorization": f"Bearer {key or self.key}"}, timeout=30)


@contextlib.contextmanager
def serve(settings: Settings) -> Iterator[tuple[str, int]]:
    """The application in a uvicorn of this process."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    config = uvicorn.Config(create_app(settings), log_config=None, access_log=False, timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    end = time.monotonic() + 20
    while not server.started:
        assert thread.is_alive()
        assert time.monotonic() < end, "the API did not start"
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}", port
    finally:
        server.should_exit = True
        thread.join(timeout=20)
        listener.close()
        assert not thread.is_alive()


def register_model(database: Database) -> UUID:
    """An active ModelVersion of two explainable labels."""
    with database.unit_of_work() as session:
        row = model_versions.register(
            session,
            name="test",
            version="1",
            digest="d" * 64,
            labels=["fracture", "hand", "leg"],
            explainable=EXPLAINABLE,
            manifest={"explanation": {"default": ["fracture"]}},
            activate=True,
        )
        return row.id


@pytest.fixture
def model(database: Database) -> UUID:
    return register_model(database)


@pytest.fixture
def api(settings: Settings, store: S3Store, api_key: str, model: UUID) -> Iterator[Api]:
    with serve(settings) as (url, port):
        yield Api(url=url, port=port, settings=settings, key=api_key)


@pytest.fixture
def client(api: Api) -> Iterator[httpx2.Client]:
    with api.client() as made:
        yield made


@dataclass(frozen=True)
class Leftovers:
    """What a request can leave behind."""

    objects: tuple[str, ...]
    files: tuple[str, ...]
    rows: dict[str, int]


def open_unlinked(folder: Path) -> list[str]:
    """Files of `folder` that this process holds open without a name (a spool is one)."""
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            target = str(descriptor.readlink())
            if target.startswith(str(folder)):
                found.append(target)
    return found


@dataclass(frozen=True)
class Trace:
    """Looks at the store, the temporary folder and the tables."""

    settings: Settings
    database: Database
    store: S3Store

    def look(self) -> Leftovers:
        folder = self.settings.temporary_folder
        assert folder is not None
        with self.database.unit_of_work() as session:
            rows = {
                table: session.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
                for table in ("image", "study", "job", "job_event", "prediction")
            }
        return Leftovers(
            objects=tuple(found.key for found in self.store.list("")),
            files=tuple(path.name for path in folder.iterdir()) + tuple(open_unlinked(folder)),
            rows=rows,
        )

    @contextlib.contextmanager
    def nothing_left(self) -> Iterator[None]:
        """What the block does changes neither objects, files nor rows."""
        before = self.look()
        yield
        end = time.monotonic() + 5
        # A client that went away is noticed a moment later.
        while (after := self.look()) != before and time.monotonic() < end:
            time.sleep(0.05)
        assert after == before


@pytest.fixture
def trace(settings: Settings, database: Database, store: S3Store) -> Trace:
    return Trace(settings, database, store)
