"""`lucency worker health`."""

from __future__ import annotations

import typer

app = typer.Typer(help="The worker.", no_args_is_help=True)

WITHIN_S = 30.0


@app.callback()
def _group() -> None:
    """Keeps `health` a sub-command while it is the only one."""


@app.command()
def health() -> None:
    """Exit 0 when a worker process of this machine has beaten and got on with its work within 30 s, else 1."""
    from core.errors import LucencyError
    from core.settings import load_settings
    from db.repositories import workers
    from db.session import make_database
    from worker.presence import host_prefix

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
