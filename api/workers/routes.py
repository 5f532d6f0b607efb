"""Workers: who works for the platform and at what, and what operators want of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path, Response

from api.dependencies import CallerOf
from api.workers.schemas import WorkerJobView, WorkerList, WorkerModelView, WorkerView
from core.vocabulary import AuditAction, Scope, WorkerWish
from db.repositories import audit, model_versions, statistics, workers
from db.repositories.sites import PLATFORM
from db.session import Session
from db.tables import Worker

router = APIRouter(prefix="/v1/workers", tags=["workers"])

SHOWN_S = 24 * 3600.0
ALIVE_S = 30.0

Name = Annotated[str, Path(max_length=300, description="As in the listing.")]


@router.get("", response_model=WorkerList)
def listing(caller: CallerOf, response: Response) -> WorkerList:
    """The worker processes of the platform."""
    with caller.session(Scope.OPERATE) as (session, _principal):
        items = _views(session, workers.listing(session, within_s=SHOWN_S))
    response.headers["Cache-Control"] = "no-store"
    return WorkerList(items=items)


@router.post("/{name}/drain", response_model=WorkerView)
def drain(caller: CallerOf, name: Name) -> WorkerView:
    """Within 10 s it claims nothing more, and finishes what it has. Until it is told to go on, or starts anew."""
    return _control(caller, name, WorkerWish.DRAIN)


@router.post("/{name}/resume", response_model=WorkerView)
def resume(caller: CallerOf, name: Name) -> WorkerView:
    """A drained one claims again."""
    return _control(caller, name, WorkerWish.RUN)


@router.post("/{name}/restart", response_model=WorkerView)
def restart(caller: CallerOf, name: Name) -> WorkerView:
    """It claims nothing more, ends when it has finished what it has, and is started anew under another name."""
    return _control(caller, name, WorkerWish.RESTART)


def _control(caller: CallerOf, name: str, wanted: WorkerWish) -> WorkerView:
    with caller.session(Scope.OPERATE) as (session, principal):
        row = workers.set_wish(session, name, wanted)
        session.flush()
        (view,) = _views(session, [row])
        audit.append(
            session,
            site_id=PLATFORM,
            actor=principal.actor,
            action=AuditAction.WORKER_CONTROLLED,
            subject=f"worker {name}",
            detail={"wish": wanted.value},
        )
    return view


def _views(session: Session, rows: Sequence[Worker]) -> list[WorkerView]:
    held = workers.held(session, [row.name for row in rows])
    models = {
        model.digest: WorkerModelView(id=model.id, name=model.name, version=model.version)
        for model in model_versions.listing(session)
    }
    now = statistics.clock(session)
    return [
        WorkerView(
            name=row.name,
            host=row.host,
            pid=row.pid,
            engine=row.engine,
            device=row.device,
            model=models.get(row.model_digest or ""),
            failed_code=row.failed_code,
            state=row.state,
            wish=WorkerWish(row.wish),
            alive=(now - min(row.seen_at, row.progress_at)).total_seconds() <= ALIVE_S,
            started_at=row.started_at,
            seen_at=row.seen_at,
            progress_at=row.progress_at,
            jobs=[WorkerJobView.model_validate(job) for job in held.get(row.name, [])],
        )
        for row in rows
    ]
