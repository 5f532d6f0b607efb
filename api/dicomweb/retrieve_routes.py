"""WADO-RS: instances, metadata, bulk data, frames and pictures out. Each retrieval leaves an audit record first."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import anyio.to_thread
from fastapi import APIRouter, Depends, Request, Response

from api.dependencies import CallerOf
from api.dicomweb.instances import Instance, find
from api.dicomweb.media_types import DICOM, DICOM_JSON, MediaType, accepted
from api.dicomweb.negotiation import Form, dicom_form, frame_form, json_type, octets_form, picture_format
from api.dicomweb.rendering import read_picture_request
from api.dicomweb.representations import PIXEL_DATA, Bodies
from api.dicomweb.streaming import PRIVATE, BodyPart, json_array, related, single
from api.dicomweb.urls import PREFIX, Names, Urls, require_uid
from core import transfer_syntaxes as syntaxes
from core.errors import NotAcceptable, NotFound
from core.vocabulary import AuditAction, ReportKind, Scope
from db.repositories import audit
from imaging.dicom_json import metadata

router = APIRouter(prefix=PREFIX, tags=["dicomweb"])

LEVELS = ("study", "series", "instance")
Handler = TypeVar("Handler", bound=Callable[..., Any])
STUDY = "/studies/{study}"
SERIES = STUDY + "/series/{series}"
INSTANCE = SERIES + "/instances/{instance}"
RELATED: dict[str, Any] = {
    "response_class": Response,
    "responses": {200: {"content": {"multipart/related": {}, DICOM: {}, "application/octet-stream": {}}}},
}
JSON: dict[str, Any] = {"response_class": Response, "responses": {200: {"content": {DICOM_JSON: {}}}}}
PICTURE: dict[str, Any] = {
    "response_class": Response,
    "responses": {200: {"content": {"image/jpeg": {}, "image/png": {}, "multipart/related": {}}}},
}


def resource(path: str, **kind: Any) -> Callable[[Handler], Handler]:
    """`router.get`. `retrieval` reads the UIDs in the path, for every route alike: the document must name them."""
    declared = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1, "maxLength": 64}}
        for name in (*LEVELS, "frames")
        if f"{{{name}}}" in path
    ]
    return router.get(path, openapi_extra={"parameters": declared}, **kind)


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What a request names, and how its caller wants it."""

    instances: list[Instance]
    accepted: list[MediaType]
    bodies: Bodies
    urls: Urls
    alone: bool

    def url(self, instance: Instance) -> str:
        return self.urls.instance(instance.study, instance.series, instance.instance)


async def retrieval(request: Request, caller: CallerOf) -> Retrieval:
    """Find what the URL names, and leave the audit record. Raises NotFound, also for another Site's; RequestInvalid."""
    uids = {name: require_uid(request.path_params[name]) for name in LEVELS if name in request.path_params}
    wanted = accepted(request.headers.get("accept"), request.query_params.getlist("accept"))

    def look() -> tuple[list[Instance], Bodies]:
        with caller.session(Scope.READ) as (session, principal):
            found = find(session, principal, Names.of(session, principal, caller.backends), **uids)
            alone = "instance" in uids
            audit.append(
                session,
                site_id=principal.site_id,
                actor=principal.actor,
                action=AuditAction.IMAGE_RETRIEVED,
                subject=found[0].subject if alone else f"study {found[0].stored.study_id}",
                detail={"instances": len(found), "as": _resource(request)},
            )
            return found, Bodies(caller.backends, principal)

    found, bodies = await anyio.to_thread.run_sync(look)
    return Retrieval(found, wanted, bodies, Urls(request, caller.backends.settings), "instance" in uids)


def _resource(request: Request) -> str:
    """What of the instances is asked for, from the route's template: `frames`, `frames/rendered`, empty for files."""
    words = request.scope["route"].path.removeprefix(PREFIX).strip("/").split("/")
    return "/".join(
        word for word in words if not word.startswith("{") and word not in ("studies", "series", "instances")
    )


RetrievalOf = Annotated[Retrieval, Depends(retrieval)]


@resource(STUDY, **RELATED)
@resource(SERIES, **RELATED)
@resource(INSTANCE, **RELATED)
async def files(retrieval: RetrievalOf) -> Response:
    """The instances as DICOM files: in Explicit VR Little Endian, or as stored with `transfer-syntax=*`."""
    forms = [
        dicom_form(instance.transfer_syntax, retrieval.accepted, alone=retrieval.alone)
        for instance in retrieval.instances
    ]

    async def parts() -> AsyncIterator[BodyPart]:
        for instance, form in zip(retrieval.instances, forms, strict=True):
            yield BodyPart(form.content_type, retrieval.url(instance), retrieval.bodies.file(instance, form))

    return await _in_parts(retrieval, parts(), forms[0])


@resource(STUDY + "/metadata", **JSON)
@resource(SERIES + "/metadata", **JSON)
@resource(INSTANCE + "/metadata", **JSON)
async def attributes(retrieval: RetrievalOf) -> Response:
    """All attributes as DICOM JSON; pixel data and large binary values as BulkDataURI."""
    media_type = json_type(retrieval.accepted)

    async def items() -> AsyncIterator[dict[str, Any]]:
        for instance in retrieval.instances:
            header = await retrieval.bodies.header(instance)
            yield metadata(header, bulk_uri=_bulk_uri(retrieval.url(instance)))

    return await json_array(items(), media_type, dict(PRIVATE))


