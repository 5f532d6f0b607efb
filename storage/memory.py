"""An object store in this process's memory, for unit tests. Same contract as S3 (tests/storage/test_contract.py)."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import BinaryIO

from core.errors import ObjectMissing, RequestInvalid
from storage.store import StoredObject, require_key

PIECE_BYTES = 256 * 1024


class MemoryStore:
    """A dictionary behind a lock."""

    def __init__(self) -> None:
        self._objects: dict[str, tuple[bytes, datetime]] = {}
        self._lock = threading.Lock()

    def put(self, key: str, data: BinaryIO, *, size: int, content_type: str) -> None:
        content = data.read(size)
        if len(content) != size:
            raise RequestInvalid("The upload ended before its announced size")
        self.put_bytes(key, content, content_type=content_type)

    def put_bytes(self, key: str, data: bytes, *, content_type: str) -> None:  # noqa: ARG002 — the contract's
        with self._lock:
            self._objects[require_key(key)] = (bytes(data), datetime.now(UTC))

    def get(self, key: str, *, limit: int | None = None) -> bytes:
        return self._find(key)[0][:limit]

    def read(self, key: str, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        data = self._find(key)[0]
        data = data[start : len(data) if length is None else start + length]
        for position in range(0, len(data), PIECE_BYTES):
            yield data[position : position + PIECE_BYTES]

    def stat(self, key: str) -> StoredObject:
        data, modified = self._find(key)
        return StoredObject(key, len(data), modified)

    def delete(self, keys: Iterable[str]) -> None:
        with self._lock:
            for key in keys:
                self._objects.pop(key, None)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        with self._lock:
            found = sorted(key for key in self._objects if key.startswith(prefix))
            rows = [StoredObject(key, len(self._objects[key][0]), self._objects[key][1]) for key in found]
        return iter(rows)

    def ensure(self) -> None:
        """Memory is there."""

    def check(self) -> None:
        """Memory is there."""

    def _find(self, key: str) -> tuple[bytes, datetime]:
        with self._lock:
            try:
                return self._objects[key]
            except KeyError:
                raise ObjectMissing from None
