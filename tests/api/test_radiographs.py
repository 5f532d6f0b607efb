"""A radiograph's pixels and how to show them, over HTTP: the values, who may see them, and what is written down."""

from __future__ import annotations

import gzip
import io
from uuid import UUID

import httpx2
import numpy as np
import pydicom
import pytest
from PIL import Image
from sqlalchemy import text

from core.vocabulary import AuditAction, Scope
from db.repositories import audit, sites
from db.session import Database
from storage.s3 import S3Store
from storage.store import image_key
from tests.api.conftest import PNG, Api, Trace
from tests.api.test_jobs import finish, key_of, submit
from tests.data import pydicom_file
from tests.imaging.reference import dicom, ramp

WINDOWED = {"WindowCenter": [2000, 300], "WindowWidth": [1001, 400], "ImagerPixelSpacing": [0.2, 0.1]}


def file_of(number: int, **attributes: object) -> bytes:
    """A CR file of its own; of patient `P1` and study 1 unless told otherwise."""
    fields: dict[str, object] = {
        "SOPInstanceUID": f"1.2.3.{number}", "SeriesInstanceUID": "1.2.9", "StudyInstanceUID": "1.2.1",
        "PatientID": "P1", "StudyDate": "20200310", "ViewPosition": "PA", "BodyPartExamined": "HAND",
    }  # fmt: skip
    return dicom(ramp() + number, **(fields | attributes))


def job_of(client: httpx2.Client, content: bytes) -> str:
    answer = submit(client, content)
    assert answer.status_code == 202, answer.text
    path: str = answer.json()["links"]["self"]
    return path


