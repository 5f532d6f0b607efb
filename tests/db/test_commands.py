"""`lucency db …` as users run it: data on stdout, words on stderr, exit codes."""

from __future__ import annotations

import subprocess
import sysconfig
from pathlib import Path
from uuid import UUID

import pytest

from core.errors import Unauthorized
from core.settings import inherited_environment
from core.vocabulary import Scope
from db.repositories import sites
from db.session import Database

LUCENCY = Path(sysconfig.get_path("scripts")) / "lucency"
NOWHERE = "postgresql+psycopg2://lucency:hush@127.0.0.1:1/lucency"


def db(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(LUCENCY), "db", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_site_and_key(settings_env: dict[str, str], database: Database) -> None:
    made, again = (db(settings_env, "site", "Clinic") for _ in range(2))
    assert (made.returncode, again.returncode) == (0, 0)
    assert made.stdout == again.stdout
    key = db(settings_env, "key", "--site", "Clinic", "--scope", "read", "--scope", "submit", "--days", "1")
    assert key.returncode == 0
    with database.unit_of_work() as session:
        principal = sites.authenticate(session, key.stdout.rstrip("\n"))
    assert principal.site_id == UUID(made.stdout.strip())
    assert principal.scopes == frozenset({Scope.READ, Scope.SUBMIT})
    prefix = key.stdout.partition(".")[0]
    assert db(settings_env, "revoke", prefix).returncode == 0
    with pytest.raises(Unauthorized), database.unit_of_work() as session:
        sites.authenticate(session, key.stdout.rstrip("\n"))
    unknown = db(settings_env, "revoke", "lcy_000000000000")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    wrong = db(settings_env, "key", "--site", "Clinic", "--scope", "root")
    assert (wrong.returncode, wrong.stdout) == (2, "")


def test_migrate_and_check(empty_database_url: str) -> None:
    environment = inherited_environment() | {"LUCENCY_DATABASE_URL": empty_database_url}
    before = db(environment, "check")
    assert (before.returncode, before.stdout) == (1, "")
    assert "not migrated" in before.stderr
    for _ in range(2):
        migrated = db(environment, "migrate")
        assert (migrated.returncode, migrated.stdout) == (0, "")
    assert db(environment, "check").returncode == 0


def test_a_database_that_is_away() -> None:
    environment = inherited_environment() | {"LUCENCY_DATABASE_URL": NOWHERE}
    for arguments in (["check"], ["migrate"], ["site", "Clinic"]):
        done = db(environment, *arguments)
        assert (done.returncode, done.stdout) == (1, ""), arguments
        assert done.stderr.strip()
        assert "Traceback" not in done.stderr
        assert "hush" not in done.stderr
