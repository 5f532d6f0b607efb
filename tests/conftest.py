"""Real servers for all tests, started once a run; a fresh database, bucket and broker number for each test."""

from __future__ import annotations

import contextlib
import fcntl
import gc
import itertools
import os
import shutil
import signal
import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis
import structlog
from pydantic import SecretStr

from core.settings import Settings, inherited_environment
from core.vocabulary import Scope
from lucency.stack import ports
from lucency.stack.environment import environment_of
from tests import schedule
from tests.servers import TEMPLATE, execute, found, held

if TYPE_CHECKING:
    from db.session import Database
    from lucency.stack.embedded import EmbeddedServers
    from storage.s3 import S3Store

ROOT = Path(__file__).parent.parent
BROKER_NUMBERS = 1024
# 32 bytes of no secrecy in URL-safe base64: fixed, so that what is derived from it is the same in every run.
IDENTITY_KEY = "dGhpcyBrZXkgaXMgZm9yIHRlc3RzIGFsb25lISEhISE="
# Workers run side by side (pytest-xdist): which of how many this process is.
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
INDEX = int(WORKER.removeprefix("gw")) % WORKERS
HELD = pytest.StashKey[Path]()
# Whoever runs the tests many times (tests.mutants) holds servers for all runs, and says where.
SERVERS_HOME = "LUCENCY_TEST_SERVERS"
# No test speaks TLS with the world, and every HTTP client reads whom it trusts: 25 ms for the usual authorities.
os.environ["SSL_CERT_FILE"] = str(Path(__file__).parent / "nobody.pem")
# What the servers may leave in memory during a run, with much to spare.
MEMORY_WANTED = 8 << 30
_numbers = itertools.count(1)

# A port is free when it is chosen and taken a moment later: no two workers choose from the same, and none from where
# the programs choose that tests start.
_first, _share = 10_000, 10_000 // WORKERS
ports.FIRST_PORT = _first + INDEX * _share
ports.LAST_PORT = ports.FIRST_PORT + _share - 1

# A shell's background job ignores SIGINT, and so would every process that it starts: Ctrl-C could not be tested.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--pictures", action="store_true", help="keep how every page looks, in artefacts/browser")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Tests wait more than they calculate: for a process, a lease, an answer."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(2 * cores, 8)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> schedule.Units:
    config.option.loadscopereorder = False
    return schedule.Units(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """One set of servers for all workers; it starts while they collect, and ends with the run."""
    config: pytest.Config = node.config
    if HELD not in config.stash:
        folder = Path(tempfile.mkdtemp(prefix="lucency-tests-", dir=_quick_folder()))
        holding = contextlib.ExitStack()
        holding.callback(shutil.rmtree, folder, ignore_errors=True)
        holding.enter_context(held(folder))
        config.stash[HELD] = folder
        config.add_cleanup(holding.close)
    node.workerinput["servers"] = str(config.stash[HELD])


def _quick_folder() -> str | None:
    """Memory, for the servers' files: to copy a database, as each test does, costs half there. None: no room."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() and shutil.disk_usage(memory).free > MEMORY_WANTED else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: schedule.turn_of(item.nodeid))


def pytest_collection_finish() -> None:
    # What was imported stays: no collection of garbage looks at it again.
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _plain_tracebacks() -> None:
    """Errors that tests provoke are logged in a few lines; drawn with all variables each takes a second."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
        ]
    )


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServers]:
    """Running Postgres, Valkey and SeaweedFS in a temporary folder; workers share them."""
    shared = getattr(request.config, "workerinput", {}).get("servers", inherited_environment().get(SERVERS_HOME))
    if shared is not None:
        yield found(Path(shared))
        return
    folder = tmp_path_factory.mktemp("servers")
    with held(folder):
        yield found(folder)


@contextlib.contextmanager
def another_database(servers: EmbeddedServers, template: str) -> Iterator[str]:
    """The name of a new database, a copy of `template`; it is dropped at the end, whoever is connected."""
    name = f"test_{WORKER}_{next(_numbers)}"
    execute(servers, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    try:
        yield name
    finally:
        execute(servers, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def empty_database_url(servers: EmbeddedServers) -> Iterator[str]:
    """The URL of a new database without any table: for tests of the migrations themselves."""
    with another_database(servers, "template0") as name:
        yield servers.postgres.url(name)


@pytest.fixture
def settings(servers: EmbeddedServers, tmp_path: Path) -> Iterator[Settings]:
    """Settings that point at a fresh database, bucket name and broker number; the bucket is made by `store`."""
    number = next(_numbers)
    broker = servers.valkey.url(broker_number(number))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with another_database(servers, TEMPLATE) as name:
        yield Settings(
            home=tmp_path / "home",
            temporary_folder=temporary,
            database_url=SecretStr(servers.postgres.url(name)),
            database_pool_size=5,
            broker_url=SecretStr(broker),
            s3_endpoint=servers.seaweedfs.endpoint,
            s3_access_key=servers.credentials.s3_access_key,
            s3_secret_key=SecretStr(servers.credentials.s3_secret_key),
            s3_bucket=f"test-{WORKER}-{number}",
            identity_key=SecretStr(IDENTITY_KEY),
            worker_concurrency=1,
        )
    with redis.Redis.from_url(broker) as client:
        client.flushdb()


def broker_number(number: int) -> int:
    """The broker database of this worker's test of that number: every worker has its share, and goes round in it."""
    share = BROKER_NUMBERS // WORKERS
    return INDEX * share + number % share


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
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this run have in common, for `made_once`."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if WORKERS == 1 else base.parent) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


def made_once(place: Path, make: Callable[[Path], object]) -> Path:
    """`place`, written by `make` in the first process that asks; others wait for it. Nobody may change it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_name(f"{place.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            draft = place.with_name(f"{place.name}.draft")
            make(draft)
            draft.rename(place)
    return place


def quietly(write: Callable[[Path], object]) -> Callable[[Path], object]:
    """`write` without Keras' own warnings while saving, which are not ours to turn into errors."""

    def written(folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            write(folder)

    return written


@pytest.fixture(scope="session")
def bundle(shared_folder: Path) -> Path:
    """A small real Bundle: the shipped one, else a tiny random one."""
    shipped = ROOT / "bundles" / "default"
    if (shipped / "bundle.json").exists():
        return shipped
    from tests.bundles import make_bundle

    return made_once(shared_folder / "bundle", quietly(make_bundle))


@pytest.fixture(scope="session")
def tiny_bundles(shared_folder: Path) -> Callable[[str], Path]:
    """The folder of a tiny random Bundle of a kind of `tests.bundles.KINDS`; each is written once. Do not change it."""

    def folder_of(kind: str) -> Path:
        from tests.bundles import KINDS

        return made_once(shared_folder / "kinds" / kind, quietly(KINDS[kind]))

    return folder_of
