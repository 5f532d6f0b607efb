"""`lucency worker health` and `lucency replay`. Heavy imports stay inside: `lucency --help` is quick."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from core.settings import load_settings
from core.vocabulary import EngineName

if TYPE_CHECKING:
    from worker.inference.replay import Replayed

app = typer.Typer(help="The worker.", no_args_is_help=True)

WITHIN_S = 30.0
DIFFERS = 3


@app.callback()
def _group() -> None:
    """Keeps `health` a sub-command while it is the only one."""


@app.command()
def health() -> None:
    """Exit 0 when a worker process of this machine has beaten and got on with its work within 30 s, else 1."""
    from core.errors import LucencyError
    from db.repositories import workers
    from db.session import make_database
    from worker.inference.worker_info import host_prefix

    database = make_database(load_settings(), application_name="worker health", pool_size=1)
    try:
        with database.unit_of_work() as session:
            alive = workers.alive(session, within_s=WITHIN_S, prefix=host_prefix())
    except LucencyError as error:
        typer.echo(error.detail, err=True)
        raise typer.Exit(1) from error
    finally:
        database.dispose()
    typer.echo(f"{alive} worker process(es) alive")
    raise typer.Exit(0 if alive else 1)


def replay(
    job: Annotated[str, typer.Argument(help="The job's id.")],
    model: Annotated[
        str | None, typer.Option(help="Another model: id, name, name@version or the start of its digest.")
    ] = None,
    engine: Annotated[EngineName | None, typer.Option(help="Another engine than the one that was used.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The comparison as JSON on stdout.")] = False,
) -> None:
    """Run a finished job's image again and compare: exit status 0 where every bit is the same, 3 where any differs."""
    from uuid import UUID

    from core.errors import NotFound
    from core.logs import configure_logging
    from core.settings import limit_threads

    settings = load_settings()
    configure_logging(settings.model_copy(update={"log_level": "WARNING", "log_json": False}), process="replay")
    # Before numpy is loaded.
    limit_threads(settings.engine_threads)
    from db.session import make_database
    from storage.s3 import make_store
    from worker.inference.replay import replay as run_replay

    try:
        job_id = UUID(job)
    except ValueError:
        raise NotFound(f"{job} is no job's id") from None
    database = make_database(settings, application_name="lucency-replay", pool_size=1)
    try:
        found = run_replay(
            job_id, database=database, store=make_store(settings), settings=settings, model=model, engine=engine
        )
    finally:
        database.dispose()
    typer.echo(json.dumps(found.as_dict(), indent=2) if as_json else _readable(found))
    if not found.identical:
        raise typer.Exit(DIFFERS)


def _readable(found: Replayed) -> str:
    compared = f"{found.compared['figures']} figures and {found.compared['files']} files"
    verdict = "Identical, bit for bit" if found.identical else "Not identical"
    lines = [f"{verdict}: {compared} compared ({found.model['replayed']})"]
    for title, differences in (("conditions", found.conditions), ("figures", found.figures), ("files", found.files)):
        if differences:
            lines.append(f"{title} that differ (recorded → replayed):")
        for entry in differences:
            distance = "" if entry.difference is None else f"   |Δ| {entry.difference:.3g}"
            lines.append(f"  {entry.what}: {entry.recorded} → {entry.replayed}{distance}")
    return "\n".join(lines)
