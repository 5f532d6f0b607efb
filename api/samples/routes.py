"""Samples: real radiographs for who has none at hand."""

from __future__ import annotations

from typing import Any

import anyio.to_thread
from fastapi import APIRouter, Response
from fastapi.responses import FileResponse

from api.dependencies import Caller, CallerOf
from api.samples.samples import Sample, picture, sample, samples, thumbnail
from api.samples.schemas import SampleList, sample_view
from core.vocabulary import MediaKind, Scope

router = APIRouter(prefix="/v1/samples", tags=["samples"])

# They are the installation's own files, the same for everyone, and no patient's.
CACHING = {"Cache-Control": "private, max-age=3600"}
BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
FILE: dict[int | str, dict[str, Any]] = {200: {"content": {kind.content_type: BINARY for kind in MediaKind}}}


def _listed(caller: Caller) -> list[Sample]:
    with caller.session(Scope.SUBMIT):
        pass
    return samples(caller.backends.settings)


def _found(caller: Caller, name: str) -> Sample:
    with caller.session(Scope.SUBMIT):
        pass
    return sample(caller.backends.settings, name)


@router.get("", response_model=SampleList)
def listing(caller: CallerOf, response: Response) -> SampleList:
    """The radiographs that can be tried at once; none where the installation has none."""
    response.headers["Cache-Control"] = "no-store"
    return SampleList(items=[sample_view(one) for one in _listed(caller)])


@router.get("/{name}", response_class=Response, responses=FILE)
async def one(caller: CallerOf, name: str) -> Response:
    """The file itself, to be submitted as any other."""
    found = await anyio.to_thread.run_sync(_found, caller, name)
    if not found.drawn:
        return FileResponse(found.path, media_type=found.kind.content_type, headers=CACHING)
    backends = caller.backends
    png = await backends.drawing.run(picture, found, backends.decoders)
    return Response(png, media_type=found.kind.content_type, headers=CACHING)


@router.get("/{name}/thumbnail", response_class=Response, responses={200: {"content": {"image/jpeg": BINARY}}})
async def small(caller: CallerOf, name: str) -> Response:
    """A small picture of it."""
    found = await anyio.to_thread.run_sync(_found, caller, name)
    backends = caller.backends
    jpeg = await backends.drawing.run(thumbnail, found, backends.decoders)
    return Response(jpeg, media_type="image/jpeg", headers=CACHING)
