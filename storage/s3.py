"""The S3 object store, on the minio client. It names errors in our words and bounds every wait."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, BinaryIO

import urllib3
from minio import Minio
from minio.datatypes import PostPolicy
from minio.deleteobjects import DeleteObject
from minio.error import MinioException, S3Error

from core.errors import ObjectMissing, RequestInvalid, StoreUnavailable
from core.settings import Settings
from storage.store import PresignedPost, StoredObject, require_key

PART_BYTES = 8 * 1024 * 1024
CONNECT_TIMEOUT = 2.0
CONNECTIONS = 32
CHUNK_BYTES = 256 * 1024
SIGNED_FOR = timedelta(minutes=15)
MISSING_CODES = frozenset({"NoSuchKey", "NoSuchObject", "ResourceNotFound"})
OWNED_CODES = frozenset({"BucketAlreadyOwnedByYou", "BucketAlreadyExists"})


@contextmanager
def _translated() -> Iterator[None]:
    """Name every fault: a missing object is ObjectMissing, all else of the network or server StoreUnavailable."""
    try:
        yield
    except S3Error as error:
        if error.code in MISSING_CODES:
            raise ObjectMissing from error
        raise StoreUnavailable from error
    except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
        raise StoreUnavailable from error


class _Exact(io.RawIOBase):
    """Exactly `size` bytes of `data` from where it stands, and again after `seek(0)`; notices a shorter input."""

    def __init__(self, data: BinaryIO, size: int) -> None:
        self._data = data
        self._start = data.tell()
        self._size = self._left = size
        self.short = False

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._size - self._left

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if whence != io.SEEK_SET:
            raise io.UnsupportedOperation
        self._data.seek(self._start + offset)
        self._left = self._size - offset
        return offset

    def read(self, size: int = -1, /) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        chunk = self._data.read(wanted)
        self._left -= len(chunk)
        if wanted > 0 and not chunk:
            self.short = True
            raise OSError("the input ended early")
        return chunk


class S3Store:
    """One bucket. Thread-safe (one connection pool); make it after a fork, not before."""

    def __init__(self, client: Minio, bucket: str, *, pool: urllib3.PoolManager, public_url: str) -> None:
        self._client: Any = client
        self._bucket = bucket
        self._pool = pool
        self._public_url = public_url

    def put(self, key: str, data: BinaryIO, *, size: int, content_type: str) -> None:
        """One request that streams `data`, to an address signed for it.

        The client's own `put_object` holds several copies of a part in memory, hashes it again for the signature, and
        takes four requests for what exceeds a part. The content's hash is known, and checked when it is read.
        """
        require_key(key)
        if size == 0:
            self.put_bytes(key, b"", content_type=content_type)
            return
        exact = _Exact(data, size)
        headers = {"Content-Length": str(size), "Content-Type": content_type}
        try:
            with _translated():
                url = self._client.get_presigned_url(
                    method="PUT", bucket_name=self._bucket, object_name=key, expires=SIGNED_FOR
                )
                answer = self._pool.request("PUT", url, body=exact, headers=headers)
        except StoreUnavailable:
            if exact.short:
                raise RequestInvalid("The upload ended before its announced size") from None
            raise
        if answer.status != HTTPStatus.OK:
            raise StoreUnavailable

    def put_bytes(self, key: str, data: bytes, *, content_type: str) -> None:
        require_key(key)
        with _translated():
            self._client.put_object(
                bucket_name=self._bucket,
                object_name=key,
                data=io.BytesIO(data),
                length=len(data),
                content_type=content_type,
                # Multipart in one thread above this size, so that memory stays at one part.
                part_size=PART_BYTES,
                num_parallel_uploads=1,
            )

    def get(self, key: str, *, limit: int | None = None) -> bytes:
        if limit == 0:
            self.stat(key)
            return b""
        with _translated():
            response = self._client.get_object(bucket_name=self._bucket, object_name=key)
            try:
                # `amt` bounds what is read; urllib3 raises IncompleteRead where the body ends early.
                return _read(response, limit)
            finally:
                # A body read to its end has given its connection back already: this closes only one that was cut,
                # where reading on to reuse it could cost the rest of a large object.
                response.close()
                response.release_conn()

    def read(self, key: str, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        if length == 0:
            self.stat(key)
            return
        with _translated():
            # The client takes a length of 0 for "to the end".
            response = self._client.get_object(
                bucket_name=self._bucket, object_name=key, offset=start, length=length or 0
            )
        try:
            while True:
                with _translated():
                    piece = response.read(CHUNK_BYTES)
                if not piece:
                    break
                yield piece
        finally:
            response.close()
            response.release_conn()

    def stat(self, key: str) -> StoredObject:
        with _translated():
            found = self._client.stat_object(bucket_name=self._bucket, object_name=key)
        return StoredObject(key, found.size, found.last_modified)

    def delete(self, keys: Iterable[str]) -> None:
        with _translated():
            wanted = (DeleteObject(name=key) for key in keys)
            errors = list(self._client.remove_objects(bucket_name=self._bucket, delete_object_list=wanted))
        if any(error.code not in MISSING_CODES for error in errors):
            raise StoreUnavailable

    def list(self, prefix: str) -> Iterator[StoredObject]:
        with _translated():
            for found in self._client.list_objects(bucket_name=self._bucket, prefix=prefix, recursive=True):
                if not found.is_dir:
                    yield StoredObject(found.object_name, found.size, found.last_modified)

    def presign_post(self, key: str, *, smallest: int, largest: int, expires: timedelta) -> PresignedPost:
        """A POST policy, for a presigned PUT cannot bound the size. No request is made."""
        policy = PostPolicy(self._bucket, datetime.now(UTC) + expires)
        policy.add_equals_condition("key", require_key(key))
        policy.add_content_length_range_condition(smallest, largest)
        fields: dict[str, str] = self._client.presigned_post_policy(policy)
        return PresignedPost(f"{self._public_url}/{self._bucket}", {"key": key, **fields})

    def ensure(self) -> None:
        with _translated():
            if self._client.bucket_exists(bucket_name=self._bucket):
                return
            try:
                self._client.make_bucket(bucket_name=self._bucket)
            except S3Error as error:
                # Another process made it between our two calls.
                if error.code not in OWNED_CODES:
                    raise

    def check(self) -> None:
        with _translated():
            if not self._client.bucket_exists(bucket_name=self._bucket):
                raise StoreUnavailable("The object store's bucket does not exist")


def _read(response: Any, limit: int | None) -> bytes:
    chunks: list[bytes] = []
    left = limit
    while left is None or left > 0:
        chunk = response.read(CHUNK_BYTES if left is None else min(CHUNK_BYTES, left))
        if not chunk:
            break
        chunks.append(chunk)
        if left is not None:
            left -= len(chunk)
    return b"".join(chunks)


def make_store(settings: Settings) -> S3Store:
    """A store on the settings' bucket. Connects to nothing yet."""
    pool = urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=min(CONNECT_TIMEOUT, settings.s3_timeout), read=settings.s3_timeout),
        maxsize=CONNECTIONS,
        # What is read of a streamed body at a time; the default of 16 kB costs a system call each.
        blocksize=CHUNK_BYTES,
        # One more try covers a connection that the server closed while idle; a longer wait is the job's retry.
        retries=urllib3.Retry(total=1, backoff_factor=0.1, status_forcelist=()),
    )
    client = Minio(
        endpoint=settings.s3_endpoint,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key.get_secret_value(),
        region=settings.s3_region,
        secure=settings.s3_secure,
        http_client=pool,
    )
    scheme = "https" if settings.s3_secure else "http"
    public_url = (settings.s3_public_url or f"{scheme}://{settings.s3_endpoint}").rstrip("/")
    return S3Store(client, settings.s3_bucket, pool=pool, public_url=public_url)
