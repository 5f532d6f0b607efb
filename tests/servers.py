"""One set of servers for a run of the tests, however many workers share it: `python -m tests.servers HOME`.

It starts Postgres, Valkey and SeaweedFS in HOME, makes the template database by the command that users run, writes
`ready` (or `failed`, with the reason), and ends, servers and all, when its standard input does: with whoever began it.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import sysconfig
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import psycopg2

from core.settings import inherited_environment
from lucency.stack.embedded import EmbeddedServers
from lucency.stack.processes import tail

ROOT = Path(__file__).parent.parent
TEMPLATE = "template_lucency"
READY, FAILED = "ready", "failed"
PATIENCE_S = 120.0


def execute(servers: EmbeddedServers, statement: str) -> None:
    """Run one statement outside any transaction, as CREATE DATABASE asks for."""
    connection = psycopg2.connect(servers.postgres.url("postgres").replace("+psycopg2", ""))
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()


@contextlib.contextmanager
def held(home: Path) -> Iterator[None]:
    """Servers in `home` while the block lasts. Whoever uses them waits for them first: `found`."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "holder.log").open("wb") as log:
        holder = subprocess.Popen(
            [sys.executable, "-m", "tests.servers", str(home)], cwd=ROOT, stdin=subprocess.PIPE, stdout=log, stderr=log
        )
    try:
        yield
    finally:
        assert holder.stdin is not None
        holder.stdin.close()
        holder.wait(30)


def found(home: Path) -> EmbeddedServers:
    """The servers that are held in `home`, once they are ready."""
    end = time.monotonic() + PATIENCE_S
    while not (home / READY).exists():
        if (home / FAILED).exists() or time.monotonic() > end:
            raise AssertionError(f"The tests' servers did not start:\n{tail(home / 'holder.log', lines=60)}")
        time.sleep(0.05)
    servers = EmbeddedServers(home)
    for server in servers.all:
        server.load_ports()
    return servers


def _migrate(servers: EmbeddedServers) -> None:
    """The template: the real migrations, applied by the command that users run."""
    execute(servers, f"CREATE DATABASE {TEMPLATE}")
    command = [str(Path(sysconfig.get_path("scripts")) / "lucency"), "db", "migrate"]
    environment = inherited_environment() | {"LUCENCY_DATABASE_URL": servers.postgres.url(TEMPLATE)}
    subprocess.run(command, env=environment, cwd=ROOT, check=True, stdin=subprocess.DEVNULL)


def _hold(home: Path) -> None:
    servers = EmbeddedServers(home, durable=False)
    try:
        servers.start()
        _migrate(servers)
        (home / READY).touch()
        sys.stdin.buffer.read()
    except Exception:
        traceback.print_exc()
        (home / FAILED).touch()
        raise
    finally:
        # Nothing in them is wanted any more, and kill is quicker than stop.
        servers.kill()
        servers.seaweedfs.tidy()


if __name__ == "__main__":
    _hold(Path(sys.argv[1]))