def test_pixels(client: httpx2.Client, trace: Trace) -> None:
    path = job_of(client, file_of(1, PhotometricInterpretation="MONOCHROME1", **WINDOWED))
    answer = client.get(f"{path}/radiograph", headers={"Accept-Encoding": "identity"})
    assert answer.status_code == 200
    described = {name: answer.headers[f"lucency-{name}"] for name in ("rows", "columns", "bits", "signed", "maximum")}
    assert described == {"rows": "64", "columns": "256", "bits": "16", "signed": "false", "maximum": "4096"}
    values = np.frombuffer(answer.content, "<u2").reshape(64, 256)
    assert np.array_equal(values, ramp() + 1)
    assert answer.headers["content-length"] == str(64 * 256 * 2)
    assert answer.headers["cache-control"] == "private, no-cache"
    with client.stream("GET", f"{path}/radiograph", headers={"Accept-Encoding": "gzip"}) as squeezed:
        raw = b"".join(squeezed.iter_raw())
        assert squeezed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(raw) == answer.content
    again = client.get(f"{path}/radiograph", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert trace.look().files == ()


@pytest.mark.parametrize("name", ["RG1_UNCR.dcm", "RG3_UNCR.dcm"])
def test_a_real_file(client: httpx2.Client, name: str) -> None:
    path = pydicom_file(name)
    answer = client.get(f"{job_of(client, path.read_bytes())}/radiograph")
    assert np.array_equal(np.frombuffer(answer.content, "<u2"), pydicom.dcmread(path).pixel_array.ravel())


def test_png(client: httpx2.Client) -> None:
    path = job_of(client, PNG)
    answer = client.get(f"{path}/radiograph")
    assert answer.content == Image.open(io.BytesIO(PNG)).tobytes()
    assert answer.headers["lucency-bits"] == "8"
    view = client.get(f"{path}/display").json()
    shown = {name: view[name] for name in ("rows", "columns", "bits", "photometric", "small_is_bright", "windows")}
    assert shown == {
        "rows": 320, "columns": 240, "bits": 8, "photometric": "MONOCHROME2", "small_is_bright": False, "windows": [],
    }  # fmt: skip
    assert (view["spacing"], view["others"], view["study_id"]) == (None, [], None)


def test_display(api: Api, client: httpx2.Client, database: Database, store: S3Store, model: UUID) -> None:
    path = job_of(client, file_of(1, RescaleSlope="2", RescaleIntercept="-100", **WINDOWED))
    sibling = job_of(client, file_of(2, ViewPosition="LL"))
    prior = job_of(client, file_of(3, StudyInstanceUID="1.2.2", StudyDate="20200301"))
    job_of(client, file_of(4, StudyInstanceUID="1.2.4", PatientID="P2"))
    finish(database, store, model)
    retried = job_of(client, file_of(3, StudyInstanceUID="1.2.2", StudyDate="20200301"))
    answer = client.get(f"{path}/display")
    assert answer.headers["cache-control"] == "no-store"
    view = answer.json()
    assert (view["slope"], view["intercept"], view["bits"]) == (2.0, -100.0, 16)
    first, second = view["windows"]
    assert (first["name"], first["center"], first["width"], second["name"]) == ("voi", 2000, 1001, "voi_2")
    assert (first["lower"], first["upper"]) == ((1499.5 + 100) / 2, (2499.5 + 100) / 2)
    assert view["spacing"] == {"row_mm": 0.2, "column_mm": 0.1, "calibrated": False}
    beside, before = view["others"]
    assert (f"/v1/jobs/{beside['job_id']}", beside["same_study"], beside["view_position"]) == (sibling, True, "LL")
    # The job with a result is shown, though a newer one of the same image has none yet.
    assert retried != prior
    assert (f"/v1/jobs/{before['job_id']}", before["same_study"], before["days_apart"]) == (prior, False, -9)
    assert (before["body_part"], before["job_state"]) == ("HAND", "succeeded")


def test_who_may_see(api: Api, client: httpx2.Client, database: Database, site: UUID) -> None:
    path = job_of(client, file_of(1))
    with database.unit_of_work() as session:
        stranger = sites.create_site(session, "Another Site").id
    with (
        api.client(key_of(database, stranger, *Scope)) as other,
        api.client(key_of(database, site, Scope.SUBMIT)) as us,
    ):
        for name in ("radiograph", "display"):
            assert other.get(f"{path}/{name}").status_code == 404
            assert us.get(f"{path}/{name}").status_code == 403
    with database.unit_of_work() as session:
        session.execute(text("UPDATE image SET quarantined = true"))
    with api.client(key_of(database, site, Scope.READ)) as reader:
        for name in ("radiograph", "display"):
            assert reader.get(f"{path}/{name}").json()["code"] == "image_held"
            assert client.get(f"{path}/{name}").status_code == 200


def test_each_retrieval_is_written_down(client: httpx2.Client, database: Database, site: UUID) -> None:
    path = job_of(client, file_of(1))
    client.get(f"{path}/radiograph")
    with database.unit_of_work() as session:
        records = audit.page(session, site_id=site)
        found = [one for one in records if one.action == AuditAction.IMAGE_RETRIEVED.value]
    assert [(one.detail, one.subject.split()[0]) for one in found] == [({"as": "radiograph"}, "image")]


def test_what_is_lost_or_damaged_says_so(client: httpx2.Client, database: Database, store: S3Store, site: UUID) -> None:
    path = job_of(client, file_of(1))
    with database.unit_of_work() as session:
        sha256 = session.execute(text("SELECT sha256 FROM image")).scalar_one()
    key = image_key(site, sha256)
    store.put_bytes(key, store.get(key)[:-4000], content_type="application/dicom")
    damaged = client.get(f"{path}/radiograph")
    assert (damaged.status_code, damaged.json()["code"]) == (422, "dicom_truncated")
    store.delete([key])
    lost = client.get(f"{path}/radiograph")
    assert (lost.status_code, lost.json()["code"]) == (500, "input_integrity")
    assert client.get(f"{path}/display").json()["code"] == "input_integrity"
    assert submit(client, PNG).status_code == 202


def test_colours_are_the_overlays(client: httpx2.Client, database: Database, store: S3Store, model: UUID) -> None:
    path = job_of(client, PNG)
    finish(database, store, model)
    colours = client.get(f"{path}/explanations/fracture.png?view=colours")
    made = np.asarray(Image.open(io.BytesIO(colours.content)))
    overlay = np.asarray(Image.open(io.BytesIO(client.get(f"{path}/explanations/fracture.png?opacity=1").content)))
    # Below the caption, left of the colour bar.
    shown = overlay[26:, :-64]
    assert made.shape == (640, 480, 4)
    bare = client.get(f"{path}/explanations/fracture.png?opacity=0").content
    colours_over_it = Image.fromarray(made).resize((shown.shape[1], shown.shape[0]))
    mixed = Image.open(io.BytesIO(bare)).convert("RGB").crop((0, 26, shown.shape[1], 26 + shown.shape[0]))
    mixed.paste(colours_over_it, mask=colours_over_it)
    assert np.abs(np.asarray(mixed).astype(int) - shown).mean() < 2
