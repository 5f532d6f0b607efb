"""Where a model comes from: the cache, the object store, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import BundleInvalid
from db.session import Database
from networks.bundle import Bundle
from networks.manifest import MANIFEST_NAME, SERVING_GRAPH
from storage.s3 import S3Store
from storage.store import bundle_prefix
from tests.worker.factories import publish
from worker.inference.models import BundleCache


@pytest.fixture
def digest(database: Database, store: S3Store, bundle: Path) -> str:
    publish(database, store, bundle)
    return Bundle.load(bundle).digest


@pytest.mark.parametrize("damage", ["altered", "truncated", "missing", "extra", "manifest"])
def test_a_damaged_copy_is_fetched_again(store: S3Store, digest: str, tmp_path: Path, damage: str) -> None:
    cache = BundleCache(tmp_path / "cache", store)
    place = cache.fetch(digest).path
    graph, manifest = place / SERVING_GRAPH, place / MANIFEST_NAME
    good = graph.read_bytes()
    if damage == "altered":
        graph.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    elif damage == "truncated":
        graph.write_bytes(good[: len(good) // 2])
    elif damage == "missing":
        graph.unlink()
    elif damage == "extra":
        (place / "extra").touch()
    else:
        manifest.write_text(manifest.read_text() + " ")
    again = cache.fetch(digest)
    assert again.digest == digest
    assert (again.path / SERVING_GRAPH).read_bytes() == good
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [digest]


def test_a_good_copy_needs_no_store(store: S3Store, digest: str, tmp_path: Path) -> None:
    cache = BundleCache(tmp_path / "cache", store)
    cache.fetch(digest)
    store.delete([entry.key for entry in store.list(bundle_prefix(digest))])
    assert cache.fetch(digest).digest == digest


@pytest.mark.parametrize("what", ["missing", "altered"])
def test_what_the_store_holds_must_be_what_was_registered(
    store: S3Store, digest: str, tmp_path: Path, what: str
) -> None:
    key = bundle_prefix(digest) + SERVING_GRAPH
    if what == "missing":
        store.delete([key])
    else:
        store.put_bytes(key, b"another network", content_type="application/octet-stream")
    with pytest.raises(BundleInvalid):
        BundleCache(tmp_path / "cache", store).fetch(digest)
    assert list((tmp_path / "cache").iterdir()) == []
