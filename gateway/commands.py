"""`lucency gateway`: run the DICOM listener, see what it holds, decide on what the API refused."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from core.settings import load_settings

app = typer.Typer(
    help="DICOM network listener (C-ECHO, C-STORE): spools to disk, forwards to the API.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def main(context: typer.Context) -> None:
    """DICOM network listener: takes radiographs by C-STORE, keeps them durably, forwards them to the API."""
    if context.invoked_subcommand is None:
        run()


@app.command()
def run() -> None:
    """Listen until SIGTERM or Ctrl-C. Settings: LUCENCY_GATEWAY_*, LUCENCY_API_URL, LUCENCY_API_KEY."""
    from gateway.process import run as run_gateway

    run_gateway(load_settings())


@app.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False) -> None:
    """What waits, what was refused and why, the last error; status 1 unless the gateway runs and is healthy."""
    from gateway.state import status_of

    found = status_of(load_settings())
    typer.echo(json.dumps(found, indent=2) if as_json else _as_text(found))
    if not found["healthy"]:
        raise typer.Exit(1)


@app.command()
def retry() -> None:
    """Queue everything that the API refused again; a running gateway finds it within 10 s."""
    typer.echo(f"{_spool().take_back()} queued again.")


@app.command()
def discard(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove everything that the API refused, for good."""
    if not yes:
        typer.confirm("Remove all refused instances for good?", abort=True)
    typer.echo(f"{_spool().drop_refused()} removed.")


def _spool() -> Any:
    from gateway.spool import Spool
    from gateway.state import spool_folder

    settings = load_settings()
    folder = spool_folder(settings)
    if not folder.exists():
        typer.echo(f"There is no spool in {folder}.", err=True)
        raise typer.Exit(1)
    return Spool(folder, free_bytes=settings.gateway_free_bytes, bound_bytes=settings.gateway_spool_bytes)


def _as_text(found: dict[str, Any]) -> str:
    state = "healthy" if found["healthy"] else "running, not healthy" if found["running"] else "not running"
    lines = [
        f"gateway: {state}; {found['ae_title']} at {found['host']}:{found['port']}{' (TLS)' if found['tls'] else ''}",
        f"waiting: {found['waiting']} ({found['waiting_bytes'] / 1e6:.1f} MB)"
        + (f", oldest {found['oldest_seconds']:.0f} s" if found["oldest_seconds"] is not None else ""),
        f"refused: {found['refused']}" + "".join(f"; {code}: {count}" for code, count in found["refused_for"].items()),
    ]
    if found["api_out"]:
        lines.append("the API takes nothing at the moment")
    if found["last_error"]:
        lines.append(f"last error: {found['last_error']['title']} ({found['last_error']['code']})")
    return "\n".join(lines)
