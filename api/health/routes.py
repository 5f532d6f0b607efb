"""Health, readiness and metrics. Without a key: they hold counts and states, nothing of a patient or a site."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from api.backends import Backends
from api.checks import look
from api.dependencies import BackendsOf
from api.health.schemas import HealthView, ReadinessView
from api.schemas import as_json
from core.errors import LucencyError, NoActiveModel
from db.repositories import model_versions, workers

router = APIRouter(tags=["health"])

WORKER_AGE = 30.0


class NoWorker(LucencyError):
    code, status, title = "no_worker", 503, "No worker has been heard of"


@router.get("/healthz", response_model=HealthView)
async def healthz() -> HealthView:
    """This process answers. It asks no other server."""
    return HealthView()


@router.get("/readyz", response_model=ReadinessView, responses={503: {"model": ReadinessView}})
async def readyz(backends: BackendsOf) -> Response:
    """Whether a Job submitted now would be accepted and run."""
    checks: dict[str, Callable[[Backends], None]] = {
        "database": lambda held: held.database.check(),
        "store": lambda held: held.store.check(),
        "broker": lambda held: held.broker.check(),
        "worker": _check_worker,
        "model": _check_model,
    }
    found = await look({name: partial(check, backends) for name, check in checks.items()})
    ready = all(view.status == "up" for view in found.values())
    view = ReadinessView(status="ready" if ready else "unavailable", checks=found)
    headers = {"Cache-Control": "no-store"} | ({} if ready else {"Retry-After": "5"})
    return JSONResponse(as_json(view), status_code=200 if ready else 503, headers=headers)


def _check_worker(backends: Backends) -> None:
    with backends.database.unit_of_work() as session:
        if not workers.alive(session, within_s=WORKER_AGE, working=True):
            raise NoWorker


def _check_model(backends: Backends) -> None:
    with backends.database.unit_of_work() as session:
        if model_versions.active(session) is None:
            raise NoActiveModel
