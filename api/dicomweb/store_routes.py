"""STOW-RS: instances in."""

from __future__ import annotations

from typing import Any

import anyio.to_thread
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from api.dependencies import Caller, CallerOf
from api.dicomweb.media_types import DICOM_JSON, accepted
from api.dicomweb.negotiation import json_type
from api.dicomweb.store import Storing
from api.dicomweb.store_response import receipt, status_of
from api.dicomweb.urls import PREFIX, Names, Urls, require_uid
from core.vocabulary import Scope
from db.repositories.sites import Principal

router = APIRouter(prefix=PREFIX, tags=["dicomweb"])

ANSWERS: dict[int | str, dict[str, Any]] = {
    202: {"description": "Stored, de-identified: each with Warning Reason B000", "content": {DICOM_JSON: {}}},
    409: {"description": "No instance could be stored", "content": {DICOM_JSON: {}}},
}


@router.post("/studies", status_code=202, responses=ANSWERS, response_class=Response)
async def store(request: Request, caller: CallerOf) -> Response:
    """Store DICOM instances of any studies; each becomes a Job.

    The body is `multipart/related; type="application/dicom"`, an instance each part.
    """
    return await _store(request, caller, None)


@router.post("/studies/{study}", status_code=202, responses=ANSWERS, response_class=Response)
async def store_in_study(request: Request, caller: CallerOf, study: str) -> Response:
    """Store DICOM instances of this study; those of others fail."""
    return await _store(request, caller, require_uid(study))


async def _store(request: Request, caller: Caller, study: str | None) -> Response:
    media_type = json_type(accepted(request.headers.get("accept"), request.query_params.getlist("accept")))
    principal, names = await anyio.to_thread.run_sync(_submitter, caller)
    outcomes = await Storing(caller.backends, principal, names, study=study).run(request)
    return JSONResponse(
        receipt(outcomes, Urls(request, caller.backends.settings)),
        status_code=status_of(outcomes),
        media_type=media_type,
        headers={"Cache-Control": "no-store"},
    )


def _submitter(caller: Caller) -> tuple[Principal, Names]:
    with caller.session(Scope.SUBMIT) as (session, principal):
        return principal, Names.of(session, principal, caller.backends)
