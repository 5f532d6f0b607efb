"""A manifest becomes a Batch: spooled, checked whole, then written in one transaction."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO
from uuid import UUID

import anyio.to_thread
from fastapi import Request

from api.backends import Backends
from api.batches import manifest
from api.batches.manifest import Summary
from api.batches.schemas import NewBatchView
from api.batches.views import WINDOW_S, batch_view, path_context
from api.cursors import encode_number
from api.jobs.submission import SubmitOptions, labels_to_explain
from api.uploads.request_body import body_blocks
from api.uploads.spool import Scratch
from core.errors import BatchClosed
from core.sealing import SiteKey
from db.repositories import batches, model_versions, policies
from db.repositories.batches import Entry
from db.repositories.sites import Principal
from db.session import Session
from db.tables import Batch

# How many needed contents the answer itself holds; the rest is paged.
NEEDED_AT_ONCE = 10_000
INSERTED_AT_ONCE = 1000
MAX_OVERHEAD_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Created:
    """`made` is false where the Idempotency-Key had made the Batch before."""

    batch: NewBatchView
    made: bool


async def receive_manifest(
    request: Request, backends: Backends, principal: Principal, *, idempotency_key: str | None
) -> Created:
    """Make the Batch of the request's body.

    Raises RequestInvalid, IdempotencyMismatch, IdentityKeyMissing, NoActiveModel, and what a body may raise.
    """
    settings, limiters = backends.settings, backends.limiters
    limit = settings.batch_files * manifest.ENTRY_BYTES + MAX_OVERHEAD_BYTES
    with Scratch(settings.temporary_folder, limit=limit) as scratch:
        async for block in body_blocks(request, settings, limit=limit):
            await anyio.to_thread.run_sync(scratch.write, block, limiter=limiters.spool)
        with scratch.reading() as file:
            summary = await anyio.to_thread.run_sync(_check, file, settings.batch_files, limiter=limiters.archive)
            creation = _Creation(backends, principal, summary, idempotency_key)
            created = await anyio.to_thread.run_sync(creation.run, file, limiter=limiters.archive)
    if created.made and created.batch.jobs:
        await anyio.to_thread.run_sync(backends.broker.hint, limiter=limiters.broker)
    return created


def _check(file: BinaryIO, limit: int) -> Summary:
    return manifest.check(file, limit=limit)


@dataclass(frozen=True, slots=True)
class _Creation:
    backends: Backends
    principal: Principal
    summary: Summary
    idempotency_key: str | None

    def run(self, file: BinaryIO) -> Created:
        site_id = self.principal.site_id
        with self.backends.database.unit_of_work(site_id=site_id) as session:
            key = policies.site_key(session, site_id=site_id, installation=self.backends.installation)
            # Keyed: the bare hash of a short manifest would tell whoever guesses its paths that the guess is right.
            request_hash = key.keyed_hash(self.summary.digest, purpose="manifest").hex()
            known = self._known(session, request_hash)
            if known is None:
                explain = labels_to_explain(
                    model_versions.explainable(session), SubmitOptions(self.summary.priority, self.summary.explain)
                )
                batch = batches.begin(
                    session,
                    site_id=site_id,
                    request_hash=request_hash,
                    idempotency_key=self.idempotency_key,
                    files=self.summary.files,
                    priority=self.summary.priority,
                    explain=self.summary.explain,
                )
                if batch is not None:
                    self._fill(session, batch, file, key, explain)
                    return Created(view_with_needed(session, batch), made=True)
                known = self._known(session, request_hash)
            if known is None:
                raise BatchClosed("The batch of this Idempotency-Key was removed meanwhile.")
            return Created(view_with_needed(session, known), made=False)

    def _known(self, session: Session, request_hash: str) -> Batch | None:
        if self.idempotency_key is None:
            return None
        return batches.find_by_key(
            session,
            site_id=self.principal.site_id,
            idempotency_key=self.idempotency_key,
            request_hash=request_hash,
        )

    def _fill(self, session: Session, batch: Batch, file: BinaryIO, key: SiteKey, explain: tuple[str, ...]) -> None:
        settings = self.backends.settings
        file.seek(0)
        entries = _entries(file, key, batch.id)
        while some := list(itertools.islice(entries, INSERTED_AT_ONCE)):
            batches.add_entries(session, batch_id=batch.id, entries=some)
        model = model_versions.active(session)
        if model is not None:
            batches.adopt_known(
                session,
                batch,
                model_version_id=model.id,
                explain=explain,
                max_attempts=settings.max_attempts,
                deadline_s=settings.job_deadline,
                queue_limit=settings.queue_limit,
                site_active_limit=settings.site_active_limit,
            )


def _entries(file: BinaryIO, key: SiteKey, batch_id: UUID) -> Iterator[Entry]:
    seen: set[bytes] = set()
    context = path_context(batch_id)
    for position, entry in enumerate(manifest.entries(file)):
        digest = bytes.fromhex(entry.sha256)
        yield Entry(
            position=position,
            sealed_path=key.seal(entry.path.encode(), context=context),
            sha256=entry.sha256,
            size_bytes=entry.size,
            repeated=digest in seen,
        )
        seen.add(digest)


def view_with_needed(session: Session, batch: Batch) -> NewBatchView:
    """The Batch with the first of what has to be sent."""
    page = batches.needed(session, batch_id=batch.id, after=-1, limit=NEEDED_AT_ONCE + 1)
    view = batch_view(batch, batches.tallies(session, batch_id=batch.id, window_s=WINDOW_S))
    shown = page[:NEEDED_AT_ONCE]
    following = encode_number(shown[-1][0]) if len(page) > NEEDED_AT_ONCE else None
    return NewBatchView(**dict(view), needed=[sha256 for _, sha256 in shown], needed_next=following)
