"""The application factory: `uvicorn --factory api.app:create_app`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio.to_thread
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from fastapi_offline import FastAPIOffline
from starlette.types import ASGIApp

from api.backends import Backends, make_backends
from api.events.sse import ending_streams
from api.health.schemas import IndexView
from api.memory import one_arena, settled
from api.metrics import install_metrics
from api.middleware import surround
from api.overview.overviews import Overviews
from api.problems import install_problems
from api.routes import ROUTES, operation_id
from api.schemas import as_json
from api.sessions.oidc import Provider
from api.warm_up import warm_up
from api.web_application import WebApplication, wants_page
from core.logs import configure_logging
from core.settings import Settings, load_settings
from core.version import VERSION
from core.vocabulary import DISCLAIMER
from db.notifications import Listener

# Threads for routes that talk to the database; they queue for its pool, which is smaller.
ROUTE_THREADS = 64


def create_app(settings: Settings | None = None) -> FastAPI:
    """The whole API. Without `settings` it is a process of its own: it reads them and sets up logging."""
    own_process = settings is None
    if settings is None:
        one_arena()
        settings = load_settings()
        configure_logging(settings, process="api")
        _adopt_uvicorn_logs()
    app: FastAPI = FastAPIOffline(
        title="Lucency",
        version=VERSION,
        description=f"Bone radiographs in, findings with explanations out. {DISCLAIMER}",
        lifespan=_lifespan,
        redoc_url=None,
        generate_unique_id_function=operation_id,
        # Bodies are bounded where they stream (api.uploads.request_body); no other route takes one.
    )
    backends = app.state.backends = make_backends(settings)
    app.state.own_process = own_process
    app.state.overviews = Overviews(backends.database, backends.changes)
    app.state.oidc = Provider(settings) if settings.oidc_issuer is not None else None
    app.router.routes.extend(ROUTES)
    app.add_api_route("/", _index, methods=["GET"], response_model=IndexView, tags=["health"])
    app.state.pages = WebApplication.of(app.state.backends.settings, missing=app.router.default)
    app.router.default = app.state.pages
    install_metrics(app)
    install_problems(app)
    _surround(app, app.state.backends.settings)
    return app


async def _index(request: Request) -> Response:
    """Where things are; the web application for a browser."""
    if wants_page(request):
        pages: WebApplication = request.app.state.pages
        return pages.page()
    return JSONResponse(as_json(IndexView(version=VERSION)))


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    backends: Backends = app.state.backends
    anyio.to_thread.current_default_thread_limiter().total_tokens = ROUTE_THREADS
    listener = backends.listen(asyncio.get_running_loop())
    try:
        if app.state.own_process:
            # It listens after this: who can ask whether it is ready gets an answer as fast as any later.
            await warm_up(backends)
            settled()
        with ending_streams(backends.changes):
            yield
    finally:
        await anyio.to_thread.run_sync(_close, backends, listener)


def _close(backends: Backends, listener: Listener) -> None:
    listener.stop()
    backends.broker.close()
    backends.decoders.close()
    backends.drawing.close()
    backends.database.dispose()


def _surround(app: FastAPI, settings: Settings) -> None:
    # Starlette puts its 500 handler outside of every middleware that can be added to it, and a crash must have a
    # request id, a log line and a drained body as well.
    build = app.build_middleware_stack

    def build_surrounded(*arguments: Any, **keywords: Any) -> ASGIApp:
        return surround(build(*arguments, **keywords), https=(settings.public_url or "").startswith("https:"))

    app.build_middleware_stack = build_surrounded  # type: ignore[method-assign]


def _adopt_uvicorn_logs() -> None:
    """uvicorn's own messages go through our formatter; its access log, which holds query strings, goes nowhere."""
    for name in ("uvicorn", "uvicorn.error", "uvicorn.asgi"):
        adopted = logging.getLogger(name)
        adopted.handlers.clear()
        adopted.propagate = True
    access = logging.getLogger("uvicorn.access")
    access.handlers.clear()
    access.propagate = False
