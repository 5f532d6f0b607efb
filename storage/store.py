"""The contract of an object store, and the keys under which Lucency keeps its objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import BinaryIO, Protocol
from uuid import UUID

from core.errors import RequestInvalid

KEY_LIMIT = 1024


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What a listing or a stat tells: size in bytes, time of the last put (UTC)."""

    key: str
    size: int
    modified: datetime


class ObjectStore(Protocol):
    """Safe to share between threads. Each call may raise StoreUnavailable: that always is worth another try."""

    def put(self, key: str, data: BinaryIO, *, size: int, content_type: str) -> None:
        """Store `size` bytes of `data`; putting again replaces. Fewer bytes than `size` raise RequestInvalid."""

    def put_bytes(self, key: str, data: bytes, *, content_type: str) -> None:
        """Store `data`; putting again replaces."""

    def get(self, key: str, *, limit: int | None = None) -> bytes:
        """The object's bytes, at most the first `limit`. Raises ObjectMissing."""

    def read(self, key: str, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The object's bytes from `start`, at most `length`, in pieces of at most 256 KiB as they come.

        Nothing is asked before the first piece is. Raises ObjectMissing; close the iterator where it is not read to
        its end.
        """

    def stat(self, key: str) -> StoredObject:
        """Size and time of an object. Raises ObjectMissing."""

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects; one that is not there is fine."""

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Every object whose key starts with `prefix`, by key."""

    def ensure(self) -> None:
        """Create the bucket if it is missing."""

    def check(self) -> None:
        """Readiness: the bucket is there and our credentials open it."""


@dataclass(frozen=True, slots=True)
class PresignedPost:
    """A form for one upload straight to the store: POST `fields`, and last a part `file`, to `url`."""

    url: str
    fields: dict[str, str]


class DirectStore(ObjectStore, Protocol):
    """A store that clients may be let to put one object into, without our keys."""

    def presign_post(self, key: str, *, smallest: int, largest: int, expires: timedelta) -> PresignedPost:
        """Whoever has it may, until then, store one object of `smallest` to `largest` bytes under exactly this key."""


def image_key(site_id: UUID, sha256: str) -> str:
    """Where the stored bytes of an Image lie."""
    return f"in/{site_id}/{sha256}"


def reduced_key(site_id: UUID, sha256: str) -> str:
    """Where the reduced copy of an Image lies (`imaging.reduced`), beside its stored bytes."""
    return f"reduced/{site_id}/{sha256}"


def staging_key(site_id: UUID, batch_id: UUID, sha256: str) -> str:
    """Where a client puts a file of a Batch by itself; it stays until it was taken or swept."""
    return f"staging/{site_id}/{batch_id}/{sha256}"


def output_prefix(job_id: UUID, fence: int) -> str:
    """Where one claim of a Job may write; another claim has another fence, hence another prefix."""
    return f"out/{job_id}/{fence}/"


def bundle_prefix(digest: str) -> str:
    """Where the files of a Bundle lie, by the SHA-256 of its bundle.json."""
    return f"bundles/{digest}/"


def require_key(key: str) -> str:
    """`key`, if every S3 server takes it: printable ASCII, no empty or dotted part. Raises RequestInvalid."""
    parts = key.split("/")
    if (
        not key.isascii()
        or not key.isprintable()
        or "\\" in key
        or len(key) > KEY_LIMIT
        or any(part in ("", ".", "..") for part in parts)
    ):
        raise RequestInvalid("An object key must be printable ASCII without empty or dotted parts")
    return key
