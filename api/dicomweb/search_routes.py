"""QIDO-RS: what there is."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from api.dependencies import Caller, CallerOf
from api.dicomweb.media_types import DICOM_JSON, accepted
from api.dicomweb.negotiation import json_type
from api.dicomweb.query import SERIES_UID, STUDY_UID, Level, read_query
from api.dicomweb.search import search
from api.dicomweb.urls import PREFIX, Names, Urls, require_uid
from core.vocabulary import Scope

router = APIRouter(prefix=PREFIX, tags=["dicomweb"])

SEARCH: dict[str, Any] = {
    "response_class": Response,
    "responses": {200: {"description": "The matches, as DICOM JSON", "content": {DICOM_JSON: {}}}},
    "openapi_extra": {
        "parameters": [
            {"name": name, "in": "query", "required": False, "schema": schema}
            for name, schema in {
                "limit": {"type": "integer", "minimum": 0},
                "offset": {"type": "integer", "minimum": 0},
                "includefield": {"type": "string"},
                "StudyInstanceUID": {"type": "string"},
                "StudyDate": {"type": "string"},
                "PatientID": {"type": "string"},
                "ModalitiesInStudy": {"type": "string"},
            }.items()
        ]
    },
}
MORE = '299 lucency "There are additional results that can be requested"'
LITERAL = '299 lucency "The fuzzymatching parameter is not supported. Only literal matching has been performed."'


@router.get("/studies", **SEARCH)
def studies(request: Request, caller: CallerOf) -> Response:
    """Studies, newest first, by any attribute: keyword or tag."""
    return _search(request, caller, Level.STUDY, {})


@router.get("/series", **SEARCH)
def series(request: Request, caller: CallerOf) -> Response:
    """Series of any study."""
    return _search(request, caller, Level.SERIES, {})


@router.get("/instances", **SEARCH)
def instances(request: Request, caller: CallerOf) -> Response:
    """Instances of any study: images, and the DICOM forms of their results."""
    return _search(request, caller, Level.INSTANCE, {})


@router.get("/studies/{study}/series", **SEARCH)
def series_of_study(request: Request, caller: CallerOf, study: str) -> Response:
    """Series of one study."""
    return _search(request, caller, Level.SERIES, {STUDY_UID: study})


@router.get("/studies/{study}/instances", **SEARCH)
def instances_of_study(request: Request, caller: CallerOf, study: str) -> Response:
    """Instances of one study."""
    return _search(request, caller, Level.INSTANCE, {STUDY_UID: study})


@router.get("/studies/{study}/series/{series}/instances", **SEARCH)
def instances_of_series(request: Request, caller: CallerOf, study: str, series: str) -> Response:
    """Instances of one series."""
    return _search(request, caller, Level.INSTANCE, {STUDY_UID: study, SERIES_UID: series})


def _search(request: Request, caller: Caller, level: Level, path: dict[str, str]) -> Response:
    parameters = request.query_params
    media_type = json_type(accepted(request.headers.get("accept"), parameters.getlist("accept")))
    for uid in path.values():
        require_uid(uid)
    with caller.session(Scope.READ) as (session, principal):
        names = Names.of(session, principal, caller.backends)
        query = read_query(level, parameters.multi_items(), path, names)
        found = search(session, site_id=principal.site_id, query=query, urls=Urls(request, caller.backends.settings))
    response = JSONResponse(found.items, media_type=media_type, headers={"Cache-Control": "no-store"})
    for warning, holds in ((MORE, found.more), (LITERAL, query.fuzzy)):
        if holds:
            response.headers.append("Warning", warning)
    return response
