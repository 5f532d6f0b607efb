"""The journal: what a second run knows after a kill, a torn tail, a damaged line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lucency.batch.files import Found, Stamp
from lucency.batch.journal import BatchBusy, Journal, JournalUnusable, Lost, journal_path

STAMP = Stamp(10, 20, 30)
FILES = [("a.dcm", "a" * 64), ("b.dcm", "b" * 64)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "batches" / "j.jsonl"


def filled(path: Path) -> str:
    """One opened batch; returns its key."""
    with Journal(path) as journal:
        journal.begin()
        for name, sha256 in FILES:
            journal.hashed(name, STAMP, sha256)
        planned = journal.plan(FILES, priority=3, explain=["fracture"])
        journal.opened(planned, "batch-1")
        return planned.key


def test_a_second_run_finds_the_same_batch(path: Path) -> None:
    key = filled(path)
    with Journal(path) as journal:
        batch = journal.memory.batches[1]
        assert (batch.key, batch.id, batch.files) == (key, "batch-1", FILES)
        assert (batch.priority, batch.explain, batch.complete) == (3, ["fracture"], False)
        assert journal.hash_of(Found("a.dcm", STAMP)) == "a" * 64
        assert journal.hash_of(Found("a.dcm", Stamp(10, 21, 30))) is None
        assert journal.covered() == set(FILES)
        journal.completed(batch)
    with Journal(path) as journal:
        assert journal.memory.batches[1].complete


def test_every_torn_tail_is_cut_off_and_written_on(path: Path) -> None:
    filled(path)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with Journal(path) as journal:
            kept = path.stat().st_size
            assert kept == whole[:length].rfind(b"\n") + 1
            assert journal.memory.damaged == 0
            journal.hashed("new", STAMP, "c" * 64)
        with Journal(path) as journal:
            assert journal.hash_of(Found("new", STAMP)) == "c" * 64


def test_damaged_lines_are_passed_over(path: Path) -> None:
    filled(path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], b"\x00\xff{]\n", b'{"number": 9, "is": "opened", "id": "x"}\n', *lines[1:]]))
    with Journal(path) as journal:
        assert journal.memory.damaged == 2
        assert journal.memory.batches[1].id == "batch-1"


def test_only_the_owner_can_read_it_and_only_one_run_may_write(path: Path) -> None:
    filled(path)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    with Journal(path), pytest.raises(BatchBusy):
        Journal(path)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_killed_run_holds_no_lock_and_loses_no_plan(path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from lucency.batch.journal import Journal\n"
        "j = Journal(Path(sys.argv[1])); j.plan([('a', 'a' * 64)], priority=0, explain=None); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False, cwd=Path(__file__).parents[3])
    assert done.returncode == -9
    with Journal(path) as journal:
        assert journal.memory.batches[1].files == [("a", "a" * 64)]


def test_a_lost_file_that_came_back_counts_in_its_new_batch_only(path: Path) -> None:
    filled(path)
    with Journal(path) as journal:
        journal.lose(Lost("a.dcm", 1, "file_vanished", "gone"))
        assert journal.covered() == {FILES[1]}
        journal.plan([FILES[0]], priority=0, explain=None)
    with Journal(path) as journal:
        assert journal.memory.lost == {}
        assert (journal.memory.batches[1].superseded, journal.memory.batches[2].superseded) == (1, 0)
        assert journal.covered() == set(FILES)


def test_files_of_a_batch_that_the_server_forgot_are_free_again(path: Path) -> None:
    filled(path)
    with Journal(path) as journal:
        journal.gone(journal.memory.batches[1])
        assert journal.covered() == set()


def test_fresh_keeps_the_old_lines_beside(path: Path) -> None:
    filled(path)
    before = path.read_bytes()
    with Journal(path) as journal:
        journal.set_aside()
        assert not journal.known
    (copy,) = [other for other in path.parent.iterdir() if other != path]
    assert copy.read_bytes() == before
    assert copy.stat().st_mode & 0o777 == 0o600


def test_names_that_are_no_text_come_back_as_they_were(path: Path) -> None:
    name = os.fsdecode(b"M\xfcller.png")
    with Journal(path) as journal:
        journal.plan([(name, "a" * 64)], priority=0, explain=None)
    with Journal(path) as journal:
        assert journal.memory.batches[1].files == [(name, "a" * 64)]


def test_a_journal_that_cannot_be_made_is_said() -> None:
    with pytest.raises(JournalUnusable):
        Journal(Path("/dev/full/x.jsonl"))


def test_the_name_tells_nothing_and_differs_by_folder_and_api(tmp_path: Path) -> None:
    names = {
        journal_path(tmp_path, folder=folder, url=url).name
        for folder in (tmp_path / "Müller", tmp_path)
        for url in ("http://a", "http://b")
    }
    assert len(names) == 4
    assert not any("ller" in name for name in names)
