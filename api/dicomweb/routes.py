"""/dicom-web: STOW-RS, QIDO-RS and WADO-RS (PS3.18 chapter 10)."""

from __future__ import annotations

from fastapi import APIRouter

from api.dicomweb import retrieve_routes, search_routes, store_routes

router = APIRouter()
for _part in (store_routes, search_routes, retrieve_routes):
    router.routes.extend(_part.router.routes)
