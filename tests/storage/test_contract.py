"""One contract, two stores: SeaweedFS over S3 and memory."""

from __future__ import annotations

import io
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import UUID

import pytest

from core.errors import ObjectMissing, RequestInvalid
from storage.memory import MemoryStore
from storage.store import ObjectStore, bundle_prefix, image_key, output_prefix

TYPE = "application/octet-stream"


@pytest.fixture(params=["s3", "memory"])
def any_store(request: pytest.FixtureRequest) -> ObjectStore:
    if request.param == "memory":
        return MemoryStore()
    made: ObjectStore = request.getfixturevalue("store")
    return made


def test_put_get_stat_list_delete(any_store: ObjectStore) -> None:
    any_store.ensure()
    any_store.check()
    any_store.put_bytes("a/one", b"first", content_type=TYPE)
    any_store.put("a/two", io.BytesIO(b"second, and more"), size=6, content_type=TYPE)
    any_store.put_bytes("b/three", b"", content_type=TYPE)
    assert any_store.get("a/one") == b"first"
    assert any_store.get("a/one", limit=2) == b"fi"
    assert any_store.get("a/one", limit=0) == b""
    assert any_store.get("a/two") == b"second"
    assert any_store.get("b/three") == b""
    found = any_store.stat("a/one")
    assert (found.key, found.size) == ("a/one", 5)
    assert abs((datetime.now(UTC) - found.modified).total_seconds()) < 60
    assert [(item.key, item.size) for item in any_store.list("a/")] == [("a/one", 5), ("a/two", 6)]
    any_store.put_bytes("a/one", b"again", content_type=TYPE)
    assert any_store.get("a/one") == b"again"
    any_store.delete(["a/one", "a/one", "a/none", "b/three"])
    assert [item.key for item in any_store.list("")] == ["a/two"]
    any_store.delete([])


def test_missing(any_store: ObjectStore) -> None:
    for ask in (any_store.get, any_store.stat, lambda key: any_store.get(key, limit=0)):
        with pytest.raises(ObjectMissing):
            ask("not/there")
    assert list(any_store.list("not/")) == []


def test_short_input_is_refused_and_leaves_nothing(any_store: ObjectStore) -> None:
    with pytest.raises(RequestInvalid):
        any_store.put("short", io.BytesIO(b"12345"), size=6, content_type=TYPE)
    assert list(any_store.list("short")) == []


@pytest.mark.parametrize("key", ["", "/a", "a//b", "a/../b", "./a", "a/", "é", "a\nb", "a\\b", "x" * 1025])
def test_bad_keys_are_refused(any_store: ObjectStore, key: str) -> None:
    with pytest.raises(RequestInvalid):
        any_store.put_bytes(key, b"x", content_type=TYPE)


def test_large(any_store: ObjectStore) -> None:
    data = bytes(range(256)) * (20 * 4096)
    any_store.put("large", io.BytesIO(data), size=len(data), content_type=TYPE)
    assert any_store.stat("large").size == 20 * 1024 * 1024
    assert any_store.get("large") == data
    started = time.monotonic()
    assert any_store.get("large", limit=10) == data[:10]
    assert time.monotonic() - started < 5


def test_read_in_pieces(any_store: ObjectStore) -> None:
    data = bytes(range(256)) * 4096
    any_store.put_bytes("pieces", data, content_type=TYPE)
    pieces = list(any_store.read("pieces"))
    assert b"".join(pieces) == data
    assert max(map(len, pieces)) <= 256 * 1024
    assert b"".join(any_store.read("pieces", start=1000, length=5)) == data[1000:1005]
    assert b"".join(any_store.read("pieces", start=len(data) - 3)) == data[-3:]
    assert list(any_store.read("pieces", length=0)) == []
    for length in (0, None):
        with pytest.raises(ObjectMissing):
            next(any_store.read("not/there", length=length))
    begun = any_store.read("pieces")
    next(begun)
    begun.close()  # type: ignore[attr-defined]
    assert any_store.get("pieces", limit=3) == data[:3]


def test_threads(any_store: ObjectStore) -> None:
    def trip(number: int) -> bytes:
        any_store.put_bytes(f"t/{number}", str(number).encode(), content_type=TYPE)
        return any_store.get(f"t/{number}")

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(trip, range(60))) == [str(number).encode() for number in range(60)]
    assert len(list(any_store.list("t/"))) == 60


def test_keys() -> None:
    some = UUID(int=7)
    assert image_key(some, "ab") == f"in/{some}/ab"
    assert output_prefix(some, 3) == f"out/{some}/3/"
    assert bundle_prefix("cd") == "bundles/cd/"
