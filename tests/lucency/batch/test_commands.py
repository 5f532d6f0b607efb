"""`lucency batch` against the real API: every file is accounted for and nothing is sent twice, whatever happens."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from rich.console import Console
from sqlalchemy import func, select
from typer.testing import CliRunner

from core.settings import Settings, inherited_environment, load_settings
from db.session import Database
from db.tables import Job
from lucency.batch.files import read_content
from lucency.batch.journal import Journal, journal_path
from lucency.batch.progress import Bars
from lucency.batch.run import Order, Run
from lucency.batch.watch import Watch
from lucency.client import Client
from lucency.commands import app
from storage.s3 import S3Store
from tests.api.conftest import register_model, serve
from tests.data import encoded, generated_radiograph
from tests.worker.inference.stack import running
from tests.worker.proxy import Forwarder

ROOT = Path(__file__).parents[3]


def png(seed: int) -> bytes:
    return encoded(generated_radiograph(96, 64, seed=seed))


@dataclass
class Here:
    """A served API without a worker, a folder, and the command on both."""

    url: str
    key: str
    folder: Path
    home: Path
    database: Database

    def batch(self, *options: str, url: str | None = None, code: int = 0) -> dict[str, Any]:
        """The summary of one run that must end with `code`."""
        arguments = ["batch", str(self.folder), "-r", "--json", "--url", url or self.url, *options]
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == code, (done.exit_code, done.output, done.exception)
        # The API of this process logs to the same place.
        found = re.search(r"^\{$.*^\}$", done.stdout, re.MULTILINE | re.DOTALL)
        return json.loads(found[0]) if found else {}

    def process(self, *options: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "lucency.commands", "batch", str(self.folder), "-r", "--json", *options]
        environment = inherited_environment() | {
            "LUCENCY_HOME": str(self.home), "LUCENCY_API_KEY": self.key, "LUCENCY_API_URL": self.url,
        }  # fmt: skip
        return subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def fill(self, **files: bytes) -> None:
        for name, content in files.items():
            path = self.folder / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def jobs(self) -> int:
        with self.database.unit_of_work() as session:
            return session.scalars(select(func.count()).select_from(Job)).one()

    @contextlib.contextmanager
    def run(self) -> Iterator[Run]:
        """A run's inside, for what cannot be timed from outside."""
        path = journal_path(self.home, folder=self.folder, url=self.url)
        with Client(self.url, self.key) as client, Journal(path) as journal:
            yield Run(client, journal, Order(self.folder, recursive=True), Bars(Console(quiet=True)))


@pytest.fixture
def here(
    settings: Settings,
    database: Database,
    store: S3Store,
    api_key: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Here]:
    register_model(database)
    folder, home = tmp_path / "ward 3", tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("LUCENCY_HOME", str(home))
    monkeypatch.setenv("LUCENCY_API_KEY", api_key)
    load_settings.cache_clear()
    with serve(settings) as (url, _):
        yield Here(url, api_key, folder, home, database)
    load_settings.cache_clear()


def mixed(here: Here) -> None:
    here.fill(a_png=png(1), b__c_png=png(2), b__twin_png=png(1), bad_dcm=b"no image", notes_txt=b"from the last shift")


EXPECTED = {"job": 2, "duplicate": 1, "rejected": 1, "lost": 0, "awaiting": 0}


@pytest.mark.parametrize("way", [[], ["--zip"], ["--jobs", "1"]])
def test_every_file_is_accounted_for(here: Here, way: list[str]) -> None:
    mixed(here)
    found = here.batch("--no-wait", *way, code=3)
    assert (found["files"], found["counts"]) == (4, EXPECTED)
    (failure,) = found["failures"]
    assert (failure["stage"], failure["code"], failure["count"]) == ("rejected", "type_unsupported", 1)
    assert failure["examples"] == ["bad.dcm"]
    assert found["skipped"] == {"not_an_image": 1}
    assert found["this_run"]["sent"]["files"] == 3
    assert here.jobs() == 2


def test_a_second_run_sends_nothing_and_says_the_same(here: Here) -> None:
    mixed(here)
    first = here.batch("--no-wait", code=3)
    for option in ([], ["--resume"], ["--zip"]):
        again = here.batch("--no-wait", *option, code=3)
        assert again["counts"] == first["counts"] == EXPECTED
        assert again["batches"] == first["batches"]
        assert again["this_run"]["sent"] == {"files": 0, "bytes": 0}
    here.fill(new_png=png(3))
    third = here.batch("--no-wait", code=3)
    assert third["counts"] == EXPECTED | {"job": 3}
    assert (len(third["batches"]), third["this_run"]["sent"]["files"]) == (2, 1)


