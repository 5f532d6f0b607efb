"""The one way in: a spooled upload becomes a stored Image and a queued Job, or nothing at all.

Order (docs/architecture.md, "One upload, in order"): identify and pre-scan, de-identify, put the object, one
transaction that looks and records, commit, hint. A put is repeatable and outside any transaction; a refusal takes the
object back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import PurePath
from typing import Any, Protocol
from uuid import UUID

import anyio.to_thread

from api.backends import Backends
from api.jobs.schemas import JobView
from api.jobs.views import job_view
from api.site_rules import SiteRules
from api.uploads.content import Content
from api.uploads.request_body import Upload
from core.errors import BurnedInPhi, LucencyError, NoActiveModel, RequestInvalid, TypeMismatch, Unavailable
from core.vocabulary import MediaKind
from db.repositories import intake, jobs
from db.repositories.intake import Entered
from db.repositories.model_versions import Explainable
from db.repositories.sites import Principal
from db.session import Session
from db.tables import Image
from imaging.identify import identify

# How often an upload looks at rules that change under it.
TRIES = 3
FIELDS = frozenset({"priority", "explain", "stability"})
TRUTHS = {"true": True, "1": True, "false": False, "0": False, "": False}
PRIORITIES = range(-10, 11)
MAX_EXPLAIN = 32

EXTENSIONS = {
    ".dcm": MediaKind.DICOM, ".dicom": MediaKind.DICOM, ".dic": MediaKind.DICOM, ".ima": MediaKind.DICOM,
    ".png": MediaKind.PNG,
    ".jpg": MediaKind.JPEG, ".jpeg": MediaKind.JPEG, ".jpe": MediaKind.JPEG, ".jfif": MediaKind.JPEG,
}  # fmt: skip
# Names that say something which we never accept; an unknown extension (`1.2.840.113`) says nothing.
OTHER_EXTENSIONS = frozenset(
    {".avif", ".bmp", ".eps", ".exe", ".gif", ".heic", ".html", ".jp2", ".mp4", ".nii", ".pdf", ".svg", ".tif", ".tiff"}
    | {".webp", ".zip"}
)
CONTENT_TYPES = {
    "application/dicom": MediaKind.DICOM,
    "image/dicom": MediaKind.DICOM,
    "image/png": MediaKind.PNG,
    "image/jpeg": MediaKind.JPEG,
    "image/jpg": MediaKind.JPEG,
    "image/pjpeg": MediaKind.JPEG,
}
OTHER_CONTENT_TYPES = ("image/", "audio/", "video/", "application/pdf", "application/zip")


@dataclass(frozen=True, slots=True)
class SubmitOptions:
    """The form's fields: `explain` None leaves the labels to the active model."""

    priority: int
    explain: tuple[str, ...] | None
    stability: bool = False


@dataclass(frozen=True, slots=True)
class Submitted:
    """`created` is false where the Idempotency-Key had already made the job."""

    job: JobView
    created: bool


def read_options(fields: dict[str, str]) -> SubmitOptions:
    """Raises RequestInvalid for an unknown field or a value out of range."""
    if unknown := sorted(set(fields) - FIELDS):
        raise RequestInvalid(f"Unknown field '{unknown[0][:40]}'; known are file, {', '.join(sorted(FIELDS))}.")
    text = fields.get("priority", "0").strip()
    if not text.removeprefix("-").isdecimal() or not text.isascii() or len(text) > 4 or int(text) not in PRIORITIES:
        raise RequestInvalid(f"priority must be a whole number from {PRIORITIES.start} to {PRIORITIES.stop - 1}.")
    stability = TRUTHS.get(fields.get("stability", "").strip().lower())
    if stability is None:
        raise RequestInvalid("stability must be true or false.")
    if "explain" not in fields:
        return SubmitOptions(priority=int(text), explain=None, stability=stability)
    labels = dict.fromkeys(label.strip() for label in fields["explain"].split(",") if label.strip())
    if len(labels) > MAX_EXPLAIN:
        raise RequestInvalid(f"explain may name at most {MAX_EXPLAIN} labels.")
    return SubmitOptions(priority=int(text), explain=tuple(labels), stability=stability)


