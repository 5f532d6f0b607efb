"""The content of one upload: scanned, de-identified under its Site's key, put into the store, recorded as an Image."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, BinaryIO
from uuid import UUID

from api.backends import Backends
from api.uploads.spool import FULL, Spool
from core.errors import BurnedInPhi, DiskFull, ObjectMissing, Unavailable
from core.logs import logger
from core.sealing import SiteKey
from core.vocabulary import AuditAction, BurnedInPolicy, MediaKind
from db.repositories import audit, identities, images, policies, quotas
from db.repositories.sites import Principal
from db.session import Session
from db.tables import Image
from imaging.dicom_json import search_attributes
from imaging.first_bytes import header_of
from imaging.header import Header, Limits
from imaging.ingest import Scanned, scan, to_store
from imaging.stored import Stored
from storage.store import image_key

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Handling:
    """How the Site wants this content handled. `known` is the SHA-256 under which it is stored already."""

    key: SiteKey | None
    quarantined: bool
    known: str | None


class Content:
    """The spooled file of one upload on its way into the store. Its methods block: call them in threads, in order."""

    def __init__(self, backends: Backends, principal: Principal, spool: Spool) -> None:
        self._backends = backends
        self._principal = principal
        self._spool = spool
        self._limits = Limits.of(backends.settings)
        self._scanned: Scanned | None = None
        self._handling = Handling(None, quarantined=False, known=None)
        self._stored: Stored | None = None
        self._attributes: dict[str, Any] | None = None

    @property
    def received_sha256(self) -> str:
        return self._spool.received_sha256

    @property
    def site_id(self) -> UUID:
        return self._principal.site_id

    @property
    def sha256(self) -> str:
        """SHA-256 of the stored bytes, once they are known."""
        if self._handling.known is not None:
            return self._handling.known
        return self._stored.sha256 if self._stored is not None else ""

    @property
    def key(self) -> str:
        """Where the content lies, or will lie, in the store."""
        return image_key(self.site_id, self.sha256)

    def scan(self, kind: MediaKind) -> Header:
        """Look at the file as it came. Raises InputRejected subclasses."""
        with self._spool.reading() as file:
            self._scanned = scan(file, kind, limits=self._limits)
        return self._scanned.header

    @property
    def is_ended(self) -> bool:
        """Whether what was scanned has its end marker; without it `require_whole` must look."""
        return self._scanned is None or self._scanned.ended

    def require_whole(self) -> None:
        """Have a decoder process see whether every line is there. Raises DicomTruncated, ImageTruncated, and whatever
        else decoding raises.
        """
        with self._spool.reading() as file:
            self._backends.decoders.require_whole(file, size=self._spool.size)

    def decide(self, session: Session, header: Header) -> None:
        """Ask for the Site's policy, its key, what it has already, and room for what is new.

        Raises BurnedInPhi, IdentityKeyMissing, StorageQuotaExceeded.
        """
        policy = BurnedInPolicy(policies.policy(session, site_id=self.site_id).burned_in)
        if header.burned_in and policy is BurnedInPolicy.REFUSE:
            raise BurnedInPhi
        key = None
        if header.media_kind is MediaKind.DICOM:
            key = policies.site_key(session, site_id=self.site_id, installation=self._backends.installation)
        known = images.received(session, site_id=self.site_id, received_sha256=self.received_sha256)
        if known is None:
            quotas.require_space(session, site_id=self.site_id, size_bytes=self._spool.size)
        quarantined = header.burned_in and policy is BurnedInPolicy.QUARANTINE
        self._handling = Handling(key, quarantined=quarantined, known=known.sha256 if known is not None else None)

    def store(self) -> None:
        """De-identify and put, or see that it is there. Raises StoreUnavailable, DiskFull."""
        if self._handling.known is None:
            self._make()
            self._put()
        else:
            self._restore()

    def record(self, session: Session) -> Image:
        """The Image of this content; where it is new, with its sealed Identity. Raises InstanceConflict.

        `note` appends the audit record, last in the transaction.
        """
        images.lock_content(session, site_id=self.site_id, sha256=self.sha256)
        stored = self._stored
        if stored is None or self._handling.known is not None:
            image = images.received(session, site_id=self.site_id, received_sha256=self.received_sha256)
            if image is None:
                raise Unavailable("The image was erased a moment ago. Try again.", retry_after=1.0)
            return image
        image = images.add(
            session,
            site_id=self.site_id,
            sha256=stored.sha256,
            received_sha256=self.received_sha256,
            size_bytes=stored.size,
            quarantined=self._handling.quarantined,
            attributes=self._attributes,
            **fields_of(stored.header),
        )
        if stored.identity is not None and self._handling.key is not None:
            sealed = self._handling.key.seal(stored.identity.to_bytes(), context=identities.context_of(image.id))
            identities.keep(session, site_id=self.site_id, image_id=image.id, sealed=sealed, patient=stored.patient)
        return image

    def note(self, session: Session, image: Image, *, job_id: UUID) -> None:
        """Append the audit record of an image received; last in the transaction."""
        audit.append(
            session,
            site_id=self.site_id,
            actor=self._principal.actor,
            action=AuditAction.IMAGE_RECEIVED,
            subject=f"image {image.id}",
            detail={"job": str(job_id), "quarantined": image.quarantined},
        )

    def take_back(self, refusal: str) -> None:
        """Remove the object that was put for a refused job, unless an Image holds the same content.

        The lock keeps another submit of this content from committing between the look and the removal; one that
        commits after it finds its object gone and puts it again (`ensure_stored`).
        """
        if self._stored is None or self._handling.known is not None:
            return
        try:
            with self._backends.database.unit_of_work(site_id=self.site_id) as session:
                images.lock_content(session, site_id=self.site_id, sha256=self.sha256)
                if not images.is_known(session, site_id=self.site_id, sha256=self.sha256):
                    self._backends.store.delete([self.key])
        except Unavailable as error:
            # Nobody can say now whether it is wanted: the reconciler will, when it is an orphan of age.
            log.warning("object_left", key=self.key, code=error.code, refusal=refusal)

    def ensure_stored(self) -> None:
        """A refused twin may have taken the object back between our put and our commit."""
        if self._handling.known is not None:
            return  # nobody takes back what an Image holds
        try:
            self._restore()
        except Unavailable as error:
            # It was there a moment ago and the job is accepted; the worker tries again if it must.
            log.warning("object_unchecked", code=error.code)

    def close(self) -> None:
        if self._stored is not None:
            self._stored.close()

    def _make(self) -> Stored:
        if self._stored is not None:
            return self._stored
        if self._scanned is None:
            raise RuntimeError("scan first")
        folder = self._backends.settings.temporary_folder
        try:
            with self._spool.reading() as file:
                self._stored = to_store(file, self._scanned, key=self._handling.key, limits=self._limits, folder=folder)
                if self._stored.header.media_kind is MediaKind.DICOM:
                    self._attributes = self._searched(file, self._stored)
        except OSError as error:
            if error.errno in FULL:
                raise DiskFull from error
            raise
        return self._stored

    def _searched(self, file: BinaryIO, stored: Stored) -> dict[str, Any]:
        """What DICOMweb searches answer of the instance, as it is stored."""
        reader = stored.reading(file)

        def first(size: int) -> bytes:
            reader.seek(0)
            return reader.read(size)

        return search_attributes(header_of(first, size=stored.size, limits=self._limits))

    def _restore(self) -> None:
        """Put again what is missing. A later release may make other bytes of the file: then the worker will say so."""
        try:
            self._backends.store.stat(self.key)
        except ObjectMissing:
            stored = self._make()
            if stored.sha256 == self.sha256:
                self._put()

    def _put(self) -> None:
        stored = self._stored
        if stored is None:
            raise RuntimeError("make first")
        with self._spool.reading() as file:
            self._backends.store.put(
                self.key, stored.reading(file), size=stored.size, content_type=stored.header.media_kind.content_type
            )


def fields_of(header: Header) -> dict[str, Any]:
    """The header as keywords of `images.add`."""
    fields = asdict(header)
    del fields["burned_in"]
    return fields
