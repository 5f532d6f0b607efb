"""Files as the field has them, over HTTP: taken and stored as proper ones, or refused with nothing left."""

from __future__ import annotations

import io
from uuid import UUID

import httpx2
import numpy as np
import pydicom
import pytest
from PIL import Image
from sqlalchemy import text

from db.session import Database
from imaging.decode import decode
from storage.s3 import S3Store
from tests.api.conftest import Trace
from tests.api.dicomweb import body, one, values
from tests.api.test_dicomweb_store import post
from tests.api.test_jobs import finish, submit
from tests.api.test_radiographs import job_of
from tests.data import shared
from tests.imaging.encodings import EIGHT_BIT, START
from tests.imaging.field_cases import (
    ALLOWED,
    CONTROL,
    LOOK_UPS,
    OPENINGS,
    SHAPES,
    apart,
    codestream,
    data_set,
    in_syntax,
    raster,
    shortened,
    with_frame,
)

LOSSLESS = START + ".4.70"
UIDS = {"StudyInstanceUID": "1.7", "SeriesInstanceUID": "1.7.1", "SOPInstanceUID": "1.7.1.1"}
IMPLICIT = data_set(in_syntax(START, **UIDS))
TAKEN = {
    "table": LOOK_UPS["16 bits said, 12 meant"].file(),
    "data set alone": IMPLICIT,
    "big endian alone": data_set(in_syntax(START + ".2")),
    "compressed alone": data_set(in_syntax(LOSSLESS)),
    "meta information alone": OPENINGS["meta information without preamble and prefix"](in_syntax(LOSSLESS)),
    "no end marker": with_frame(codestream(LOSSLESS)[:-2], LOSSLESS),
    "no end marker, JPEG-LS": with_frame(codestream(START + ".4.80")[:-2], START + ".4.80"),
    "no end marker, baseline": with_frame(codestream(EIGHT_BIT)[:-2], EIGHT_BIT),
    "not square": SHAPES["ratio 2 to 1"].file(),
    "JPEG file without its end": raster()[:-2],
}


def objects(store: S3Store) -> list[bytes]:
    return [store.get(found.key) for found in store.list("")]


@pytest.mark.parametrize("name", TAKEN)
def test_what_gives_the_picture_is_taken(client: httpx2.Client, store: S3Store, name: str) -> None:
    answer = submit(client, TAKEN[name])
    assert answer.status_code == 202, answer.text
    (kept,) = objects(store)
    if not name.startswith("JPEG"):
        assert kept[:132] == bytes(128) + b"DICM"
        assert pydicom.dcmread(io.BytesIO(kept)).PatientIdentityRemoved == "YES"
    assert apart(decode(kept, longest_side=512).pixels) < ALLOWED


def test_the_same_instance_with_and_without_preamble_is_one_image(client: httpx2.Client, database: Database) -> None:
    for content in (IMPLICIT, in_syntax(START, **UIDS)):
        assert submit(client, content).status_code == 202
    with database.unit_of_work() as session:
        assert session.execute(text("SELECT count(*) FROM image")).scalar_one() == 1


def test_what_is_cut_short_or_cannot_be_told_leaves_nothing(client: httpx2.Client, trace: Trace) -> None:
    cut = {
        f"{syntax} {share}": (with_frame(shortened(codestream(syntax), share), syntax), 422, "dicom_truncated")
        for syntax in (LOSSLESS, EIGHT_BIT, START + ".4.51", START + ".4.80", START + ".4.90")
        for share in (0.5, 0.97)
    }
    cases = cut | {
        "JPEG file": (raster()[:-300], 422, "image_truncated"),
        "progressive": (raster(progressive=True)[:-300], 422, "image_truncated"),
        "data set": (IMPLICIT[: len(IMPLICIT) // 2], 422, "dicom_truncated"),
        "deflated": (data_set(in_syntax(START + ".1.99")), 415, "type_unsupported"),
        "nothing known": (b"nothing that anybody knows" * 20, 415, "type_unsupported"),
    }
    with trace.nothing_left():
        for name, (content, status, code) in cases.items():
            answer = submit(client, content)
            assert (answer.status_code, answer.json()["code"]) == (status, code), name
            if status == 415:
                assert "preamble" in answer.json()["detail"]


def test_stow_takes_a_data_set_alone_and_says_of_a_cut_one_which_it_is(client: httpx2.Client, store: S3Store) -> None:
    whole, other = IMPLICIT, data_set(in_syntax(START, **(UIDS | {"SOPInstanceUID": "1.7.1.2"})))
    answer = post(client, body(whole, other[:-1000]))
    assert answer.status_code == 202
    (taken,) = values(answer.json(), "00081199")
    (refused,) = values(answer.json(), "00081198")
    assert one(refused, "00081155") == "1.7.1.2"
    (kept,) = objects(store)
    assert pydicom.dcmread(io.BytesIO(kept)).SOPInstanceUID == one(taken, "00081155")


def test_a_picture_of_pixels_that_are_not_square(
    client: httpx2.Client, database: Database, store: S3Store, model: UUID
) -> None:
    path = job_of(client, SHAPES["ratio 2 to 1"].file(**UIDS))
    answer = client.get(f"{path}/radiograph")
    described = [answer.headers[f"lucency-{name}"] for name in ("rows", "columns", "aspect")]
    assert described == ["100", "160", "2"]
    assert np.array_equal(np.frombuffer(answer.content, "<u2"), SHAPES["ratio 2 to 1"].pixels.ravel())
    view = client.get(f"{path}/display").json()
    assert (view["rows"], view["columns"], view["spacing"]) == (100, 160, None)
    finish(database, store, model)
    judged = client.get(f"{path}/result").json()["image"]
    for kind in ("heatmap", "colours"):
        drawn = Image.open(io.BytesIO(client.get(f"{path}/explanations/fracture.png?view={kind}").content))
        assert drawn.height / drawn.width == pytest.approx(2 * judged["rows"] / judged["columns"], rel=0.01)
    (found,) = client.get("/dicom-web/instances", params={"Modality": "CR", "includefield": "PixelAspectRatio"}).json()
    assert values(found, "00280034") == [2, 1]
    rendered = client.get(f"{one(found, '00081190')}/rendered", headers={"Accept": "image/png"}).content
    assert apart(np.asarray(Image.open(io.BytesIO(rendered)).convert("L"))) < ALLOWED


def test_the_shared_files(client: httpx2.Client, store: S3Store) -> None:
    files = sorted(shared("field_cases").glob("*.dcm"))
    assert len(files) == 5
    control = decode(files[0].read_bytes(), longest_side=512).pixels
    assert control.shape == CONTROL.shape
    for path in files:
        answer = client.post("/v1/jobs", files={"file": (path.name, path.read_bytes(), "application/dicom")})
        assert answer.status_code == 202, path.name
    kept = [decode(content, longest_side=512).pixels for content in objects(store)]
    assert len(kept) == 5
    assert all(np.abs(found.astype(int) - control).mean() <= 255 * ALLOWED for found in kept)
