"""`lucency user …`: who may sign in, and what they may do at which Site."""

from __future__ import annotations

import typer

app = typer.Typer(help="Users of the web application: add, list, password, disable, role.", no_args_is_help=True)


@app.callback()
def user() -> None:
    """Users."""
