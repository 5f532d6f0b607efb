"""Deliveries: what became of each result's way to its targets, and sending it again."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from api.cursors import decode_cursor, encode_cursor
from api.deliveries.schemas import DeliveryLinks, DeliveryList, DeliveryPage, DeliveryView
from api.dependencies import CallerOf
from api.jobs.views import job_path
from core.vocabulary import DeliveryState, Scope
from db.repositories import deliveries
from db.tables import Delivery

router = APIRouter(prefix="/v1", tags=["deliveries"])


@router.get("/deliveries", response_model=DeliveryPage)
def listing(
    caller: CallerOf,
    response: Response,
    state: Annotated[list[DeliveryState] | None, Query(description="Only deliveries in these states.")] = None,
    rule: Annotated[UUID | None, Query(description="Only those of this rule.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=200, description="`next` of the page before.")] = None,
) -> DeliveryPage:
    """The Site's deliveries, newest first."""
    before = decode_cursor(cursor) if cursor is not None else None
    with caller.session(Scope.READ) as (session, principal):
        rows = deliveries.page(
            session, site_id=principal.site_id, states=state or (), rule_id=rule, limit=limit + 1, before=before
        )
        items = [_view(row) for row in rows[:limit]]
    following = encode_cursor((items[-1].created_at, items[-1].id)) if len(rows) > limit else None
    if following is not None:
        asked = "".join(f"&state={chosen.value}" for chosen in state or ()) + (f"&rule={rule}" if rule else "")
        response.headers["Link"] = f'</v1/deliveries?limit={limit}{asked}&cursor={following}>; rel="next"'
    response.headers["Cache-Control"] = "no-store"
    return DeliveryPage(items=items, next=following)


@router.get("/deliveries/{delivery_id}", response_model=DeliveryView)
def one(caller: CallerOf, response: Response, delivery_id: UUID) -> DeliveryView:
    """One delivery."""
    response.headers["Cache-Control"] = "no-store"
    with caller.session(Scope.READ) as (session, principal):
        return _view(deliveries.get(session, site_id=principal.site_id, delivery_id=delivery_id))


@router.post("/deliveries/{delivery_id}/redeliver", status_code=202, response_model=DeliveryView)
def redeliver(caller: CallerOf, response: Response, delivery_id: UUID) -> DeliveryView:
    """Send again what ended: a new delivery of the same message or instances. Asked for twice it is the same one; 409
    while the delivery is pending.
    """
    with caller.session(Scope.ADMIN) as (session, principal):
        view = _view(deliveries.redeliver(session, site_id=principal.site_id, delivery_id=delivery_id))
    response.headers["Location"] = view.links.self
    return view


@router.get("/jobs/{job_id}/deliveries", response_model=DeliveryList)
def of_job(caller: CallerOf, response: Response, job_id: UUID) -> DeliveryList:
    """The Job's deliveries, oldest first."""
    response.headers["Cache-Control"] = "no-store"
    with caller.session(Scope.READ) as (session, principal):
        rows = deliveries.of_job(session, site_id=principal.site_id, job_id=job_id)
        return DeliveryList(items=[_view(row) for row in rows])


def _view(row: Delivery) -> DeliveryView:
    path = f"/v1/deliveries/{row.id}"
    return DeliveryView(
        id=row.id,
        rule_id=row.rule_id,
        job_id=row.job_id,
        state=DeliveryState(row.state),
        attempt=row.attempt,
        redelivery_of=row.redelivery_of,
        created_at=row.created_at,
        next_attempt_at=row.run_after if row.state == DeliveryState.PENDING else None,
        delivered_at=row.delivered_at,
        code=row.code,
        detail=row.detail,
        links=DeliveryLinks(
            self=path, job=job_path(row.job_id), rule=f"/v1/delivery-rules/{row.rule_id}", redeliver=f"{path}/redeliver"
        ),
    )
