"""`lucency worker health`, as a container's health check calls it."""

from __future__ import annotations

import subprocess
import sysconfig
from pathlib import Path

import pytest
from sqlalchemy import text

from core.settings import inherited_environment
from db.repositories import workers
from db.session import Database
from worker.inference.worker_info import worker_name


def health(environment: dict[str, str]) -> int:
    command = [str(Path(sysconfig.get_path("scripts")) / "lucency"), "worker", "health"]
    return subprocess.run(command, env=environment, capture_output=True, check=False, timeout=60).returncode


def beat(database: Database, name: str) -> None:
    with database.unit_of_work() as session:
        workers.beat(session, name=name, pid=1, engine="onnxruntime", model_digest=None, state="ready", progressed=True)


def test_alive_only_with_a_beat_and_progress_on_this_machine(settings_env: dict[str, str], database: Database) -> None:
    beat(database, "another-machine:1")
    assert health(settings_env) == 1
    beat(database, worker_name())
    assert health(settings_env) == 0


@pytest.mark.parametrize("column", ["seen_at", "progress_at"])
def test_silence_and_a_hang_are_no_health(settings_env: dict[str, str], database: Database, column: str) -> None:
    beat(database, worker_name())
    with database.unit_of_work() as session:
        session.execute(text(f"UPDATE worker SET {column} = now() - interval '31 seconds'"))
    assert health(settings_env) == 1


def test_without_a_database(settings_env: dict[str, str]) -> None:
    away = "postgresql+psycopg2://lucency@127.0.0.1:1/lucency"
    assert health({**inherited_environment(), **settings_env, "LUCENCY_DATABASE_URL": away}) == 1
