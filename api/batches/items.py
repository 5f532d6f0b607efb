"""Files of a Batch on their way in: each goes through the one submission; what became of it is kept with its item."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import anyio.to_thread

from api.backends import Backends
from api.batches.manifest import labels_of
from api.batches.schemas import OutcomeView
from api.dependencies import Caller
from api.jobs.submission import Submission
from api.jobs.views import ERRORS
from api.uploads.request_body import Upload
from api.uploads.spool import Spool
from core.errors import (
    BatchClosed,
    IdempotencyMismatch,
    InputRejected,
    InstanceConflict,
    LucencyError,
    MultipartMalformed,
    NotInManifest,
    RequestInvalid,
    UploadEmpty,
    UploadTooLarge,
    UploadTooSlow,
)
from core.vocabulary import BatchItemState, BatchState, Scope
from db.repositories import batches
from db.repositories.batches import Decision
from db.repositories.sites import Principal
from db.session import Session

# What may be wrong with a request rather than with the file that it brings.
_OF_THE_REQUEST = (RequestInvalid, MultipartMalformed, UploadTooSlow, NotInManifest, IdempotencyMismatch)
# How many files of one request are submitted side by side.
SIDE_BY_SIDE = 4


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a file. `error`: why this try did not count. `made`: this try made the Job."""

    sha256: str | None
    decision: Decision | None = None
    error: LucencyError | None = None
    made: bool = False

    def view(self) -> OutcomeView:
        decision, error = self.decision, self.error
        if decision is not None and decision.final:
            known = ERRORS.get(decision.code or "")
            return OutcomeView(
                sha256=self.sha256,
                state=decision.state,
                job=decision.job_id,
                code=decision.code,
                title=known.title if known else decision.code,
                detail=decision.detail,
                retryable=False,
            )
        return OutcomeView(
            sha256=self.sha256,
            state=BatchItemState.AWAITING,
            job=None,
            code=error.code if error else None,
            title=error.title if error else None,
            detail=error.detail if error else None,
            retryable=error is not None and (error.retryable or isinstance(error, UploadTooSlow)),
        )

    def require(self) -> OutcomeView:
        """The view of a file that has its Job. Raises what a single upload of the file would raise."""
        if self.error is not None:
            raise self.error
        if self.decision is not None and self.decision.code is not None:
            raise ERRORS.get(self.decision.code, InputRejected)(self.decision.detail or "")
        return self.view()


@dataclass(slots=True)
class _BatchPlace:
    """The hook of `api.jobs.submission`: the item is settled in the transaction that makes the Job."""

    site_id: UUID
    batch_id: UUID
    sha256: str
    decision: Decision | None = None

    def find(self, session: Session, *, image_id: UUID, explain: tuple[str, ...]) -> UUID | None:
        decision = batches.hold(session, batch_id=self.batch_id, sha256=self.sha256)
        if decision.final:
            self.decision = decision
            if decision.job_id is None:
                raise BatchClosed("The file was decided meanwhile.")
            return decision.job_id
        return batches.find_answer(session, site_id=self.site_id, image_id=image_id, explain=explain)

    def settle(self, session: Session, *, job_id: UUID, made: bool) -> None:
        if self.decision is None:
            batches.settle(session, batch_id=self.batch_id, sha256=self.sha256, job_id=job_id, made=made)
            state = BatchItemState.JOB if made else BatchItemState.DUPLICATE
            self.decision = Decision(state, job_id, None, None, None)


class ItemSubmission:
    """One caller who fills one Batch."""

    def __init__(self, backends: Backends, principal: Principal, *, batch_id: UUID) -> None:
        self.backends = backends
        self.batch_id = batch_id
        self._principal = principal

    @property
    def site_id(self) -> UUID:
        return self._principal.site_id

    def look(self, sha256: str) -> Outcome:
        """What is known of a content before its bytes are read; `decision` not final: send it.

        Raises NotFound, NotInManifest, and BatchClosed where nothing more is taken.
        """
        with self.backends.database.unit_of_work(site_id=self.site_id) as session:
            batch, decision = batches.look(session, site_id=self.site_id, batch_id=self.batch_id, sha256=sha256)
            if batch.state == BatchState.CLOSED.value and not decision.final:
                raise BatchClosed
            return Outcome(sha256, decision)

    def fields(self) -> dict[str, str]:
        """What the Batch asks of each of its files, as the form of a single upload would. Raises NotFound."""
        with self.backends.database.unit_of_work(site_id=self.site_id) as session:
            batch = batches.get(session, site_id=self.site_id, batch_id=self.batch_id)
            return {"priority": str(batch.priority), **labels_of(batch.explain)}

    async def take(self, spool: Spool, *, claimed: str | None = None) -> Outcome:
        """Submit a finished spool. `claimed`: the content that the client says it is. Never raises a LucencyError."""
        sha256 = claimed or spool.received_sha256
        try:
            return await self._take(spool, sha256)
        except LucencyError as error:
            return Outcome(sha256, error=error)

    async def refuse(self, sha256: str, refusal: LucencyError) -> Outcome:
        """The file is rejected for good, if it is awaited. Raises what `look` does."""
        decision = await anyio.to_thread.run_sync(self._reject, sha256, refusal)
        return Outcome(sha256, decision)

    async def _take(self, spool: Spool, sha256: str) -> Outcome:
        known = await anyio.to_thread.run_sync(self.look, sha256)
        if known.decision is not None and known.decision.final:
            return known
        if spool.received_sha256 != sha256:
            await anyio.to_thread.run_sync(self._note_altered, sha256)
            raise NotInManifest("The file's bytes do not have the SHA-256 that they were sent under.")
        place = _BatchPlace(self.site_id, self.batch_id, sha256)
        try:
            if spool.too_large:
                raise UploadTooLarge(f"The file is larger than {self.backends.settings.upload_bytes} bytes.")
            if spool.size == 0:
                raise UploadEmpty
            fields = await anyio.to_thread.run_sync(self.fields)
            submission = Submission(self.backends, self._principal, idempotency_key=None, place=place)
            submitted = await submission.run(Upload(spool, fields, file_name="", content_type=""))
        except (InputRejected, InstanceConflict) as refusal:
            if isinstance(refusal, _OF_THE_REQUEST):
                raise
            return await self.refuse(sha256, refusal)
        return Outcome(sha256, place.decision, made=submitted.created)

    def _reject(self, sha256: str, refusal: LucencyError) -> Decision:
        with self.backends.database.unit_of_work(site_id=self.site_id) as session:
            batches.look(session, site_id=self.site_id, batch_id=self.batch_id, sha256=sha256)
            return batches.reject(
                session, batch_id=self.batch_id, sha256=sha256, code=refusal.code, detail=refusal.detail
            )

    def _note_altered(self, sha256: str) -> None:
        with self.backends.database.unit_of_work(site_id=self.site_id) as session:
            batches.note_altered(session, batch_id=self.batch_id, sha256=sha256)


async def filing_of(caller: Caller, batch_id: UUID) -> ItemSubmission:
    """Authenticate, and find the Batch, before a byte of the body is read. Raises Unauthorized, Forbidden, NotFound."""
    return await anyio.to_thread.run_sync(_item_submission, caller, batch_id)


def _item_submission(caller: Caller, batch_id: UUID) -> ItemSubmission:
    with caller.session(Scope.SUBMIT) as (session, principal):
        batches.get(session, site_id=principal.site_id, batch_id=batch_id)
        return ItemSubmission(caller.backends, principal, batch_id=batch_id)
