"""`lucency batch`: a folder of radiographs in, results out."""

from __future__ import annotations

import json
import signal
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.errors import LucencyError
from core.settings import load_settings
from core.vocabulary import ReportKind
from lucency.exit_status import FAILURE, OK, PARTIAL, TIMEOUT, exit_code

if TYPE_CHECKING:
    from lucency.batch.progress import Bars
    from lucency.batch.run import Run

INTERRUPTED = 130


# What `--report` fetches for each file (docs/reports.md): documents. Tables and pictures come with the results anyway.
if TYPE_CHECKING:
    Report = ReportKind
else:
    Report = StrEnum("Report", {kind.name: kind.value for kind in ReportKind if kind.form.identity})


def batch(  # noqa: PLR0913, PLR0917 - one parameter an option
    folder: Annotated[Path, typer.Argument(metavar="DIR", exists=True, file_okay=False, help="Folder of images.")],
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Folders within it too.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Go on with what comes, until Ctrl-C.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume/--fresh", help="Go on where an earlier run stopped, or forget it.")
    ] = True,
    zipped: Annotated[bool, typer.Option("--zip", help="Send zips (500 files each) and not single files.")] = False,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Files that are sent at the same time.")] = 4,
    out: Annotated[Path | None, typer.Option(file_okay=False, help="Write the results here.")] = None,
    report: Annotated[list[Report] | None, typer.Option(help="With --out: for each file too; repeat it.")] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the results.")] = True,
    timeout: Annotated[float | None, typer.Option(min=0.0, help="Seconds to wait for results.")] = None,
    patience: Annotated[float, typer.Option(min=0.0, help="Seconds that the API may be away or full.")] = 900.0,
    settle: Annotated[float, typer.Option(min=0.1, help="With --watch: seconds a file must not change.")] = 2.0,
    explain: Annotated[str | None, typer.Option(help="Labels to explain, with commas between.")] = None,
    priority: Annotated[int, typer.Option(min=-10, max=10, help="Higher goes first.")] = 0,
    url: Annotated[str | None, typer.Option(help="The API's address (else LUCENCY_API_URL).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The summary as JSON on stdout.")] = False,
) -> None:
    """Send a folder of radiographs as one batch and wait for the results.

    Ctrl-C, kill -9 and a restart of the API lose nothing: run the same command
    again. It finds the batch again by the journal (below LUCENCY_HOME, one for
    each folder and API), asks the server what it lacks, and sends only that;
    --resume says so and is the default. --fresh sets the journal aside; the
    server still recognises what it has.

    Left out: hidden files and folders, DICOMDIR, pipes and devices, folders
    that a link leads back to, files that are no image by content or name.
    Links are followed. A file that vanishes, changes or cannot be read is a
    failure of its own and stops nothing. With --watch the first Ctrl-C stops
    watching and waits for the results, the second ends.

    --out writes results.csv, results.ndjson, and files/PATH/ with result.json,
    overlays and the reports asked for.

    Exit status: 0 all well, 3 some files failed, 1 all failed or another error,
    4 key refused, 5 not done in time, 130 interrupted.
    """
    from lucency.batch.journal import Journal, journal_path
    from lucency.batch.progress import Bars
    from lucency.batch.run import Order, Run
    from lucency.client import Client

    settings = load_settings()
    labels = None if explain is None else [label.strip() for label in explain.split(",") if label.strip()]
    if out is not None and out.resolve() == folder.resolve():
        raise typer.BadParameter("--out must be another folder than DIR.")
    order = Order(
        folder, recursive=recursive, zipped=zipped, jobs=jobs, priority=priority, explain=labels, patience=patience,
        timeout=timeout, out=out, reports=tuple(one.value for one in report or ()),
    )  # fmt: skip
    bars = Bars()
    with (
        Client(url, tries=None, patience=patience) as client,
        Journal(journal_path(settings.home, folder=folder, url=client.base_url)) as journal,
    ):
        _begin(journal, resume=resume, bars=bars)
        status = _run(Run(client, journal, order, bars), watch=settle if watch else None, wait=wait, as_json=as_json)
    raise typer.Exit(status)


def _begin(journal: Any, *, resume: bool, bars: Bars) -> None:
    if journal.known and not resume:
        journal.set_aside()
    elif journal.known:
        bars.say(f"Going on from the journal of an earlier run ({journal.path}); --fresh begins anew.")
    if journal.memory.damaged:
        bars.say(f"{journal.memory.damaged} damaged lines of the journal are passed over.", style="yellow")
    journal.begin()


def _run(run: Run, *, watch: float | None, wait: bool, as_json: bool) -> int:
    """All of it; the exit status. Ctrl-C and SIGTERM end it with a hint."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    status = OK
    try:
        with run.bars.running():
            status = _work(run, watch=watch, wait=wait)
        return max(status, _conclude(run, seconds=time.monotonic() - began, as_json=as_json, waited=wait))
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        run.bars.say(
            "Interrupted; nothing is lost. Run the same command again: it goes on where this one stopped "
            f"({run.sent.files} files were sent now).",
            style="yellow",
        )
        return INTERRUPTED
    except LucencyError as error:
        run.bars.say(f"{error.title}: {error.detail}" if error.detail != error.title else error.title, style="red")
        run.bars.say("What was sent is kept. Run the same command again to go on.")
        return exit_code(error)
    finally:
        signal.signal(signal.SIGTERM, before)


def _work(run: Run, *, watch: float | None, wait: bool) -> int:
    from lucency.batch.results import Collection
    from lucency.batch.watch import Watch

    collection = None if run.order.out is None else Collection(run, run.order.out)
    run.finish_earlier()
    if watch is None:
        run.take_all()
    else:
        run.forget_losses()
        run.bars.say(f"Watching {run.order.folder}; Ctrl-C stops it.")
        Watch(run, settle=watch, idle=collection.fetch if collection is not None else None).until_interrupted()
        run.finish_earlier()
    if wait:
        try:
            run.wait()
        except LucencyError as error:
            if exit_code(error) != TIMEOUT:
                raise
            run.bars.say(error.detail, style="yellow")
            return TIMEOUT
    if collection is not None:
        collection.fetch()
    return OK


def _conclude(run: Run, *, seconds: float, as_json: bool, waited: bool) -> int:
    from lucency.batch.results import failed_files, summary, tables
    from lucency.tables import show

    found = summary(run, seconds=seconds)
    print(json.dumps(found, indent=2)) if as_json else show(*tables(found))  # noqa: T201 - the command's data
    failed = failed_files(found)
    if not failed:
        return OK
    return FAILURE if failed == found["files"] and waited else PARTIAL
