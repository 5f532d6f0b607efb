"""The `lucency` command. Commands of other packages join through the entry-point group `lucency.commands`."""

from __future__ import annotations

import json
import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from core.errors import LucencyError
from core.settings import load_settings
from core.version import VERSION
from lucency.exit_status import FAILURE, exit_code

GROUP = "lucency.commands"


class Commands(TyperGroup):
    """Our own commands, and those of the other packages, each loaded when it is named or listed."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*super().list_commands(ctx), *sorted(_entries().keys() - self.commands.keys())]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if (own := super().get_command(ctx, cmd_name)) is not None:
            return own
        entry = _entries().get(cmd_name)
        return None if entry is None else _loaded(entry)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # rich's help takes 0.2 s more to import.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Lucency: queue, classify and explain bone radiographs. Not a medical device.",
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"lucency {VERSION}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """What stands before a command's name."""


def _entries() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _loaded(entry: EntryPoint) -> Any:
    """The entry as a command; where its package is missing or broken, a command that says so when it is used."""
    try:
        found = entry.load()
    except (ImportError, AttributeError) as error:
        reason = str(error)

        def unavailable() -> None:
            typer.echo(f"lucency {entry.name} is not available in this installation: {reason}", err=True)
            raise typer.Exit(FAILURE)

        unavailable.__doc__ = "(not available in this installation)"
        found = unavailable
    if not isinstance(found, typer.Typer):
        single = typer.Typer(pretty_exceptions_enable=False)
        single.command(name=entry.name)(found)
        found = single
    command = typer.main.get_command(found)
    command.name = entry.name
    return command


@app.command()
def up(
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay, and stop the stack on Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The stack's state as JSON on stdout.")] = False,
    gateway: Annotated[bool, typer.Option("--gateway", help="With a DICOM gateway (see `lucency gateway`).")] = False,
) -> None:
    """Start the local stack: servers, migrations, API, workers."""
    from lucency.demo import until_interrupted
    from lucency.stack import control

    settings = load_settings()
    if gateway:
        settings = settings.model_copy(update={"gateway": True})
    process = control.start(settings, say=_progress, attached=foreground)
    found = control.status(settings)
    if as_json:
        _print_json(found)
    else:
        typer.echo(f"API: {found['api_url']}  (docs: {found['api_url']}/docs)")
        typer.echo(f"Settings and API key: {settings.home / 'lucency.env'}", err=True)
    if foreground and process is not None:
        until_interrupted(process)
        control.stop_attached(process)


@app.command()
def down() -> None:
    """Stop the local stack; its data stays."""
    from lucency.stack import control

    typer.echo("Stopped." if control.stop(load_settings()) else "Nothing was running.", err=True)


@app.command()
def status(as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Show the stack's processes; status 1 when it is not up and healthy."""
    from lucency.stack import control
    from lucency.tables import process_table, show

    found = control.status(load_settings())
    if as_json:
        _print_json(found)
    else:
        show(process_table(found))
    if found["phase"] != "running" or not all(process["healthy"] for process in found["processes"]):
        raise typer.Exit(FAILURE)


@app.command()
def submit(  # noqa: PLR0913, PLR0917 - one parameter an option
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="DICOM, PNG or JPEG files.")],
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the results.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write results, overlays and heatmaps here; waits.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line on stdout.")] = False,
    explain: Annotated[str | None, typer.Option(help="Labels to explain, with commas between.")] = None,
    priority: Annotated[int, typer.Option(min=-10, max=10, help="Higher goes first.")] = 0,
    stability: Annotated[bool, typer.Option("--stability", help="Score findings by small shifts; slower.")] = False,
    url: Annotated[str | None, typer.Option(help="The API's address (else LUCENCY_API_URL).")] = None,
    timeout: Annotated[float, typer.Option(min=0.0, help="Seconds to wait for all results.")] = 600.0,
) -> None:
    """Submit radiographs. Exit status: 0 all well, 3 some failed, 1 all failed, 4 key refused, 5 timed out."""
    from lucency.submit import Order, submit_all

    labels = None if explain is None else [label.strip() for label in explain.split(",") if label.strip()]
    order = Order(
        wait=wait or out is not None,
        out=out,
        labels=labels,
        priority=priority,
        timeout=timeout,
        stability=stability,
    )
    raise typer.Exit(submit_all(files, order=order, url=url, as_json=as_json))


@app.command()
def cancel(
    job_id: Annotated[str, typer.Argument()], url: Annotated[str | None, typer.Option(help="The API's address.")] = None
) -> None:
    """Cancel a job; prints it."""
    from lucency.client import Client

    with Client(url) as client:
        _print_json(client.cancel(job_id))


@app.command()
def jobs(
    limit: Annotated[int, typer.Option(min=1)] = 20,
    url: Annotated[str | None, typer.Option(help="The API's address.")] = None,
) -> None:
    """The newest jobs, one JSON object a line."""
    from itertools import islice

    from lucency.client import Client

    with Client(url) as client:
        for job in islice(client.jobs(limit=min(limit, 100)), limit):
            typer.echo(json.dumps(job))


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="Stop everything after the result.")] = False,
    gateway: Annotated[bool, typer.Option("--gateway", help="With a DICOM gateway on the stack.")] = False,
) -> None:
    """Run the main job on a real stack: start, submit a DICOM file and a PNG, show the results."""
    from lucency.demo import run_demo

    settings = load_settings()
    run_demo(settings.model_copy(update={"gateway": True}) if gateway else settings, once=once, say=_progress)


@app.command()
def doctor(as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Check Python, disk, servers, Bundle, engine, API; say what to do about each failure."""
    from lucency.doctor import examine
    from lucency.tables import check_table, show

    checks = examine(load_settings())
    if as_json:
        _print_json([check.as_dict() for check in checks])
    else:
        show(check_table(checks))
    if any(check.outcome == "failed" for check in checks):
        raise typer.Exit(FAILURE)


def _progress(text: str) -> None:
    typer.echo(text, err=True)


def _print_json(data: object) -> None:
    typer.echo(json.dumps(data, indent=2))


def main() -> None:
    """Run the command; an error of ours ends as one message on stderr and its exit status."""
    try:
        app()
    except LucencyError as error:
        typer.echo(f"{error.title}: {error.detail}" if error.detail != error.title else error.title, err=True)
        sys.exit(exit_code(error))


if __name__ == "__main__":
    main()
