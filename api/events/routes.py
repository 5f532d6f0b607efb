"""Events: one stream per tab that says what changed, so that it can be asked for again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

import anyio.to_thread
from fastapi import APIRouter, Header, Response

from api.dependencies import Caller, CallerOf
from api.events.sse import EventStream
from core.errors import DatabaseUnavailable, Forbidden, Unauthorized
from core.vocabulary import Scope

router = APIRouter(prefix="/v1/events", tags=["events"])

STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events `changed` with `{topics: [tag or tag:id, …]}`; `*` is everything. A comment and an "
        "event `beat` each 15 s.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


@dataclass(frozen=True, slots=True)
class _Seat:
    """What a caller may hear of. `site_id` is None of an operator without a Site."""

    owner: str
    site_id: UUID | None
    platform: bool


def _seat(caller: Caller) -> _Seat:
    """Raises Unauthorized, Forbidden."""
    try:
        with caller.session(Scope.READ) as (_session, principal):
            return _Seat(principal.actor, principal.site_id, Scope.OPERATE in principal.scopes)
    except Forbidden:
        with caller.session(Scope.OPERATE) as (_session, principal):
            return _Seat(principal.actor, None, platform=True)


@router.get("", response_class=Response, responses=STREAM)
async def stream(
    caller: CallerOf,
    last_event_id: Annotated[
        str | None, Header(max_length=100, description="The last `id` seen: after a gap the first event is `*`.")
    ] = None,
) -> Response:
    """Server-sent events of the Site, and for operators of the whole platform. They hold ids alone."""
    # A tab left open is nobody's presence.
    caller = caller.unattended()
    seat = await anyio.to_thread.run_sync(_seat, caller)

    async def still_in() -> bool:
        try:
            return await anyio.to_thread.run_sync(_seat, caller) == seat
        except (Unauthorized, Forbidden):
            return False
        except DatabaseUnavailable:
            return True

    changes = caller.backends.changes
    opened = changes.opened(seat.owner, site_id=seat.site_id, platform=seat.platform)
    return EventStream(changes, opened, still_in=still_in, seen=last_event_id)