def _bulk_uri(url: str) -> Callable[[str], str]:
    return lambda path: f"{url}/bulkdata/{path}"


@resource(INSTANCE + "/bulkdata/{path:path}", **RELATED)
async def bulk_data(retrieval: RetrievalOf, path: str) -> Response:
    """One binary value, by the path that the metadata names."""
    instance = retrieval.instances[0]
    location = f"{retrieval.url(instance)}/bulkdata/{path}"
    if path.upper() == PIXEL_DATA and instance.produced is None:
        form = frame_form(instance.transfer_syntax, retrieval.accepted)
        return await _one(retrieval, BodyPart(_type_of(form), location, retrieval.bodies.frame(instance, form)), form)
    form = octets_form(retrieval.accepted)

    async def content() -> AsyncIterator[bytes]:
        yield await retrieval.bodies.value(instance, path)

    return await _one(retrieval, BodyPart(form.media_type, location, content()), form)


@resource(INSTANCE + "/frames/{frames}", **RELATED)
async def frame_list(request: Request, retrieval: RetrievalOf) -> Response:
    """The frame: `1`, for radiographs have one; its stored values, or the codestream as it is stored."""
    instance = _pictured(request, retrieval)
    form = frame_form(instance.transfer_syntax, retrieval.accepted)
    location = f"{retrieval.url(instance)}/frames/1"
    return await _one(retrieval, BodyPart(_type_of(form), location, retrieval.bodies.frame(instance, form)), form)


def _type_of(form: Form) -> str:
    return form.content_type if form.transfer_syntax != syntaxes.EXPLICIT else form.media_type


def _pictured(request: Request, retrieval: Retrieval) -> Instance:
    """The one instance, which must have pixels. Raises NotFound."""
    frames = request.path_params.get("frames")
    if frames is not None and set(frames.split(",")) != {"1"}:
        raise NotFound("A radiograph has one frame: 1.")
    instance = retrieval.instances[0]
    if instance.produced is not None and instance.produced.kind is not ReportKind.SC:
        raise NotFound("The instance has no pixels.")
    return instance


@resource(INSTANCE + "/rendered", **PICTURE)
@resource(INSTANCE + "/frames/{frames}/rendered", **PICTURE)
async def rendered(request: Request, retrieval: RetrievalOf) -> Response:
    """The image for the eye, windowed: JPEG or PNG."""
    return await _picture(request, retrieval, _pictured(request, retrieval), thumbnail=False)


@resource(STUDY + "/thumbnail", **PICTURE)
@resource(SERIES + "/thumbnail", **PICTURE)
@resource(INSTANCE + "/thumbnail", **PICTURE)
@resource(INSTANCE + "/frames/{frames}/thumbnail", **PICTURE)
async def thumbnail(request: Request, retrieval: RetrievalOf) -> Response:
    """A small picture of the instance, or of the first image of the study or series."""
    if retrieval.alone:
        return await _picture(request, retrieval, _pictured(request, retrieval), thumbnail=True)
    seen = [
        instance
        for instance in retrieval.instances
        if instance.produced is None or instance.produced.kind is ReportKind.SC
    ]
    if not seen:
        raise NotFound("The series has no image.")
    return await _picture(request, retrieval, seen[0], thumbnail=True)


@resource(STUDY + "/rendered", **PICTURE)
@resource(SERIES + "/rendered", **PICTURE)
async def all_rendered(request: Request, retrieval: RetrievalOf) -> Response:
    """Every image for the eye, in parts."""
    form = picture_format(retrieval.accepted)
    wanted = read_picture_request(form, request.query_params, thumbnail=False)

    async def content(instance: Instance) -> AsyncIterator[bytes]:
        yield await retrieval.bodies.picture(instance, wanted)

    async def parts() -> AsyncIterator[BodyPart]:
        for instance in retrieval.instances:
            if instance.produced is None or instance.produced.kind is ReportKind.SC:
                yield BodyPart(form.media_type, f"{retrieval.url(instance)}/rendered", content(instance))

    return await related(parts(), root=form.media_type, headers=dict(PRIVATE))


async def _picture(request: Request, retrieval: Retrieval, instance: Instance, *, thumbnail: bool) -> Response:
    form = picture_format(retrieval.accepted)
    wanted = read_picture_request(form, request.query_params, thumbnail=thumbnail)
    content = await retrieval.bodies.picture(instance, wanted)
    return Response(content, media_type=form.media_type, headers=dict(PRIVATE))


async def _one(retrieval: Retrieval, part: BodyPart, form: Form) -> Response:
    async def parts() -> AsyncIterator[BodyPart]:
        yield part

    return await _in_parts(retrieval, parts(), form)


async def _in_parts(retrieval: Retrieval, parts: AsyncIterator[BodyPart], form: Form) -> Response:
    if form.related:
        return await related(parts, root=form.media_type, headers=dict(PRIVATE))
    if not retrieval.alone:
        raise NotAcceptable("Several instances are given as multipart/related.")
    return await single(await anext(parts), dict(PRIVATE))
