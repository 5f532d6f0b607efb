"""Where a model comes from: the cache, the object store, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from uuid import uuid4

import pytest

from core.errors import BundleInvalid
from core.settings import Settings
from db.session import Database
from networks.bundle import MANIFEST_NAME, SERVING_GRAPH, Bundle
from storage.s3 import S3Store
from storage.store import bundle_prefix
from tests.worker.factories import publish
from worker.models import BundleCache, Models


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


def test_a_bundle_without_a_region_head_is_refused(
    settings: Settings, database: Database, store: S3Store, bundle: Path, tmp_path: Path
) -> None:
    without = tmp_path / "without"
    shutil.copytree(bundle, without)
    manifest = json.loads((without / MANIFEST_NAME).read_text())
    manifest["heads"] = [head for head in manifest["heads"] if head["kind"] == "sigmoid"]
    findings = [label for head in manifest["heads"] for label in head["labels"]]
    manifest["explanation"] |= {"labels": findings, "default": findings[:1]}
    (without / MANIFEST_NAME).write_text(json.dumps(manifest))
    publish(database, store, without)
    models = Models(cache=BundleCache(tmp_path / "cache", store), settings=settings)
    with pytest.raises(BundleInvalid, match="no region head"):
        models.load(uuid4(), Bundle.load(without).digest)
    assert models.current is None
