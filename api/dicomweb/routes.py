"""/dicom-web: STOW-RS, QIDO-RS and WADO-RS (PS3.18 chapter 10)."""

from __future__ import annotations

from fastapi import APIRouter

from api.dicomweb import retrieve_routes as dicomweb_retrieve
from api.dicomweb import search_routes as dicomweb_search
from api.dicomweb import store_routes as dicomweb_store

router = APIRouter()
for _part in (dicomweb_store, dicomweb_search, dicomweb_retrieve):
    router.include_router(_part.router)
