"""Intake and privacy: what is stored, the same file again, other pixels under its UID, quarantine, no key."""

from __future__ import annotations

import io
from uuid import UUID

import httpx2
import numpy as np
import pytest
from PIL import Image as Picture
from PIL.PngImagePlugin import PngInfo
from pydicom import dcmread
from sqlalchemy import select, text

from core.identity import Identity
from core.sealing import InstallationKey
from core.settings import Settings
from db.repositories import identities, policies
from db.session import Database
from db.tables import AuditRecord, Image
from imaging.uids import remapped
from storage.s3 import S3Store
from storage.store import image_key
from tests.api.conftest import Api, Trace, serve
from tests.data import encoded, generated_radiograph
from tests.imaging.reference import dicom, ramp

NAMED = {"PatientName": "Doe^Jane", "PatientID": "4711", "StudyDescription": "Left wrist", "StudyDate": "20240501"}


def submit(client: httpx2.Client, data: bytes, **headers: str) -> httpx2.Response:
    return client.post("/v1/jobs", files={"file": ("x", data)}, headers=headers)


def radiograph(**attributes: object) -> bytes:
    return dicom(ramp(), **(NAMED | {"SeriesInstanceUID": "1.2.9"} | attributes))


def only_image(database: Database) -> Image:
    with database.unit_of_work() as session:
        return session.scalars(select(Image)).one()


def test_stored_is_deidentified_and_the_identity_opens(
    client: httpx2.Client, database: Database, store: S3Store, site: UUID, settings: Settings
) -> None:
    data = radiograph()
    assert submit(client, data).status_code == 202
    image = only_image(database)
    stored = store.get(image_key(site, image.sha256))
    assert b"Doe" not in stored
    assert b"4711" not in stored
    after = dcmread(io.BytesIO(stored))
    assert after.PixelData == dcmread(io.BytesIO(data)).PixelData
    assert (image.sop_instance_uid, image.series_instance_uid) == (after.SOPInstanceUID, after.SeriesInstanceUID)
    with database.unit_of_work() as session:
        key = policies.site_key(session, site_id=site, installation=InstallationKey.of(settings))
        sealed = identities.sealed_of(session, site_id=site, image_id=image.id)
        actions = session.scalars(select(AuditRecord.action).where(AuditRecord.subject == f"image {image.id}")).all()
    assert after.SOPInstanceUID == remapped("1.2.3", key)
    assert sealed is not None
    identity = Identity.from_bytes(key.open(sealed, context=identities.context_of(image.id)))
    assert (identity.patient_name, identity.patient_id, identity.study_date) == ("Doe^Jane", "4711", "20240501")
    assert (identity.sop_instance_uid, identity.series_instance_uid) == ("1.2.3", "1.2.9")
    assert list(actions) == ["image_received"]


def test_another_writer_s_meta_group_is_the_same_image(client: httpx2.Client, database: Database) -> None:
    """As when a PACS sends again what was uploaded by hand: PS3.10's group 0002 is of the writer, not of the image."""
    data = radiograph()
    instance = dcmread(io.BytesIO(data))
    instance.file_meta.ImplementationClassUID = "1.2.3.4.5"
    instance.file_meta.ImplementationVersionName = "ANOTHER"
    rewritten = io.BytesIO()
    instance.save_as(rewritten, enforce_file_format=True)
    assert rewritten.getvalue() != data
    answers = [submit(client, content) for content in (data, rewritten.getvalue(), data)]
    assert [answer.status_code for answer in answers] == [202, 202, 202]
    assert len({answer.json()["image"]["id"] for answer in answers}) == 1
    assert only_image(database).received_sha256 is not None


def test_the_same_file_is_the_same_image_and_other_pixels_conflict(
    client: httpx2.Client, database: Database, trace: Trace
) -> None:
    first = submit(client, radiograph()).json()
    again = submit(client, radiograph()).json()
    assert first["id"] != again["id"]
    assert first["image"]["id"] == again["image"]["id"]
    # Other private data around the same pixels and attributes is the same stored image.
    other = dcmread(io.BytesIO(radiograph()))
    other.add_new(0x00090010, "LO", "ACME")
    buffer = io.BytesIO()
    other.save_as(buffer, enforce_file_format=True)
    assert submit(client, buffer.getvalue()).json()["image"]["id"] == first["image"]["id"]
    with trace.nothing_left():
        answer = submit(client, dicom(ramp(top=4000), **NAMED))
        assert (answer.status_code, answer.json()["code"]) == (409, "instance_conflict")


def test_idempotency_is_by_what_was_sent(client: httpx2.Client) -> None:
    first = submit(client, radiograph(), **{"Idempotency-Key": "k"})
    again = submit(client, radiograph(), **{"Idempotency-Key": "k"})
    assert first.json()["id"] == again.json()["id"]
    assert again.headers["Idempotent-Replayed"] == "true"
    answer = submit(client, radiograph(SOPInstanceUID="1.2.4"), **{"Idempotency-Key": "k"})
    assert answer.json()["code"] == "idempotency_mismatch"


