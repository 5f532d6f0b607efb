"""Erasure: objects, rows and everything derived, with a receipt; and the expiry of what a Site no longer wants kept.

Order: cancel what runs, remove the objects, remove the rows with the audit record, look for objects that a worker still
wrote meanwhile. Whatever dies in between, the same erasure run again ends it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from core.errors import IdentityKeyMissing, ObjectMissing
from core.logs import logger
from core.sealing import InstallationKey, SiteKey
from core.settings import Settings
from core.vocabulary import AuditAction
from db.repositories import audit, erasure, images, policies
from db.repositories.erasure import Chosen
from db.session import Database
from storage.store import ObjectStore, image_key, reduced_key

log = logger(__name__)

EXPIRE_AT_ONCE = 500


@dataclass(slots=True)
class Removed:
    """What was removed of one Image. `objects`: key, size (bytes) and SHA-256 of each; `rows`: how many, by table."""

    image: str
    stored_sha256: str
    received_sha256: str | None
    study: str | None
    jobs: list[str]
    objects: list[dict[str, Any]] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    audit_record: int | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof of an erasure: ids, hashes and counts, no patient data. `sha256` is of the rest, as canonical JSON."""

    receipt: str
    site: str
    at: str
    what: str
    dry_run: bool
    images: list[Removed]

    def as_dict(self) -> dict[str, Any]:
        rows: dict[str, int] = {}
        for image in self.images:
            for table, count in image.rows.items():
                rows[table] = rows.get(table, 0) + count
        found = asdict(self) | {
            "totals": {
                "images": len(self.images),
                "objects": sum(len(image.objects) for image in self.images),
                "bytes": sum(entry["size"] for image in self.images for entry in image.objects),
                "rows": rows,
            }
        }
        canonical = json.dumps(found, sort_keys=True, separators=(",", ":"))
        return found | {"sha256": hashlib.sha256(canonical.encode()).hexdigest()}


class Eraser:
    """Erases images of one Site. `actor` is whom the audit log names."""

    def __init__(self, database: Database, store: ObjectStore, settings: Settings, *, actor: str) -> None:
        self._database = database
        self._store = store
        self._settings = settings
        self._actor = actor

    def erase(
        self, site_id: UUID, chosen: Iterable[Chosen], *, what: str, dry_run: bool = False, expired: bool = False
    ) -> Receipt:
        """Remove each Image. `what` says how they were chosen (never by whom they are of).

        Raises DatabaseUnavailable, StoreUnavailable; what was removed until then stays removed, and running it again
        removes the rest.
        """
        key = self._key(site_id)
        action = AuditAction.EXPIRED if expired else AuditAction.ERASED
        removed = [self._look(image) if dry_run else self._remove(image, key, action) for image in chosen]
        at = datetime.now(UTC).isoformat(timespec="seconds")
        return Receipt(str(uuid4()), str(site_id), at, what, dry_run, removed)

    def _key(self, site_id: UUID) -> SiteKey | None:
        try:
            installation = InstallationKey.of(self._settings)
        except IdentityKeyMissing:
            return None
        with self._database.unit_of_work() as session:
            return policies.site_key(session, site_id=site_id, installation=installation)

    def _look(self, chosen: Chosen) -> Removed:
        found = _entry(chosen)
        found.objects = [self._described(key) for key in self._keys(chosen)]
        return found

    def _remove(self, chosen: Chosen, key: SiteKey | None, action: AuditAction) -> Removed:
        removed = _entry(chosen)
        with self._database.unit_of_work() as session:
            erasure.stop_jobs(session, chosen)
            # Whoever puts the same content now looks whether it is still there.
            images.count_removal(session)
        removed.objects = self._delete(chosen)
        with self._database.unit_of_work() as session:
            removed.rows = erasure.remove(session, chosen, key=key)
            removed.audit_record = audit.append(
                session,
                site_id=chosen.site_id,
                actor=self._actor,
                action=action,
                subject=f"image {chosen.image_id}",
                detail={
                    "jobs": removed.jobs,
                    "objects": len(removed.objects),
                    "rows": sum(removed.rows.values()),
                    "stored_sha256": chosen.sha256,
                },
            )
        removed.objects += self._delete_late(chosen)
        return removed

    def _delete_late(self, chosen: Chosen) -> list[dict[str, Any]]:
        """What came while the rows were there: not the original of an upload that was recorded since."""
        with self._database.unit_of_work() as session:
            if images.take_back(session, site_id=chosen.site_id, sha256=chosen.sha256):
                return self._delete(chosen)
        return self._delete(chosen, original=False)

    def _delete(self, chosen: Chosen, *, original: bool = True) -> list[dict[str, Any]]:
        kept = set() if original else set(_originals(chosen))
        described = [self._described(key) for key in self._keys(chosen) if key not in kept]
        self._store.delete([entry["key"] for entry in described])
        return described

    def _keys(self, chosen: Chosen) -> list[str]:
        """Every object there is of the Image: what came in, and what any attempt of its jobs wrote."""
        originals = _originals(chosen)
        keys = [entry.key for original in originals for entry in self._store.list(original) if entry.key == original]
        for job_id in chosen.job_ids:
            keys += [entry.key for entry in self._store.list(f"out/{job_id}/")]
        return keys

    def _described(self, key: str) -> dict[str, Any]:
        if key.startswith("in/"):
            # Its name is its hash, which the worker checks whenever it reads it.
            return {"key": key, "size": self._store.stat(key).size, "sha256": key.rpartition("/")[2]}
        try:
            data = self._store.get(key)
        except ObjectMissing:
            data = b""
        return {"key": key, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def expire(database: Database, store: ObjectStore, settings: Settings) -> int:
    """Remove what Sites no longer want kept, at most so much at once; how many images went."""
    with database.unit_of_work() as session:
        due = erasure.outlived(session, limit=EXPIRE_AT_ONCE)
    eraser = Eraser(database, store, settings, actor="worker")
    for site_id in dict.fromkeys(image.site_id for image in due):
        of_site = [image for image in due if image.site_id == site_id]
        receipt = eraser.erase(site_id, of_site, what="retention", expired=True).as_dict()
        log.info(
            "expired", site_id=str(site_id), **receipt["totals"] | {"rows": sum(receipt["totals"]["rows"].values())}
        )
    return len(due)


def _originals(chosen: Chosen) -> tuple[str, str]:
    """The stored bytes, and where their reduced copy lies if there is one."""
    return image_key(chosen.site_id, chosen.sha256), reduced_key(chosen.site_id, chosen.sha256)


def _entry(chosen: Chosen) -> Removed:
    return Removed(
        image=str(chosen.image_id),
        stored_sha256=chosen.sha256,
        received_sha256=chosen.received_sha256,
        study=None if chosen.study_id is None else str(chosen.study_id),
        jobs=[str(job_id) for job_id in chosen.job_ids],
    )
