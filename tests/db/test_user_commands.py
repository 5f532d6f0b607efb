"""`lucency user …` as administrators run it: the password by a pipe, words on stderr, exit codes."""

from __future__ import annotations

import json
import subprocess
import sys

from sqlalchemy import text

from core.passwords import verify_password
from core.vocabulary import Role, SignIn
from db.repositories import sessions, users
from db.session import Database

PASSWORD = "correct horse battery"


def user(environment: dict[str, str], *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lucency.commands", "user", *arguments]
    return subprocess.run(
        command, env=environment, input=typed, capture_output=True, text=True, check=False, timeout=60
    )


def test_the_first_user_and_what_becomes_of_it(settings_env: dict[str, str], database: Database) -> None:
    added = user(settings_env, "add", "Ada@Example.org", "--site", "Clinic", "--operator", typed=PASSWORD + "\n")
    assert added.returncode == 0, added.stderr
    again = user(settings_env, "add", "ada@example.org", "--operator", typed=PASSWORD)
    assert (again.returncode, again.stderr) == (1, "There is a user of this e-mail address.\n")
    listed = json.loads(user(settings_env, "list", "--site", "Clinic", "--json").stdout)
    assert (listed["email"], listed["operator"], listed["roles"]) == ("ada@example.org", True, {"Clinic": "admin"})
    with database.unit_of_work() as session:
        ada = users.by_email(session, "ada@example.org")
        assert ada is not None
        assert verify_password(PASSWORD, ada.password_hash)[0]
        token = sessions.begin(session, user_id=ada.id, provider=SignIn.PASSWORD, lifetime_s=60)

    assert user(settings_env, "role", "ada@example.org", "--site", "Clinic", "--role", "viewer").returncode == 0
    with database.unit_of_work() as session:
        assert sessions.find(session, token, idle_s=60).role is Role.VIEWER
    assert user(settings_env, "disable", "ada@example.org").returncode == 0
    with database.unit_of_work() as session:
        assert session.execute(text("SELECT count(*) FROM user_session")).scalar_one() == 0
        asked = "SELECT action, detail::text FROM audit_record JOIN site ON site.id = site_id WHERE name = 'Clinic'"
        trail = session.execute(text(f"{asked} ORDER BY number")).all()
    assert [tuple(row) for row in trail] == [
        ("user_added", '{"role": "admin", "operator": true}'),
        ("signed_in", '{"provider": "password"}'),
        ("user_changed", '{"role": "viewer"}'),
        ("user_changed", '{"disabled": true}'),
    ]


def test_what_is_refused(settings_env: dict[str, str]) -> None:
    short = user(settings_env, "add", "bob@example.org", "--site", "Clinic", typed="eleven char\n")
    assert (short.returncode, short.stdout) == (2, "")
    assert "12 to 1024" in short.stderr
    assert user(settings_env, "add", "bob@example.org", typed=PASSWORD).returncode == 2
    assert user(settings_env, "add", "not an address", "--operator", typed=PASSWORD).returncode == 1
    unknown = user(settings_env, "disable", "bob@example.org")
    assert (unknown.returncode, unknown.stderr) == (1, "There is no user 'bob@example.org'.\n")
