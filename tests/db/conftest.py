"""A Postgres of its own, for tests that kill it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import psutil
import pytest
from alembic import command
from pydantic import SecretStr

from core.settings import Settings
from db.commands import alembic_config
from db.session import Database, make_database
from lucency.stack.servers import Credentials, Postgres


@dataclass(frozen=True)
class Mortal:
    """A migrated Postgres that may be killed, and a Database on it; `start` brings it back on the same port."""

    server: Postgres
    database: Database

    @property
    def url(self) -> str:
        return self.server.url()

    def start(self) -> None:
        self.server.start()
        self.server.wait_ready()

    def kill(self) -> None:
        """kill -9 of all its processes: a backend that outlived the first of them could still answer a COMMIT."""
        assert self.server.pid is not None
        backends = psutil.Process(self.server.pid).children(recursive=True)
        self.server.kill()
        for backend in backends:
            with contextlib.suppress(psutil.NoSuchProcess):
                backend.kill()
        psutil.wait_procs(backends, timeout=10)


@pytest.fixture(scope="session")
def mortal_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    home = tmp_path_factory.mktemp("mortal")
    # Durable: what was committed must survive the kill, or "nothing half-written" would prove nothing.
    server = Postgres(home, Credentials.of(home))
    server.start()
    server.wait_ready()
    command.upgrade(alembic_config(server.url()), "head")
    yield server
    server.kill()


@pytest.fixture
def mortal(mortal_server: Postgres) -> Iterator[Mortal]:
    settings = Settings(database_url=SecretStr(mortal_server.url()))
    made = Mortal(mortal_server, make_database(settings, application_name="mortal", pool_size=3))
    made.start()
    yield made
    made.database.dispose()