def test_fresh_begins_anew_and_the_server_recognises_what_it_has(here: Here) -> None:
    mixed(here)
    here.batch("--no-wait", code=3)
    found = here.batch("--no-wait", "--fresh", code=3)
    assert found["counts"] == EXPECTED | {"job": 0, "duplicate": 3}
    assert here.jobs() == 2


def test_files_that_went_away_or_changed_are_failures_of_their_own(here: Here) -> None:
    here.fill(a_png=png(1), b_png=png(2), c_png=png(3), d_png=png(3))
    entries = [(name, str(read_content(here.folder, name).sha256)) for name in ("a.png", "b.png", "c.png", "d.png")]
    with here.run() as run:
        run.journal.plan(entries, priority=0, explain=None)
    (here.folder / "a.png").unlink()
    (here.folder / "b.png").write_bytes(png(9))
    (here.folder / "c.png").unlink()  # its twin is there
    found = here.batch("--no-wait", code=3)
    # b.png is lost as it was, and comes as it is, in a batch of its own.
    assert found["counts"] == {"job": 2, "duplicate": 1, "rejected": 0, "lost": 1, "awaiting": 0}
    assert [(one["code"], one["examples"]) for one in found["failures"]] == [("file_vanished", ["a.png"])]
    assert found["files"] == 4
    here.fill(a_png=png(1))
    healed = here.batch("--no-wait")
    assert healed["counts"] == {"job": 3, "duplicate": 1, "rejected": 0, "lost": 0, "awaiting": 0}


def test_the_api_may_be_away(here: Here) -> None:
    mixed(here)
    way = Forwarder(here.url.removeprefix("http://"))
    url = f"http://{way.endpoint}"
    timer = threading.Timer(1.0, way.open)
    timer.start()
    found = here.batch("--no-wait", url=url, code=3)
    assert found["counts"] == EXPECTED
    way.close()
    assert here.batch("--no-wait", "--patience", "0.5", url=url, code=1) == {}


def test_a_cut_connection_is_followed_by_the_question_what_is_needed(here: Here) -> None:
    for number in range(40):
        here.fill(**{f"f{number}_png": png(number)})
    way = Forwarder(here.url.removeprefix("http://"))
    way.open()
    stop = threading.Event()

    def cut() -> None:
        for _ in range(8):
            if stop.wait(0.25):
                return
            way.close()
            way.open()

    thread = threading.Thread(target=cut)
    thread.start()
    try:
        found = here.batch("--no-wait", url=f"http://{way.endpoint}")
    finally:
        stop.set()
        thread.join()
        way.close()
    assert found["counts"] == {"job": 40, "duplicate": 0, "rejected": 0, "lost": 0, "awaiting": 0}
    assert here.jobs() == 40


def test_ctrl_c_says_how_to_go_on(here: Here) -> None:
    for number in range(120):
        here.fill(**{f"f{number}_png": png(number)})
    client = here.process("--no-wait", "--jobs", "1")
    wait_for(lambda: here.jobs() >= 5)
    client.send_signal(signal.SIGINT)
    _, told = client.communicate(timeout=20)
    assert client.returncode == 130, told
    assert "Run the same command again" in told
    assert 0 < (before := here.jobs()) < 120
    found = here.batch("--no-wait")
    assert found["counts"]["job"] == 120 == here.jobs()
    assert found["this_run"]["sent"]["files"] == 120 - before


