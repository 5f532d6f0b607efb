"""The copy that is stored beside a large file: made while it comes in, and gone with it."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import select

from core.settings import Settings
from db.repositories import erasure
from db.session import Database
from db.tables import Image
from imaging import reduced
from imaging.decode import decode
from storage.s3 import S3Store
from storage.store import image_key, reduced_key
from tests.api.conftest import serve
from tests.api.test_jobs import finish, submit
from tests.data import encoded, generated_radiograph, pydicom_file
from worker.maintenance import reconciler
from worker.maintenance.erasure import Eraser

LARGE = encoded(generated_radiograph(700, 500))
SMALL = encoded(generated_radiograph(60, 50))


@pytest.fixture
def client(settings: Settings, store: S3Store, api_key: str, model: UUID) -> Iterator[httpx2.Client]:
    with (
        serve(settings.model_copy(update={"reduced_from": len(SMALL) + 1})) as (url, _port),
        httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {api_key}"}, timeout=30) as made,
    ):
        yield made


def keys(store: S3Store, prefix: str) -> list[str]:
    return [entry.key for entry in store.list(prefix)]


def image_of(database: Database) -> Image:
    with database.unit_of_work() as session:
        return session.scalars(select(Image)).one()


@pytest.mark.parametrize("content", [LARGE, pydicom_file("RG3_UNCR.dcm").read_bytes()], ids=["png", "dicom"])
def test_a_large_file_gets_one(client: httpx2.Client, database: Database, store: S3Store, content: bytes) -> None:
    assert submit(client, content).status_code == 202
    image = image_of(database)
    copy = store.get(reduced_key(image.site_id, image.sha256))
    stored = store.get(image_key(image.site_id, image.sha256))
    expected = decode(stored, longest_side=reduced.LONGEST_SIDE)
    assert copy == reduced.encode(expected)
    assert image.reduced_revision == reduced.revision()


def test_a_small_file_gets_none(client: httpx2.Client, database: Database, store: S3Store) -> None:
    assert submit(client, SMALL).status_code == 202
    assert (image_of(database).reduced_revision, keys(store, "reduced/")) == (None, [])


def test_one_that_another_release_made_is_replaced_when_the_file_comes_again(
    client: httpx2.Client, database: Database, store: S3Store
) -> None:
    assert submit(client, LARGE).status_code == 202
    image = image_of(database)
    key = reduced_key(image.site_id, image.sha256)
    made, revision, sha256 = store.get(key), image.reduced_revision, image.reduced_sha256
    with database.unit_of_work() as session:
        other = session.scalars(select(Image)).one()
        other.reduced_revision, other.reduced_sha256 = "another release", "e" * 64
    store.put_bytes(key, b"as another release made it", content_type="application/octet-stream")
    assert submit(client, LARGE).status_code == 202
    image = image_of(database)
    assert (image.reduced_revision, image.reduced_sha256, store.get(key)) == (revision, sha256, made)


def test_pixels_that_cannot_be_decoded_are_the_job_s_failure(
    client: httpx2.Client, database: Database, store: S3Store
) -> None:
    damaged = bytearray(LARGE)
    middle = len(damaged) // 2
    damaged[middle : middle + 64] = bytes(64)
    assert submit(client, bytes(damaged)).status_code == 202
    assert (image_of(database).reduced_revision, keys(store, "reduced/")) == (None, [])


def test_a_refusal_takes_it_back(settings: Settings, store: S3Store, api_key: str, model: UUID) -> None:
    small = settings.model_copy(update={"reduced_from": 1, "site_active_limit": 1})
    with (
        serve(small) as (url, _port),
        httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {api_key}"}, timeout=30) as client,
    ):
        assert submit(client, SMALL).status_code == 202
        before = keys(store, "")
        assert submit(client, LARGE).status_code == 429
    assert keys(store, "") == before


def test_pictures_are_drawn_from_it(client: httpx2.Client, database: Database, store: S3Store, model: UUID) -> None:
    job = submit(client, LARGE).json()
    assert finish(database, store, model) == 1
    image = image_of(database)
    store.delete([image_key(image.site_id, image.sha256)])
    path = f"{job['links']['self']}/explanations/fracture.png"
    assert client.get(path).status_code == 200
    assert client.get(f"{job['links']['self']}/reports/pdf").status_code == 200


def test_it_goes_with_its_image_and_an_orphan_goes_too(
    client: httpx2.Client, database: Database, store: S3Store, settings: Settings, site: UUID
) -> None:
    assert submit(client, LARGE).status_code == 202
    image = image_of(database)
    key = reduced_key(site, image.sha256)
    with database.unit_of_work() as session:
        chosen = erasure.by_image(session, site_id=site, image_id=image.id)
    receipt = Eraser(database, store, settings, actor="cli").erase(site, chosen, what="image")
    assert key in {entry["key"] for entry in receipt.images[0].objects}
    assert keys(store, "reduced/") == keys(store, "in/") == []
    store.put_bytes(key, b"left", content_type="application/octet-stream")
    done = reconciler.reconcile(database, store, settings.model_copy(update={"orphan_age": -60.0}))
    assert (done.removed_inputs, keys(store, "reduced/")) == (1, [])
