"""STOW-RS: the body is taken part by part, and each part goes the one way in before the next is read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

import anyio.to_thread
from fastapi import Request

from api.backends import Backends
from api.dicomweb.multipart_related import SLICE_BYTES, Part, RelatedReader, boundary_of
from api.dicomweb.store_response import Outcome, StoredReference
from api.dicomweb.urls import Names, not_found
from api.jobs.submission import Submission
from api.uploads.request_body import HOP_BYTES, Upload
from api.uploads.spool import Spool
from core.errors import (
    DicomInvalid,
    LucencyError,
    StudyMismatch,
    Unavailable,
    UploadEmpty,
    UploadTooLarge,
    UploadTooSlow,
)
from core.logs import logger
from core.settings import Settings
from db.repositories import images
from db.repositories.sites import Principal
from imaging.file_meta import media_storage
from imaging.identify import identify
from imaging.prescan import Limits, prescan

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class _Body:
    """How much of a request is taken."""

    spooled: int
    whole: int
    parts: int
    seconds: float

    @classmethod
    def of(cls, settings: Settings) -> _Body:
        return cls(settings.upload_bytes, settings.stow_bytes, settings.stow_parts, settings.upload_timeout)


class Storing:
    """One request's instances on their way in; `study` is the Study Instance UID in the URL, original or stored.

    What is broken in the middle of the body ends it: what was stored before stays stored, and is told of.
    """

    def __init__(self, backends: Backends, principal: Principal, names: Names, *, study: str | None) -> None:
        self._backends = backends
        self._principal = principal
        self._names = names
        self._study = study
        self._limits = _Body.of(backends.settings)

    async def run(self, request: Request) -> list[Outcome]:
        """What became of each part. Raises UploadEmpty, MultipartMalformed, UploadTooLarge, UploadTooSlow or an
        Unavailable subclass where nothing was stored, and MediaTypeUnsupported.
        """
        boundary = boundary_of(request.headers.get("content-type", ""))
        folder, limit = self._backends.settings.temporary_folder, self._limits.spooled
        reader = RelatedReader(boundary, spool=lambda: Spool(folder, limit=limit), limit=self._limits.parts)
        outcomes: list[Outcome] = []
        try:
            await self._receive(request, reader, outcomes)
        except LucencyError as error:
            if not any(outcome.stored for outcome in outcomes):
                raise
            outcomes.append(Outcome(error=error))
        finally:
            reader.close()
        if not any(outcome.stored for outcome in outcomes):
            # Nothing is stored, and the reason is ours: the whole request is worth another try.
            for outcome in outcomes:
                if isinstance(outcome.error, Unavailable):
                    raise outcome.error
        return outcomes

    async def _receive(self, request: Request, reader: RelatedReader, outcomes: list[Outcome]) -> None:
        loop = asyncio.get_running_loop()
        try:
            # The time is that of each part, its submission included.
            async with asyncio.timeout(self._limits.seconds) as timer:
                async for data in _hops(request, limit=self._limits.whole):
                    position = 0
                    while position < len(data):
                        # Not abandoned on a timeout: the thread would write to a file that is being closed.
                        position = await anyio.to_thread.run_sync(
                            _feed, reader, data, position, limiter=self._backends.limiters.spool
                        )
                        for part in reader.take():
                            outcomes.append(await self._outcome(part))
                            timer.reschedule(loop.time() + self._limits.seconds)
                reader.finish()
        except TimeoutError as error:
            raise UploadTooSlow(f"A part took longer than {self._limits.seconds:g} s.") from error
        if not outcomes:
            raise UploadEmpty("The request has no part.")

    async def _outcome(self, part: Part) -> Outcome:
        if part.spool is None:
            return Outcome(error=part.error)
        with part.spool as spool:
            if spool.size == 0 or not spool.head:
                return Outcome(error=part.error)
            sop_class, sop_instance = await anyio.to_thread.run_sync(self._announced, spool)
            try:
                if part.error is not None:
                    raise part.error
                await anyio.to_thread.run_sync(self._require_named, spool, limiter=self._backends.limiters.prescan)
                upload = Upload(spool=spool, fields={}, file_name="", content_type="application/dicom")
                # The same file again is the same job: a client may repeat a request that it saw no answer to.
                key = f"stow-{spool.received_sha256}"
                submitted = await Submission(self._backends, self._principal, idempotency_key=key).run(upload)
            except LucencyError as error:
                log.info("instance_refused", code=error.code)
                return Outcome(sop_class, sop_instance, error=error)
        stored = await anyio.to_thread.run_sync(self._reference, submitted.job.image.id)
        return Outcome(sop_class, sop_instance, stored=stored)

    def _announced(self, spool: Spool) -> tuple[str, str]:
        with spool.reading() as file:
            return media_storage(file)

    def _require_named(self, spool: Spool) -> None:
        """Raises StudyMismatch; DicomInvalid for what DICOMweb could never name again, and what the pre-scan raises."""
        kind = identify(spool.head)
        with spool.reading() as file:
            found = prescan(file, kind, limits=Limits.of(self._backends.settings))
        if not (found.study_instance_uid and found.series_instance_uid and found.sop_instance_uid):
            raise DicomInvalid("The instance lacks its study's, its series' or its own UID")
        if self._study is not None and self._study not in self._names.meant(found.study_instance_uid):
            raise StudyMismatch

    def _reference(self, image_id: UUID) -> StoredReference:
        with self._backends.database.unit_of_work(site_id=self._principal.site_id) as session:
            image, study_uid = images.with_study(session, site_id=self._principal.site_id, image_id=image_id)
            if study_uid is None:
                raise not_found()
            return StoredReference(
                sop_class_uid=image.sop_class_uid or "",
                sop_instance_uid=image.sop_instance_uid or "",
                series_instance_uid=image.series_instance_uid or "",
                study_instance_uid=study_uid,
            )


def _feed(reader: RelatedReader, data: bytes, position: int) -> int:
    """Feed `data` from `position` until a part is finished; where to go on."""
    while position < len(data) and not reader.has_finished:
        reader.feed(data[position : position + SLICE_BYTES])
        position += SLICE_BYTES
    return position


async def _hops(request: Request, *, limit: int) -> AsyncIterator[bytes]:
    """The body in pieces of about HOP_BYTES. Raises UploadTooLarge beyond `limit`."""
    length = request.headers.get("content-length")
    if length is not None and (not length.isdigit() or int(length) > limit):
        raise UploadTooLarge(f"The request is larger than {limit} bytes.")
    received = 0
    pending: list[bytes] = []
    waiting = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > limit:
            raise UploadTooLarge(f"The request is larger than {limit} bytes.")
        pending.append(chunk)
        waiting += len(chunk)
        if waiting >= HOP_BYTES:
            yield b"".join(pending)
            pending, waiting = [], 0
    if received == 0:
        raise UploadEmpty
    yield b"".join(pending)
