"""The content of one upload: scanned, de-identified under its Site's key, put into the store, recorded as an Image."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from typing import Any, BinaryIO
from uuid import UUID

from uuid_utils.compat import uuid7

from api.backends import Backends
from api.site_rules import SiteRules
from api.uploads.spool import FULL, Spool
from core.errors import BurnedInPhi, DiskFull, LucencyError, ObjectMissing, Unavailable
from core.logs import logger
from core.sealing import SiteKey
from core.vocabulary import AuditAction, BurnedInPolicy, MediaKind
from db.repositories import audit, identities, images, intake, quotas
from db.repositories.images import Reduced
from db.repositories.intake import Entered
from db.repositories.sites import Principal
from db.session import Session
from db.tables import Image
from imaging import reduced
from imaging.dicom_json import search_attributes
from imaging.first_bytes import header_of
from imaging.header import Header, Limits
from imaging.ingest import Scanned, scan, to_store
from imaging.stored import Stored
from storage.store import image_key, reduced_key

log = logger(__name__)

# An upload waits this long for a decoder that makes its reduced copy, and this long for the copy; else it has none.
COPY_WAIT_S, COPY_PATIENCE_S = 0.25, 3.0


class Content:
    """The spooled file of one upload on its way into the store. Its methods block: call them in a thread, in order."""

    def __init__(self, backends: Backends, principal: Principal, spool: Spool) -> None:
        self._backends = backends
        self._principal = principal
        self._spool = spool
        self._limits = Limits.of(backends.settings)
        self._scanned: Scanned | None = None
        self._key: SiteKey | None = None
        self._quarantined = False
        self._stored: Stored | None = None
        self._attributes: dict[str, Any] | None = None
        self._taken_back: int | None = None
        self._copy: bytes | None = None

    @property
    def received_sha256(self) -> str:
        return self._spool.received_sha256

    @property
    def site_id(self) -> UUID:
        return self._principal.site_id

    @property
    def sha256(self) -> str:
        """SHA-256 of the stored bytes, once they are made."""
        return self._stored.sha256 if self._stored is not None else ""

    def scan(self, kind: MediaKind) -> None:
        """Look at the file as it came. Raises InputRejected subclasses."""
        with self._spool.reading() as file:
            self._scanned = scan(file, kind, limits=self._limits)
        if not self._scanned.ended:
            self._require_whole()

    def handle(self, rules: SiteRules) -> None:
        """As the Site wants it. Raises BurnedInPhi, IdentityKeyMissing."""
        header = self._require_scanned().header
        if header.burned_in and rules.burned_in is BurnedInPolicy.REFUSE:
            raise BurnedInPhi
        self._key = rules.required_key() if header.media_kind is MediaKind.DICOM else None
        self._quarantined = header.burned_in and rules.burned_in is BurnedInPolicy.QUARANTINE

    def store(self) -> None:
        """De-identify and put; once, however often it is called. Raises StoreUnavailable, DiskFull."""
        if self._stored is None:
            # Known before the put: what is removed after it counts further.
            self._taken_back = self._backends.rulebook.taken_back
            self._stored = self._made()
            self._copy = self._reduced(self._stored)
            self._put(self._stored)

    def record(self, session: Session, entered: Entered) -> Image:
        """The Image of this content; where it is new, with its sealed Identity.

        Raises InstanceConflict, StorageQuotaExceeded. `note` appends the audit record, last in the transaction.
        """
        stored, copy = self._require_stored(), self._copied
        if entered.image_id is not None:
            image = intake.image(session, entered.image_id)
            if copy is not None and image.sha256 == stored.sha256:
                # Ours lies in the store now, whoever's was there.
                image.reduced_revision, image.reduced_sha256 = copy.revision, copy.sha256
            return image
        quotas.require_space(
            session, site_id=self.site_id, size_bytes=self._spool.size, limit=entered.stored_bytes_limit
        )
        image_id = uuid7()
        sealed = None
        if stored.identity is not None and self._key is not None:
            sealed = self._key.seal(stored.identity.to_bytes(), context=identities.context_of(image_id))
        return images.add(
            session,
            site_id=self.site_id,
            sha256=stored.sha256,
            received_sha256=self.received_sha256,
            size_bytes=stored.size,
            quarantined=self._quarantined,
            attributes=self._attributes,
            reduced=copy,
            image_id=image_id,
            sealed=sealed,
            patient=stored.patient if sealed is not None else "",
            **fields_of(stored.header),
        )

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

    def settle(self, image: Image, entered: Entered) -> None:
        """After the commit: the object of `image` is in the store, and no other one of this upload.

        A refused twin may have taken the object back between our put and our commit; an Image that was made of the same
        file by another release may have other bytes.
        """
        try:
            if image.sha256 != self.sha256:
                self.take_back("duplicate")
                self._backends.store.stat(image_key(self.site_id, image.sha256))
            elif not self._backends.rulebook.seen(entered.taken_back) or self._taken_back != entered.taken_back:
                self._restore()
        except (ObjectMissing, Unavailable) as error:
            # It was there a moment ago and the job is accepted; the worker tries again if it must, or says so.
            log.warning("object_unchecked", code=error.code)

    def take_back(self, refusal: str) -> None:
        """Remove the object that was put for a refused job, unless an Image holds the same content.

        The lock keeps another submit of this content from committing between the look and the removal; one that
        commits after it sees that something was taken back, and puts its object again (`settle`).
        """
        if self._stored is None:
            return
        try:
            with self._backends.database.unit_of_work(site_id=self.site_id) as session:
                if images.take_back(session, site_id=self.site_id, sha256=self.sha256):
                    self._backends.store.delete([self._object_key, *([self._copy_key] if self._copy else [])])
        except Unavailable as error:
            # Nobody can say now whether it is wanted: the reconciler will, when it is an orphan of age.
            log.warning("object_left", key=self._object_key, code=error.code, refusal=refusal)

    @property
    def _object_key(self) -> str:
        return image_key(self.site_id, self.sha256)

    @property
    def _copied(self) -> Reduced | None:
        if self._copy is None:
            return None
        return Reduced(reduced.revision(), hashlib.sha256(self._copy).hexdigest())

    @property
    def _copy_key(self) -> str:
        return reduced_key(self.site_id, self.sha256)

    def _require_whole(self) -> None:
        """Have a decoder process see whether every line is there. Raises DicomTruncated, ImageTruncated, and whatever
        else decoding raises.
        """
        with self._spool.reading() as file:
            self._backends.decoders.require_whole(file, size=self._spool.size)

    def _require_scanned(self) -> Scanned:
        if self._scanned is None:
            raise RuntimeError("scan first")
        return self._scanned

    def _require_stored(self) -> Stored:
        if self._stored is None:
            raise RuntimeError("store first")
        return self._stored

    def close(self) -> None:
        if self._stored is not None:
            self._stored.close()

    def _made(self) -> Stored:
        scanned = self._require_scanned()
        folder = self._backends.settings.temporary_folder
        try:
            with self._spool.reading() as file:
                stored = to_store(file, scanned, key=self._key, limits=self._limits, folder=folder)
                if stored.header.media_kind is MediaKind.DICOM:
                    self._attributes = self._searched(file, stored)
        except OSError as error:
            if error.errno in FULL:
                raise DiskFull from error
            raise
        return stored

    def _searched(self, file: BinaryIO, stored: Stored) -> dict[str, Any]:
        """What DICOMweb searches answer of the instance, as it is stored."""
        reader = stored.reading(file)

        def first(size: int) -> bytes:
            reader.seek(0)
            return reader.read(size)

        return search_attributes(header_of(first, size=stored.size, limits=self._limits))

    def _restore(self) -> None:
        try:
            self._backends.store.stat(self._object_key)
        except ObjectMissing:
            self._put(self._require_stored())

    def _reduced(self, stored: Stored) -> bytes | None:
        """The copy of a large file, decoded where its bytes are; None where a worker will do it as well.

        Whatever is wrong with the pixels the job will say.
        """
        if stored.size < self._backends.settings.reduced_from:
            return None
        try:
            with self._spool.reading() as file:
                radiograph = self._backends.decoders.decode_soon(
                    stored.reading(file),
                    size=stored.size,
                    longest_side=reduced.LONGEST_SIDE,
                    wait_s=COPY_WAIT_S,
                    timeout_s=COPY_PATIENCE_S,
                )
        except LucencyError:
            return None
        return None if radiograph is None else reduced.encode(radiograph)

    def _put(self, stored: Stored) -> None:
        if self._copy is not None:
            self._backends.store.put_bytes(self._copy_key, self._copy, content_type="application/octet-stream")
        with self._spool.reading() as file:
            self._backends.store.put(
                self._object_key,
                stored.reading(file),
                size=stored.size,
                content_type=stored.header.media_kind.content_type,
            )


def fields_of(header: Header) -> dict[str, Any]:
    """The header as keywords of `images.add`."""
    fields = asdict(header)
    del fields["burned_in"]
    return fields