def require_honest(kind: MediaKind, *, file_name: str, content_type: str) -> None:
    """The content decides; a name or type that claims something else is refused. Raises TypeMismatch."""
    extension = PurePath(file_name.replace("\\", "/")).suffix.lower()
    named = EXTENSIONS.get(extension)
    if (named is not None and named is not kind) or extension in OTHER_EXTENSIONS:
        raise TypeMismatch(f"The content is {kind.value.upper()}, the file name's extension says otherwise.")
    media_type = content_type.partition(";")[0].strip().lower()
    typed = CONTENT_TYPES.get(media_type)
    if (typed is not None and typed is not kind) or (typed is None and media_type.startswith(OTHER_CONTENT_TYPES)):
        raise TypeMismatch(f"The content is {kind.value.upper()}, the part's Content-Type says otherwise.")


def request_hash(upload: Upload, options: SubmitOptions) -> str:
    """SHA-256 over what the client asked for: the bytes it sent, and the fields as it gave them."""
    asked: list[Any] = [upload.spool.received_sha256, options.priority, options.explain]
    if options.stability:  # requests of the release before keep their hash
        asked.append("stability")
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()


class Place(Protocol):
    """What an upload belongs to, such as a Batch: asked and told in the very transaction that records its Job."""

    def find(self, session: Session, *, image_id: UUID, explain: tuple[str, ...]) -> UUID | None:
        """A Job of this Site that does for the Image, so that none is made."""

    def settle(self, session: Session, *, job_id: UUID, made: bool) -> None:
        """The upload has this Job; `made` is false where `find` named it."""


