"""The API, which also says what it sent to the database: `benchmarks.counted:create_app`."""

from __future__ import annotations

from fastapi import FastAPI

from api.app import create_app as create_api
from tests.statements import listen

PATH = "/benchmark/statements"


def create_app() -> FastAPI:
    """The API with a route more, which answers the statements since it was asked last."""
    app, sent = create_api(), listen()

    @app.get(PATH, include_in_schema=False)
    def statements() -> list[str]:
        taken = sent.copy()
        sent.clear()
        return taken

    return app
