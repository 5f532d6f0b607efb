"""Results: the Prediction of a Job, and its explanations drawn on request from its heatmap and radiograph."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import anyio.to_thread
from fastapi import APIRouter, Query, Request, Response

from api.backends import Backends
from api.dependencies import Caller, CallerOf
from api.jobs.routes import entity_tag, matches
from api.results.schemas import ResultView
from api.results.views import result_view
from core.errors import ImageInvalid, InputIntegrity, NotFound
from core.vocabulary import Scope
from db.repositories import jobs, results
from imaging.aspect import aspect_of_attributes, square_size
from imaging.projection import project
from reports.heatmap import decode_heatmap, encode_heatmap
from reports.overlay import draw_colours, draw_overlay, draw_radiograph

router = APIRouter(prefix="/v1/jobs", tags=["results"])

# Raise it when a change in `reports` makes other pixels of the same heatmap.
DRAWING = 4
LONGEST_SIDE = 1024
Corners = tuple[float, float, float, float]


class View(StrEnum):
    """The heatmap over the radiograph, the bare heatmap as 16-bit grey or in the overlay's colours, or the decoded
    radiograph alone.
    """

    OVERLAY = "overlay"
    HEATMAP = "heatmap"
    COLOURS = "colours"
    RADIOGRAPH = "radiograph"


def load_result(caller: Caller, job_id: UUID) -> ResultView:
    """Raises NotFound, ResultNotReady."""
    with caller.session(Scope.READ) as (session, principal):
        prediction = jobs.result(session, site_id=principal.site_id, job_id=job_id)
        job = jobs.get(session, site_id=principal.site_id, job_id=job_id)
        return result_view(prediction, job.image)


@router.get("/{job_id}/result", response_model=ResultView)
def result(caller: CallerOf, response: Response, job_id: UUID) -> ResultView:
    """The Prediction of a succeeded Job; 409 `result_not_ready` before, and for Jobs that ended otherwise."""
    view = load_result(caller, job_id)
    response.headers["Cache-Control"] = "no-store"
    return view


@dataclass(frozen=True, slots=True)
class _Drawing:
    """What an explanation's picture is made of."""

    site_id: UUID
    sha256: str
    reduced: bool
    heatmap: bytes | None
    heatmap_key: str | None
    preview_key: str | None
    window: Corners
    regions: tuple[dict[str, Any], ...]
    rows: int
    columns: int
    aspect: float
    caption: str
    etag: str


@router.get(
    "/{job_id}/explanations/{label}.png",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}}, 304: {"description": "Unchanged"}},
)
async def explanation(
    request: Request,
    caller: CallerOf,
    job_id: UUID,
    label: str,
    view: View = View.OVERLAY,
    opacity: Annotated[float, Query(ge=0, le=1)] = 0.4,
    boxes: bool = False,
) -> Response:
    """Grad-CAM of one Finding: red and yellow where the model looked, green and blue where it did not."""
    drawing = await anyio.to_thread.run_sync(_load_drawing, caller, job_id, label)
    etag = entity_tag([drawing.etag, view.value, opacity, boxes, DRAWING])
    # Private and asked again each time: who may see it is checked on every request.
    headers = {"ETag": etag, "Cache-Control": "private, no-cache", "Vary": "Authorization, X-API-Key"}
    if matches(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    backends = caller.backends
    png = await backends.drawing.run(_draw, backends, drawing, view, opacity, boxes)
    headers["Content-Disposition"] = f'inline; filename="{job_id}-{_safe(label)}-{view.value}.png"'
    return Response(png, media_type="image/png", headers=headers)


def _load_drawing(caller: Caller, job_id: UUID, label: str) -> _Drawing:
    with caller.session(Scope.READ) as (session, principal):
        found = results.explanation(session, site_id=principal.site_id, job_id=job_id, label=label)
        if found is None:
            raise NotFound("This job has no explanation of that label.")
        left, top, right, bottom = found["window"]
        return _Drawing(
            site_id=principal.site_id,
            sha256=found["sha256"],
            reduced=found["reduced_revision"] is not None,
            heatmap=found["heatmap"],
            heatmap_key=found["heatmap_key"],
            preview_key=found["preview_key"],
            window=(left, top, right, bottom),
            regions=tuple(found["regions"]),
            rows=found["rows"],
            columns=found["columns"],
            aspect=aspect_of_attributes(found["attributes"] or {}),
            caption=f"{label} {found['probability']:.1%}",
            etag=str(found["id"]),
        )


def _draw(backends: Backends, drawing: _Drawing, view: View, opacity: float, boxes: bool) -> bytes:
    try:
        if view is View.RADIOGRAPH:
            return draw_radiograph(_preview(backends, drawing))
        heatmap = backends.pictures.heatmap(drawing.heatmap, key=drawing.heatmap_key)
        if view in (View.HEATMAP, View.COLOURS):
            size = picture_size(*square_size(drawing.rows, drawing.columns, drawing.aspect))
            heat = project(decode_heatmap(heatmap), window=drawing.window, size=size)
            return encode_heatmap(heat) if view is View.HEATMAP else draw_colours(heat)
        return draw_overlay(
            _preview(backends, drawing),
            heatmap,
            window=drawing.window,
            regions=drawing.regions if boxes else (),
            rows=drawing.rows,
            columns=drawing.columns,
            opacity=opacity,
            caption=drawing.caption,
        )
    except ImageInvalid as error:
        raise InputIntegrity("The explanation's stored images were altered.") from error


def _preview(backends: Backends, drawing: _Drawing) -> bytes:
    return backends.pictures.preview(drawing.site_id, drawing.sha256, key=drawing.preview_key, reduced=drawing.reduced)


def picture_size(rows: int, columns: int) -> tuple[int, int]:
    """(height, width) of a drawn heatmap: the picture's shape, its longest side at most LONGEST_SIDE."""
    scale = min(1.0, LONGEST_SIDE / max(rows, columns))
    return max(1, round(rows * scale)), max(1, round(columns * scale))


def _safe(label: str) -> str:
    return "".join(sign if sign.isascii() and (sign.isalnum() or sign in "-_") else "_" for sign in label)
