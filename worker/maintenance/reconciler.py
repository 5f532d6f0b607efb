"""The reconciler of object store and database. Two at a time do no harm."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID

from core.errors import ObjectMissing
from core.logs import logger
from core.settings import Settings
from db.repositories import orphans
from db.session import Database
from storage.store import ObjectStore, StoredObject, image_key

log = logger(__name__)
T = TypeVar("T")

PAGE = 500

# The stored bytes of an Image, and the copy beside them.
INPUTS = ("in/", "reduced/")
INPUT = re.compile(r"(?:in|reduced)/(?P<site>[0-9a-f-]{36})/(?P<sha256>[0-9a-f]{64})")
OUTPUT = re.compile(r"out/(?P<job>[0-9a-f-]{36})/(?P<fence>[0-9]{1,18})/[^/]+")


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Objects removed because nothing in the database names them, and objects that rows name but that are not there."""

    removed_inputs: int
    removed_uploads: int
    removed_outputs: int
    missing: int


def reconcile(database: Database, store: ObjectStore, settings: Settings) -> Reconciliation:
    """Remove orphans older than `orphan_age`, losers' outputs among them; report objects that are gone.

    Raises DatabaseUnavailable, StoreUnavailable; what was removed until then stays removed.
    """
    oldest = datetime.now(UTC) - timedelta(seconds=settings.orphan_age)
    inputs = _remove_inputs(database, store, oldest)
    uploads = _remove_uploads(store, oldest)
    outputs = _remove_outputs(database, store, oldest)
    missing = _count_missing(database, store, oldest)
    done = Reconciliation(inputs, uploads, outputs, missing)
    log.info("reconciled", removed_inputs=inputs, removed_uploads=uploads, removed_outputs=outputs, missing=missing)
    return done


def _remove_inputs(database: Database, store: ObjectStore, oldest: datetime) -> int:
    removed = 0
    for page in pages(_old(itertools.chain.from_iterable(map(store.list, INPUTS)), oldest)):
        named = {entry.key: match for entry in page if (match := INPUT.fullmatch(entry.key))}
        wanted = {key: (UUID(match["site"]), match["sha256"]) for key, match in named.items()}
        with database.unit_of_work() as session:
            known = orphans.known_images(session, wanted.values())
        gone = [key for key, image in wanted.items() if image not in known]
        store.delete(gone)
        removed += len(gone)
    return removed


def _remove_uploads(store: ObjectStore, oldest: datetime) -> int:
    """What clients put into the store for a Batch and never told of. Once taken it lies elsewhere."""
    removed = 0
    for page in pages(_old(store.list("staging/"), oldest)):
        store.delete([entry.key for entry in page])
        removed += len(page)
    return removed


def _remove_outputs(database: Database, store: ObjectStore, oldest: datetime) -> int:
    removed = 0
    for page in pages(_old(store.list("out/"), oldest)):
        named = {entry.key: match for entry in page if (match := OUTPUT.fullmatch(entry.key))}
        claims = {key: (UUID(match["job"]), int(match["fence"])) for key, match in named.items()}
        with database.unit_of_work() as session:
            # A claim that still runs may be about to win: its objects stay.
            live = orphans.live_outputs(session, claims.values())
        gone = [key for key, claim in claims.items() if claim not in live]
        store.delete(gone)
        removed += len(gone)
    return removed


def _count_missing(database: Database, store: ObjectStore, oldest: datetime) -> int:
    """Objects that rows name and that are gone: logged, for there is nothing to repair them from.

    Rows and listing are read side by side, both in the order of their keys, so that a page of each is all that is held.
    """
    missing = 0
    for prefix, expected in (
        ("in/", _expected_inputs(database, oldest)),
        ("out/", _expected_outputs(database, oldest)),
    ):
        for key in _absent(expected, (entry.key for entry in store.list(prefix))):
            try:
                # The listing may have passed the place before the object was put (again).
                store.stat(key)
            except ObjectMissing:
                missing += 1
                log.error("object_missing", key=key)
    return missing


def _expected_inputs(database: Database, oldest: datetime) -> Iterator[str]:
    after: tuple[UUID, str] | None = None
    while True:
        with database.unit_of_work() as session:
            page = orphans.expected_images(session, before=oldest, after=after, limit=PAGE)
        yield from (image_key(*image) for image in page)
        if len(page) < PAGE:
            return
        after = page[-1]


def _expected_outputs(database: Database, oldest: datetime) -> Iterator[str]:
    after: UUID | None = None
    while True:
        with database.unit_of_work() as session:
            page = orphans.expected_outputs(session, before=oldest, after=after, limit=PAGE)
        for _, keys in page:
            yield from sorted(keys)
        if len(page) < PAGE:
            return
        after = page[-1][0]


def _absent(expected: Iterator[str], listed: Iterator[str]) -> Iterator[str]:
    """Those of `expected` that are not in `listed`; both ascend."""
    here = next(listed, None)
    for key in expected:
        while here is not None and here < key:
            here = next(listed, None)
        if here != key:
            yield key


def _old(entries: Iterable[StoredObject], oldest: datetime) -> Iterator[StoredObject]:
    return (entry for entry in entries if entry.modified < oldest)


def pages(entries: Iterable[T]) -> Iterator[list[T]]:
    """`entries` in lists of at most PAGE."""
    iterator = iter(entries)
    while page := list(itertools.islice(iterator, PAGE)):
        yield page
