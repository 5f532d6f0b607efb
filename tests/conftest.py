"""Real servers for all tests, started once a session; a fresh database, bucket and broker number for each test."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sysconfig
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2
import pytest
from pydantic import SecretStr

from core.settings import Settings, inherited_environment
from core.vocabulary import Scope
from lucency.stack.embedded import EmbeddedServers
from lucency.stack.environment import environment_of

if TYPE_CHECKING:
    from db.session import Database
    from storage.s3 import S3Store

ROOT = Path(__file__).parent.parent
TEMPLATE = "template_lucency"
# 32 bytes of no secrecy in URL-safe base64: fixed, so that what is derived from it is the same in every run.
IDENTITY_KEY = "dGhpcyBrZXkgaXMgZm9yIHRlc3RzIGFsb25lISEhISE="
_numbers = itertools.count(1)

# A shell's background job ignores SIGINT, and so would every process that it starts: Ctrl-C could not be tested.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServers]:
    """Running Postgres, Valkey and SeaweedFS in a temporary folder."""
    running = EmbeddedServers(tmp_path_factory.mktemp("servers"), durable=False)
    running.start()
    yield running
    # Nothing in them is wanted any more, and kill is quicker than stop.
    running.kill()
    running.seaweedfs.tidy()


def execute(servers: EmbeddedServers, statement: str) -> None:
    """Run one statement outside any transaction, as CREATE DATABASE asks for."""
    connection = psycopg2.connect(servers.postgres.url("postgres").replace("+psycopg2", ""))
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()


@pytest.fixture(scope="session")
def template_database(servers: EmbeddedServers) -> str:
    """The name of a database with the real migrations applied, by the command that users run."""
    execute(servers, f"CREATE DATABASE {TEMPLATE}")
    command = [str(Path(sysconfig.get_path("scripts")) / "lucency"), "db", "migrate"]
    environment = inherited_environment() | {"LUCENCY_DATABASE_URL": servers.postgres.url(TEMPLATE)}
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"lucency db migrate failed:\n{done.stdout}{done.stderr}"
    return TEMPLATE


@pytest.fixture
def empty_database_url(servers: EmbeddedServers) -> Iterator[str]:
    """The URL of a new database without any table: for tests of the migrations themselves."""
    name = f"empty_{next(_numbers)}"
    execute(servers, f"CREATE DATABASE {name}")
    yield servers.postgres.url(name)
    execute(servers, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def settings(servers: EmbeddedServers, template_database: str, tmp_path: Path) -> Iterator[Settings]:
    """Settings that point at a fresh database, bucket name and broker number; the bucket is made by `store`."""
    number = next(_numbers)
    name = f"test_{number}"
    execute(servers, f"CREATE DATABASE {name} TEMPLATE {template_database} STRATEGY FILE_COPY")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    yield Settings(
        home=tmp_path / "home",
        temporary_folder=temporary,
        database_url=SecretStr(servers.postgres.url(name)),
        database_pool_size=5,
        broker_url=SecretStr(servers.valkey.url(number % 1024)),
        s3_endpoint=servers.seaweedfs.endpoint,
        s3_access_key=servers.credentials.s3_access_key,
        s3_secret_key=SecretStr(servers.credentials.s3_secret_key),
        s3_bucket=f"test-{number}",
        identity_key=SecretStr(IDENTITY_KEY),
        worker_concurrency=1,
    )
    execute(servers, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def settings_env(settings: Settings) -> dict[str, str]:
    """The whole environment for a child process that shall see `settings`."""
    return inherited_environment() | environment_of(settings)


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    from db.session import make_database

    made = make_database(settings, application_name="tests")
    yield made
    made.dispose()


@pytest.fixture
def store(settings: Settings) -> S3Store:
    """The S3 store on this test's own bucket."""
    from storage.s3 import make_store

    made = make_store(settings)
    made.ensure()
    return made


@pytest.fixture
def site(database: Database) -> uuid.UUID:
    """The id of a new Site."""
    from db.repositories.sites import create_site

    with database.unit_of_work() as session:
        made = create_site(session, "Test Site")
        session.flush()
        identifier: uuid.UUID = made.id
    return identifier


@pytest.fixture
def api_key(database: Database, site: uuid.UUID) -> str:
    """An API key of `site` with every scope."""
    from db.repositories.sites import issue_key

    with database.unit_of_work() as session:
        _row, presented = issue_key(session, site_id=site, name="tests", scopes=list(Scope))
    return presented


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small real Bundle: the shipped one, else a tiny random one."""
    shipped = ROOT / "bundles" / "default"
    if (shipped / "bundle.json").exists():
        return shipped
    from tests.bundles import make_bundle

    # Keras' own warnings while saving are not ours to turn into errors.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Path(make_bundle(tmp_path_factory.mktemp("bundle")))


@pytest.fixture(scope="session")
def tiny_bundles(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny random Bundle of a kind of `tests.bundles.KINDS`; each is written once. Do not change it."""
    folder = tmp_path_factory.mktemp("kinds")

    def folder_of(kind: str) -> Path:
        from tests.bundles import KINDS

        if not (folder / kind / "bundle.json").exists():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # as above
                KINDS[kind](folder / kind)
        return folder / kind

    return folder_of