def test_without_a_key_dicom_is_refused_and_pictures_are_not(
    settings: Settings, store: S3Store, api_key: str, model: UUID, trace: Trace
) -> None:
    keyless = settings.model_copy(update={"identity_key": None})
    with serve(keyless) as (url, port), Api(url, port, keyless, api_key).client() as client:
        with trace.nothing_left():
            answer = submit(client, radiograph())
            assert (answer.status_code, answer.json()["code"]) == (503, "identity_key_missing")
        assert submit(client, encoded(generated_radiograph(64, 48))).status_code == 202


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_pictures_lose_their_metadata_and_keep_their_pixels(
    client: httpx2.Client, database: Database, store: S3Store, site: UUID, kind: str
) -> None:
    picture = Picture.fromarray(generated_radiograph(64, 48))
    exif = Picture.Exif()
    exif[0x0112], exif[0x010E], exif[0x8825] = 6, "CANARY description", {1: "N"}
    info = PngInfo()
    info.add_text("Patient", "CANARY name")
    info.add_itxt("Comment", "CANARY comment", zip=True)
    buffer = io.BytesIO()
    options = {"pnginfo": info} if kind == "PNG" else {"comment": b"CANARY comment"}
    picture.save(buffer, kind, exif=exif, icc_profile=b"CANARY profile", **options)
    sent = buffer.getvalue() + b"CANARY after the end"
    answer = submit(client, sent).json()
    assert (answer["image"]["rows"], answer["image"]["columns"]) == (48, 64)  # upright: turned by a quarter
    stored = store.get(image_key(site, only_image(database).sha256))
    assert b"CANARY" in sent
    assert b"CANARY" not in stored
    after = Picture.open(io.BytesIO(stored))
    assert dict(after.getexif()) == {0x0112: 6}
    assert set(after.info) <= {"exif", "jfif", "jfif_version", "jfif_unit", "jfif_density", "dpi"}
    assert np.array_equal(np.asarray(after), np.asarray(Picture.open(io.BytesIO(sent))))


def test_quarantine_holds_until_an_administrator_releases(client: httpx2.Client, database: Database) -> None:
    burned = radiograph(BurnedInAnnotation="YES")
    assert submit(client, burned).json()["code"] == "burned_in_phi"
    assert client.patch("/v1/site", json={"burned_in": "quarantine"}).json()["burned_in"] == "quarantine"
    held = submit(client, burned).json()
    again = submit(client, burned).json()
    assert (held["state"], again["state"]) == ("held", "held")
    with database.unit_of_work() as session:
        assert session.scalar(text("SELECT count(*) FROM job WHERE state = 'queued'")) == 0
    assert client.post(f"/v1/jobs/{again['id']}/cancel").json()["state"] == "cancelled"
    # A retry is no way around it.
    retried = client.post(f"/v1/jobs/{again['id']}/retry").json()
    assert retried["state"] == "held"
    assert client.post(f"/v1/jobs/{held['id']}/release").json()["state"] == "queued"
    assert client.get(f"/v1/jobs/{retried['id']}").json()["state"] == "queued"
    assert client.post(f"/v1/jobs/{held['id']}/release").json()["code"] == "transition_illegal"
    # Somebody looked: the same image is not held again.
    assert submit(client, burned).json()["state"] == "queued"
    with database.unit_of_work() as session:
        actions = session.scalars(select(AuditRecord.action)).all()
    assert {"site_changed", "quarantine_released"} <= set(actions)
    assert client.patch("/v1/site", json={"burned_in": "accept"}).status_code == 200
    other = submit(client, radiograph(BurnedInAnnotation="YES", SOPInstanceUID="1.2.77"))
    assert other.json()["state"] == "queued"


def test_the_policy_is_checked_and_needs_an_administrator(client: httpx2.Client, api: Api, database: Database) -> None:
    assert client.get("/v1/site").json() | {"id": "", "name": ""} == {
        "id": "", "name": "", "burned_in": "refuse", "retention_days": None,
    }  # fmt: skip
    assert client.patch("/v1/site", json={"retention_days": 30}).json()["retention_days"] == 30
    assert client.patch("/v1/site", json={"burned_in": "accept"}).json()["retention_days"] == 30
    assert client.patch("/v1/site", json={"retention_days": None}).json()["retention_days"] is None
    for body in ({"retention_days": 0}, {"burned_in": "sell"}, {"sealed_key": "x"}, {"retention_days": "many"}, []):
        assert client.patch("/v1/site", json=body).status_code == 422, body
    from core.vocabulary import Scope
    from db.repositories import sites

    with database.unit_of_work() as session:
        site_id = UUID(client.get("/v1/site").json()["id"])
        _row, reader = sites.issue_key(session, site_id=site_id, name="r", scopes=[Scope.READ])
    with api.client(reader) as weak:
        assert weak.get("/v1/site").status_code == 200
        assert weak.patch("/v1/site", json={"retention_days": 1}).status_code == 403
