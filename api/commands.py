"""`lucency api …`: what belongs to the API as a program."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr

app = typer.Typer(help="The HTTP API.", no_args_is_help=True)


def openapi_text() -> str:
    """The OpenAPI document as it is committed: sorted, indented, one newline at its end."""
    from api.app import create_app
    from core.settings import Settings

    # Nothing is connected to; the object-store client only insists on a secret.
    document = create_app(Settings(s3_secret_key=SecretStr("unused"))).openapi()
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


@app.command()
def openapi(
    out: Annotated[Path | None, typer.Option(help="Write it here instead of to stdout.")] = None,
) -> None:
    """Print the OpenAPI document."""
    text = openapi_text()
    if out is None:
        sys.stdout.write(text)
    else:
        out.write_text(text, encoding="utf-8")


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Default: the setting LUCENCY_API_HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="Default: the setting LUCENCY_API_PORT.")] = None,
) -> None:
    """Run one API process."""
    import uvicorn

    from core.settings import load_settings

    settings = load_settings()
    uvicorn.run(
        "api.app:create_app",
        factory=True,
        host=host or settings.api_host,
        port=settings.api_port if port is None else port,
        access_log=False,
        # A client may be waiting; a deploy shall not cut it before its own limit.
        timeout_graceful_shutdown=int(settings.wait_limit) + 5,
    )
