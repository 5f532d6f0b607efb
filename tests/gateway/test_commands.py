"""`lucency gateway status`, `retry` and `discard` on a spool without a running gateway."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.settings import load_settings
from gateway.commands import app
from gateway.dataset import Unreadable, uids_of
from gateway.spool import Incoming, Spool


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Spool]:
    """A spool with one instance that waits and two that were refused."""
    monkeypatch.setenv("LUCENCY_GATEWAY_SPOOL", str(tmp_path / "spool"))
    load_settings.cache_clear()
    made = Spool(tmp_path / "spool", free_bytes=1, bound_bytes=10**6)
    made.prepare()
    names = []
    for number in range(3):
        incoming = Incoming(made, limit=1000)
        incoming.begin(meta=b"", salt=b"")
        incoming.write(b"%d" % number)
        names.append(made.keep(incoming))
    for name in names[:2]:
        made.refuse(name, {"code": "not_applicable", "title": "Not a radiograph"})
    yield made
    load_settings.cache_clear()


def test_status_counts_and_says_that_nothing_runs(spool: Spool) -> None:
    done = CliRunner().invoke(app, ["status", "--json"])
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert (found["waiting"], found["refused"], found["running"]) == (1, 2, False)
    assert found["refused_for"] == {"not_applicable": 2}
    assert found["oldest_seconds"] >= 0
    assert "not_applicable: 2" in CliRunner().invoke(app, ["status"]).stdout


def test_refused_instances_can_be_queued_again(spool: Spool) -> None:
    assert CliRunner().invoke(app, ["retry"]).stdout == "2 queued again.\n"
    assert len(spool.owed()) == 3
    assert list(spool.refused.iterdir()) == []


def test_refused_instances_can_be_removed_for_good(spool: Spool) -> None:
    asked = CliRunner().invoke(app, ["discard"], input="n\n")
    assert asked.exit_code == 1
    assert len(list(spool.refused.glob("*.dcm"))) == 2
    assert CliRunner().invoke(app, ["discard", "--yes"]).stdout == "2 removed.\n"
    assert list(spool.refused.iterdir()) == []
    assert len(spool.owed()) == 1


@pytest.mark.parametrize(
    "head", [b"", b"\xff" * 5000, b"\x08\x00\x05\x00CS\xff\xff", b"\x08\x00\x06\x00\xff\xff\xff\xff" * 3000]
)
@pytest.mark.parametrize(
    "syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"]
)
def test_a_head_that_is_no_data_set_is_unreadable(head: bytes, syntax: str) -> None:
    with pytest.raises(Unreadable):
        uids_of(head, transfer_syntax=syntax)
