"""`lucency audit …` as users run it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sysconfig
from pathlib import Path
from uuid import UUID

from sqlalchemy import text

from db.repositories import sites
from db.session import Database
from tests.db.test_audit import fill, tamper

LUCENCY = Path(sysconfig.get_path("scripts")) / "lucency"


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(LUCENCY), "audit", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_verify_names_what_was_done(
    settings_env: dict[str, str], database: Database, site: UUID, tmp_path: Path
) -> None:
    fill(database, site, 6)
    with database.unit_of_work() as session:
        other = sites.create_site(session, "Other").id
    fill(database, other, 2)
    whole = run(settings_env, "verify")
    assert (whole.returncode, whole.stdout) == (0, "")
    assert "8 records of 2 sites" in whole.stderr
    heads = tmp_path / "heads.ndjson"
    heads.write_text(run(settings_env, "heads").stdout)
    assert run(settings_env, "verify", "--heads", str(heads), "--site", "Other").returncode == 0

    tamper(database, "UPDATE audit_record SET actor = 'x' WHERE number = 2 AND site_id = :site", site=site)
    tamper(database, "DELETE FROM audit_record WHERE number = 6")
    broken = run(settings_env, "verify", "--json")
    assert broken.returncode == 1
    assert f"site {site}: record 2: altered\nsite {site}: record 6: missing\n" in broken.stderr
    document = json.loads(broken.stdout)
    assert document["whole"] is False
    assert [(one["number"], one["kind"]) for one in document["breaks"]] == [(2, "altered"), (6, "missing")]
    assert run(settings_env, "verify", "--site", str(other)).returncode == 0

    # The whole tail is taken away and the head put back: only what was kept outside knows.
    tamper(
        database,
        "DELETE FROM audit_record WHERE site_id = :site AND number > 1",
        "UPDATE audit_head SET number = 1, hash = (SELECT hash FROM audit_record WHERE site_id = :site AND number = 1)"
        " WHERE site_id = :site",
        site=site,
    )
    assert run(settings_env, "verify").returncode == 0
    caught = run(settings_env, "verify", "--heads", str(heads))
    assert caught.returncode == 1
    assert f"site {site}: record 2 to 6: missing" in caught.stderr


def test_wrong_usage(settings_env: dict[str, str], database: Database, tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense"
    nonsense.write_text("[]\n")
    for arguments in (["verify", "--site", "Nobody"], ["verify", "--heads", str(nonsense)]):
        done = run(settings_env, *arguments)
        assert (done.returncode, done.stdout) == (2, ""), arguments
        assert "Traceback" not in done.stderr


def test_show_and_export(settings_env: dict[str, str], database: Database, site: UUID) -> None:
    fill(database, site, 5)
    shown = run(settings_env, "show", "--site", "Test Site", "--last", "2")
    assert [line.split()[0] for line in shown.stdout.splitlines()] == ["4", "5"]
    exported = [json.loads(line) for line in run(settings_env, "export").stdout.splitlines()]
    assert [one["number"] for one in exported] == [1, 2, 3, 4, 5]
    # As docs/audit.md says it may be verified without any of our code.
    previous = bytes(32)
    names = ("id", "site_id", "number", "at", "actor", "action", "subject", "detail")
    for one in exported:
        canonical = json.dumps({name: one[name] for name in names}, sort_keys=True, separators=(",", ":"))
        assert bytes.fromhex(one["previous_hash"]) == previous
        previous = hashlib.sha256(previous + canonical.encode()).digest()
        assert one["hash"] == previous.hex()
    with database.unit_of_work() as session:
        assert session.scalar(text("SELECT count(*) FROM audit_record")) == 5