class Submission:
    """One caller's upload on its way in."""

    def __init__(
        self, backends: Backends, principal: Principal, *, idempotency_key: str | None, place: Place | None = None
    ) -> None:
        self._backends = backends
        self._principal = principal
        self._key = idempotency_key
        self._place = place

    async def run(self, upload: Upload) -> Submitted:
        """Store and enqueue. Raises InputRejected subclasses, InstanceConflict, QuotaExceeded, Unavailable subclasses.

        After a refusal (4xx) neither a row nor an object of it remains.
        """
        limiters = self._backends.limiters
        submitted = await anyio.to_thread.run_sync(self._run, upload, limiter=limiters.submit)
        if submitted.created:
            await anyio.to_thread.run_sync(self._backends.broker.hint, limiter=limiters.broker)
        return submitted

    def _run(self, upload: Upload) -> Submitted:
        options = read_options(upload.fields)
        asked = request_hash(upload, options)
        content = Content(self._backends, self._principal, upload.spool)
        try:
            self._inspect(upload, content)
            for _ in range(TRIES):
                try:
                    rules, explain = self._ruled(content, options)
                except LucencyError:
                    # What was accepted before the rules changed is the same job still.
                    earlier = self._earlier(asked)
                    if earlier is not None:
                        content.take_back("repeated")
                        return earlier
                    raise
                content.store()
                submitted = self._recorded(content, options, explain, asked, rules)
                if submitted is not None:
                    return submitted
                self._backends.rulebook.forget(self._principal.site_id)
            raise Unavailable("The site's rules changed again and again.", retry_after=1.0)
        except LucencyError as error:
            content.take_back(error.code)
            raise
        finally:
            content.close()

    def _ruled(self, content: Content, options: SubmitOptions) -> tuple[SiteRules, tuple[str, ...]]:
        """The rules by which `content` is handled, and the labels to explain. Only rules of now refuse anything."""
        rulebook, site_id = self._backends.rulebook, self._principal.site_id
        try:
            rules = rulebook.of(site_id)
            explain = labels_to_explain(rules.model, options)
            content.handle(rules)
        except (NoActiveModel, RequestInvalid, BurnedInPhi):
            rulebook.forget(site_id)
            rules = rulebook.of(site_id)
            explain = labels_to_explain(rules.model, options)
            content.handle(rules)
        return rules, explain

    @staticmethod
    def _inspect(upload: Upload, content: Content) -> None:
        kind = identify(upload.spool.head)
        require_honest(kind, file_name=upload.file_name, content_type=upload.content_type)
        content.scan(kind)

    def _earlier(self, asked: str) -> Submitted | None:
        """What an earlier request with the same key made. Raises IdempotencyMismatch."""
        if self._key is None:
            return None
        site_id = self._principal.site_id
        with self._backends.database.unit_of_work(site_id=site_id) as session:
            job = jobs.find_by_key(session, site_id=site_id, idempotency_key=self._key, request_hash=asked)
            return Submitted(job_view(job, job.image), created=False) if job is not None else None

    def _recorded(
        self, content: Content, options: SubmitOptions, explain: tuple[str, ...], asked: str, rules: SiteRules
    ) -> Submitted | None:
        """The job, in the one transaction of the upload; None where the rules are not those of now."""
        site_id = self._principal.site_id
        with self._backends.database.unit_of_work() as session:
            entered = intake.enter(
                session,
                self._principal,
                sha256=content.sha256,
                received_sha256=content.received_sha256,
                idempotency_key=self._key,
                request_hash=asked,
            )
            if entered.earlier_id is not None:
                job = jobs.get(session, site_id=site_id, job_id=entered.earlier_id)
                submitted, image = Submitted(job_view(job, job.image), created=False), job.image
            elif (entered.burned_in, entered.model_version_id) != (rules.burned_in, rules.model and rules.model.id):
                return None
            else:
                image = content.record(session, entered)
                enqueue = partial(self._enqueue, session, image, options, explain, asked, entered)
                submission = self._placed(session, image, explain, enqueue)
                content.note(session, image, job_id=submission.job.id)
                submitted = Submitted(job_view(submission.job, image), created=submission.created)
        content.settle(image, entered)
        return submitted

    def _placed(
        self,
        session: Session,
        image: Image,
        explain: tuple[str, ...],
        enqueue: Callable[[], jobs.Submission],
    ) -> jobs.Submission:
        """A new job, or the one that does where the upload belongs."""
        if self._place is None:
            return enqueue()
        known = self._place.find(session, image_id=image.id, explain=explain)
        if known is None:
            submission = enqueue()
        else:
            submission = jobs.Submission(
                jobs.get(session, site_id=self._principal.site_id, job_id=known), created=False
            )
        self._place.settle(session, job_id=submission.job.id, made=submission.created)
        return submission

    def _enqueue(
        self,
        session: Session,
        image: Image,
        options: SubmitOptions,
        explain: tuple[str, ...],
        asked: str,
        entered: Entered,
    ) -> jobs.Submission:
        settings = self._backends.settings
        own_limit = entered.active_limit
        return jobs.submit(
            session,
            site_id=self._principal.site_id,
            image_id=image.id,
            request_hash=asked,
            idempotency_key=self._key,
            priority=options.priority,
            explain=explain,
            stability=options.stability,
            max_attempts=settings.max_attempts,
            deadline_s=settings.job_deadline,
            queue_limit=settings.queue_limit,
            site_active_limit=settings.site_active_limit if own_limit is None else own_limit,
            entered=True,
        )


def labels_to_explain(model: Explainable | None, options: SubmitOptions) -> tuple[str, ...]:
    """The asked labels, checked against the active model, or its default. Raises NoActiveModel, RequestInvalid."""
    if model is None:
        raise NoActiveModel
    if options.explain is None:
        return model.default
    if unknown := [label for label in options.explain if label not in model.labels]:
        raise RequestInvalid(f"'{unknown[0][:40]}' cannot be explained; {', '.join(model.labels)} can.")
    return options.explain
