"""The radiograph itself, for a viewer: its values in full depth, and how they are shown."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import anyio.to_thread
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from api.dependencies import Caller, CallerOf
from api.jobs.routes import entity_tag, matches
from api.viewer.display import display_view
from api.viewer.pixels import StoredImage, decoded, read_display_attributes
from api.viewer.schemas import DisplayView
from core.errors import ImageHeld
from core.vocabulary import AuditAction, MediaKind, Scope
from db.repositories import audit, jobs, related
from db.repositories.sites import Principal
from db.session import Session
from db.tables import Image

router = APIRouter(prefix="/v1/jobs", tags=["radiographs"])

# Raise it when the same file gives other values or fields.
REVISION = 2
OTHERS = 40
OCTETS = "application/octet-stream"
DESCRIBED = {
    "Rows": "integer",
    "Columns": "integer",
    "Bits": "integer",
    "Signed": "boolean",
    "Minimum": "integer",
    "Maximum": "integer",
    "Low": "number",
    "High": "number",
}
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Rows × Columns values of `Lucency-Bits` (8 or 16) bits, little endian, row by row, signed "
        "where `Lucency-Signed` says so. `Lucency-Low` and `-High`: their 0.5th and 99.5th percentile.",
        "content": {OCTETS: {"schema": {"type": "string", "format": "binary"}}},
        "headers": {f"Lucency-{name}": {"schema": {"type": kind}} for name, kind in DESCRIBED.items()},
    },
    304: {"description": "Unchanged"},
}


def _image_of(session: Session, principal: Principal, job_id: UUID) -> Image:
    """The Job's Image, for this caller's eyes. Raises NotFound, ImageHeld."""
    image = jobs.get(session, site_id=principal.site_id, job_id=job_id).image
    if image.quarantined and Scope.ADMIN not in principal.scopes:
        raise ImageHeld("A name may be burned into this image: an administrator must look at it first.")
    return image


def _stored(image: Image) -> StoredImage:
    return StoredImage(image.site_id, image.sha256, image.size_bytes, MediaKind(image.media_kind))


@router.get("/{job_id}/radiograph", response_class=Response, responses=ANSWERS)
async def pixels(request: Request, caller: CallerOf, job_id: UUID) -> Response:
    """The Job's image decoded at full size and full depth, one channel, for a viewer that windows it itself.

    Values are as stored, through the file's Modality LUT where that is a table; `/display` tells their sense. Each
    retrieval is audited.
    """
    image = await anyio.to_thread.run_sync(_retrieved, caller, job_id)
    etag = entity_tag([image.sha256, REVISION])
    # Asked again each time: who may see it is checked on every request.
    headers = {
        "ETag": etag,
        "Cache-Control": "private, no-cache",
        "Vary": "Authorization, X-API-Key, Cookie, Accept-Encoding",
    }
    if matches(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    made = await decoded(caller.backends, image)
    gzip = accepts_gzip(request.headers.get("accept-encoding", ""))
    headers |= made.headers
    headers |= {"Content-Encoding": "gzip"} if gzip else {"Content-Length": str(made.size)}
    return StreamingResponse(made.pieces(gzip=gzip), media_type=OCTETS, headers=headers)


def _retrieved(caller: Caller, job_id: UUID) -> StoredImage:
    with caller.session(Scope.READ) as (session, principal):
        image = _image_of(session, principal, job_id)
        audit.append(
            session,
            site_id=principal.site_id,
            actor=principal.actor,
            action=AuditAction.IMAGE_RETRIEVED,
            subject=f"image {image.id}",
            detail={"as": "radiograph"},
        )
        return _stored(image)


@router.get("/{job_id}/display", response_model=DisplayView)
def display(caller: CallerOf, response: Response, job_id: UUID) -> DisplayView:
    """How to show the Job's radiograph: its sense, the file's own windows, millimetres, and the images beside it."""
    with caller.session(Scope.READ) as (session, principal):
        stored = _stored(_image_of(session, principal, job_id))
    shown = read_display_attributes(caller.backends, stored)
    with caller.session(Scope.READ) as (session, principal):
        job = jobs.get(session, site_id=principal.site_id, job_id=job_id)
        others = related.others(
            session, site_id=principal.site_id, image_id=job.image_id, study_id=job.image.study_id, limit=OTHERS
        )
        view = display_view(job, job.image, shown, others)
    response.headers["Cache-Control"] = "no-store"
    return view


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether a client takes gzip (RFC 9110 section 12.5.3); what cannot be read is taken for no."""
    for part in accept_encoding.lower().split(","):
        name, _, weight = part.partition(";")
        if name.strip() in ("gzip", "*"):
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
