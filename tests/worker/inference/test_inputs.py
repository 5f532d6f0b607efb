"""From a claim to the network's input: what is fetched must be what was accepted."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from uuid import UUID

import numpy as np
import pytest

from core.errors import InputIntegrity
from core.vocabulary import MediaKind
from db.repositories.images import Reduced
from db.repositories.jobs import Claim
from imaging import reduced
from imaging.decode import decode
from imaging.sandbox.pool import DecoderPool
from networks.preprocessing import Preprocessing
from storage.memory import MemoryStore
from storage.store import image_key, reduced_key
from tests.data import encoded, generated_radiograph
from worker.inference.inputs import InputLoader

SITE, OTHER = UUID(int=1), UUID(int=2)
PNG = encoded(generated_radiograph(160, 120))
CLAIM = Claim(
    job_id=UUID(int=3),
    site_id=SITE,
    fence=1,
    attempt=1,
    crash_count=0,
    image_id=UUID(int=4),
    sha256=hashlib.sha256(PNG).hexdigest(),
    size_bytes=len(PNG),
    media_kind=MediaKind.PNG,
    explain=(),
    queued_ms=0.0,
)
KEY = image_key(SITE, CLAIM.sha256)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def loader(store: MemoryStore) -> Iterator[InputLoader]:
    with DecoderPool(size=1, memory_bytes=1 << 30, timeout_s=20) as decoders:
        made = InputLoader(store=store, decoders=decoders, size=1, bound_s=60)
        yield made
        made.close()


def test_what_was_accepted_becomes_the_networks_input(loader: InputLoader, store: MemoryStore) -> None:
    store.put_bytes(KEY, PNG, content_type="image/png")
    prepared = loader.read(CLAIM, Preprocessing(size=64))
    assert (prepared.rows, prepared.columns, prepared.tensor.shape) == (160, 120, (64, 64, 1))
    assert prepared.window == pytest.approx((8 / 64, 0, 56 / 64, 1))
    assert set(prepared.timings_ms) == {"fetch", "wait", "decode", "preprocess"}


@pytest.mark.parametrize(
    "change", [lambda data: data[:-1] + bytes([data[-1] ^ 1]), lambda data: data + b"x", lambda data: data[:-1]]
)
def test_other_bytes_are_refused(loader: InputLoader, store: MemoryStore, change: object) -> None:
    assert callable(change)
    store.put_bytes(KEY, change(PNG), content_type="image/png")
    with pytest.raises(InputIntegrity):
        loader.read(CLAIM, Preprocessing(size=64))


def test_another_sites_object_is_not_read(loader: InputLoader, store: MemoryStore) -> None:
    store.put_bytes(image_key(OTHER, CLAIM.sha256), PNG, content_type="image/png")
    with pytest.raises(InputIntegrity):
        loader.read(CLAIM, Preprocessing(size=64))


COPY = reduced.encode(decode(PNG, longest_side=reduced.LONGEST_SIDE))
COPY_KEY = reduced_key(SITE, CLAIM.sha256)


def with_copy(data: bytes = COPY, *, revision: str | None = None) -> Claim:
    kept = Reduced(revision or reduced.revision(), hashlib.sha256(data).hexdigest())
    return dataclasses.replace(CLAIM, reduced=kept)


def test_a_copy_is_taken_in_place_of_the_file(loader: InputLoader, store: MemoryStore) -> None:
    store.put_bytes(KEY, PNG, content_type="image/png")
    whole = loader.read(CLAIM, Preprocessing(size=64))
    store.put_bytes(COPY_KEY, COPY, content_type="application/octet-stream")
    store.delete([KEY])
    found = loader.read(with_copy(), Preprocessing(size=64))
    np.testing.assert_array_equal(found.tensor, whole.tensor)
    assert (found.rows, found.columns, found.window) == (whole.rows, whole.columns, whole.window)
    assert set(found.timings_ms) == {"fetch", "preprocess"}


@pytest.mark.parametrize(
    ("claim", "stored", "preprocessing"),
    [
        (with_copy(revision="another release"), COPY, Preprocessing(size=64)),
        (with_copy(), COPY, Preprocessing(size=64, source_longest_side=640)),
        (with_copy(), None, Preprocessing(size=64)),
        (with_copy(), COPY[:-1] + b"x", Preprocessing(size=64)),
        (with_copy(b"no copy"), b"no copy", Preprocessing(size=64)),
    ],
    ids=["another release", "another side", "gone", "altered", "none"],
)
def test_the_file_is_decoded_where_the_copy_is_not_ours(
    loader: InputLoader, store: MemoryStore, claim: Claim, stored: bytes | None, preprocessing: Preprocessing
) -> None:
    store.put_bytes(KEY, PNG, content_type="image/png")
    if stored is not None:
        store.put_bytes(COPY_KEY, stored, content_type="application/octet-stream")
    found = loader.read(claim, preprocessing)
    assert "decode" in found.timings_ms
    np.testing.assert_array_equal(found.tensor, loader.read(CLAIM, preprocessing).tensor)


def test_another_sites_copy_is_not_read(loader: InputLoader, store: MemoryStore) -> None:
    store.put_bytes(KEY, PNG, content_type="image/png")
    store.put_bytes(reduced_key(OTHER, CLAIM.sha256), COPY, content_type="application/octet-stream")
    assert "decode" in loader.read(with_copy(), Preprocessing(size=64)).timings_ms