def test_a_refused_key_and_a_time_limit_have_their_own_status(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    here.fill(a_png=png(1))
    assert here.batch("--timeout", "0", code=5)["jobs"] == {"queued": 1}
    monkeypatch.setenv("LUCENCY_API_KEY", "lcy_wrong.key")
    load_settings.cache_clear()
    here.fill(b_png=png(2))
    here.batch("--no-wait", code=4)


def test_one_run_at_a_time(here: Here) -> None:
    here.fill(a_png=png(1))
    with Journal(journal_path(here.home, folder=here.folder, url=here.url)):
        here.batch("--no-wait", code=1)


def test_another_place_that_does_not_know_the_batch(here: Here, database: Database) -> None:
    here.fill(a_png=png(1))
    entry = ("a.png", str(read_content(here.folder, "a.png").sha256))
    with here.run() as run:
        run.journal.opened(run.journal.plan([entry], priority=0, explain=None), str(UUID(int=7)))
    found = here.batch("--no-wait")
    assert found["counts"]["job"] == 1
    assert len(found["batches"]) == 1


def test_without_a_terminal_nothing_moves_and_no_colour_is_used(here: Here) -> None:
    here.fill(a_png=png(1))
    client = here.process("--no-wait")
    out, told = client.communicate(timeout=30)
    assert json.loads(out)["counts"]["job"] == 1
    assert told == ""


def test_watching_takes_whole_files_in_rolling_batches(here: Here) -> None:
    with here.run() as run:
        watch = Watch(run, settle=0.6)
        thread = threading.Thread(target=watch.until_interrupted)
        thread.start()
        try:
            here.fill(a_png=png(1))
            wait_for(lambda: here.jobs() == 1)
            grow(here.folder / "slow.png", png(2), meanwhile=lambda: here.jobs() == 1)
            wait_for(lambda: here.jobs() == 2)
        finally:
            watch.stop.set()
            thread.join(timeout=20)
    found = here.batch("--no-wait")
    assert found["counts"] == {"job": 2, "duplicate": 0, "rejected": 0, "lost": 0, "awaiting": 0}
    assert (len(found["batches"]), found["this_run"]["sent"]["files"]) == (2, 0)


def test_results_come_into_a_folder(
    settings: Settings, api_key: str, database: Database, store: S3Store, bundle: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from tests.worker.factories import publish

    publish(database, store, bundle)
    folder, out = tmp_path / "in", tmp_path / "out"
    (folder / "ward").mkdir(parents=True)
    for name, seed in (("ward/a.png", 1), ("b.png", 2), ("twin.png", 2)):
        (folder / name).write_bytes(encoded(generated_radiograph(320, 240, seed=seed)))
    monkeypatch.setenv("LUCENCY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LUCENCY_API_KEY", api_key)
    load_settings.cache_clear()
    with running(settings, api_key, bundle) as stack:
        arguments = ["batch", str(folder), "-r", "--url", str(stack.client.base_url)]
        assert CliRunner().invoke(app, [*arguments, "--no-wait"]).exit_code == 0
        assert stack.runtime.pipeline.drain(budget_s=60) is False
        done = CliRunner().invoke(app, [*arguments, "--out", str(out), "--report", "pdf", "--report", "gsps"])
        assert done.exit_code == 0, done.output
        pictures = {path: path.stat().st_mtime_ns for path in (out / "files").rglob("*.png") if path.is_file()}
        assert CliRunner().invoke(app, [*arguments, "--out", str(out)]).exit_code == 0
    load_settings.cache_clear()
    assert {path.parent.relative_to(out / "files").as_posix() for path in pictures} == {
        "ward/a.png",
        "b.png",
        "twin.png",
    }
    assert (out / "files" / "b.png" / "report.pdf").read_bytes().startswith(b"%PDF-")
    assert not list(out.rglob("*.part"))
    # Nothing is fetched twice.
    assert {path: path.stat().st_mtime_ns for path in pictures} == pictures
    rows = (out / "results.csv").read_text().splitlines()
    assert len(rows) == 4
    assert rows[0].startswith("position,path,sha256,state,job,job_state,label")
    assert len((out / "results.ndjson").read_text().splitlines()) == 3
    result = json.loads((out / "files" / "ward" / "a.png" / "result.json").read_text())
    assert 0 <= result["findings"][0]["probability"] <= 1
    assert "judged" in done.output
    assert re.search(r"3 files", done.output)


def grow(path: Path, content: bytes, *, meanwhile: Callable[[], bool]) -> None:
    """Write it as a slow copy does."""
    step = len(content) // 6 + 1
    with path.open("wb") as file:
        for start in range(0, len(content), step):
            file.write(content[start : start + step])
            file.flush()
            time.sleep(0.25)
            assert meanwhile()


def wait_for(reached: Callable[[], bool], *, timeout: float = 20.0) -> None:
    end = time.monotonic() + timeout
    while not reached():
        assert time.monotonic() < end, "not reached in time"
        time.sleep(0.05)
