"""Files that a client puts straight into the object store, and tells of afterwards."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import anyio.to_thread

from api.batches.items import ItemSubmission, Outcome
from api.batches.schemas import PresignedList, PresignedView, UploadsBody
from api.uploads.spool import Spool
from core.errors import BatchClosed, ObjectMissing, Unavailable, UploadMissing, UploadTooLarge
from core.logs import logger
from core.vocabulary import BatchState
from db.repositories import batches
from storage.store import staging_key

log = logger(__name__)

SIGNED_FOR = timedelta(hours=1)


def presign(filing: ItemSubmission, body: UploadsBody) -> PresignedList:
    """A form for each of the asked contents that is awaited. Raises NotFound, BatchClosed."""
    backends = filing.backends
    with backends.database.unit_of_work(site_id=filing.site_id) as session:
        batch = batches.get(session, site_id=filing.site_id, batch_id=filing.batch_id)
        if batch.state == BatchState.CLOSED.value:
            raise BatchClosed
        sizes = batches.awaited(session, batch_id=filing.batch_id, sha256s=set(body.sha256))
    largest = backends.settings.upload_bytes
    items = []
    for sha256 in dict.fromkeys(body.sha256):
        size = sizes.get(sha256)
        # A file that the store could not take, or that we would not, has to come the other way to be refused.
        if sha256 not in sizes or size == 0 or (size is not None and size > largest):
            continue
        post = backends.store.presign_post(
            staging_key(filing.site_id, filing.batch_id, sha256),
            smallest=size or 1,
            largest=size or largest,
            expires=SIGNED_FOR,
        )
        items.append(PresignedView(sha256=sha256, url=post.url, fields=post.fields))
    return PresignedList(items=items, expires_at=datetime.now(UTC) + SIGNED_FOR)


async def take_stored(filing: ItemSubmission, sha256: str) -> Outcome:
    """Take what the client stored. Raises NotFound, NotInManifest, BatchClosed, UploadMissing, Unavailable."""
    backends = filing.backends
    known = await anyio.to_thread.run_sync(filing.look, sha256)
    if known.decision is None or not known.decision.final:
        known = await _take(filing, sha256)
    if known.error is None or not known.error.retryable:
        await anyio.to_thread.run_sync(_tidy, filing, sha256, limiter=backends.limiters.store)
    return known


async def _take(filing: ItemSubmission, sha256: str) -> Outcome:
    settings, limiters = filing.backends.settings, filing.backends.limiters
    with Spool(settings.temporary_folder, limit=settings.upload_bytes) as spool:
        try:
            await anyio.to_thread.run_sync(_fetch, filing, sha256, spool, limiter=limiters.store)
        except UploadTooLarge as refusal:
            return await filing.refuse(sha256, refusal)
        return await filing.take(spool, claimed=sha256)


def _fetch(filing: ItemSubmission, sha256: str, spool: Spool) -> None:
    try:
        for piece in filing.backends.store.read(staging_key(filing.site_id, filing.batch_id, sha256)):
            spool.write(piece)
    except ObjectMissing as error:
        raise UploadMissing from error
    spool.finish()


def _tidy(filing: ItemSubmission, sha256: str) -> None:
    try:
        filing.backends.store.delete([staging_key(filing.site_id, filing.batch_id, sha256)])
    except Unavailable as error:
        log.warning("upload_left", code=error.code)  # the reconciler sweeps it
