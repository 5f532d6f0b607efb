"""/dicom-web with the public dicomweb-client: store, search, retrieve, on real files."""

from __future__ import annotations

import io
from uuid import UUID

import httpx2
import numpy as np
import pytest
from PIL import Image
from pydicom.encaps import generate_frames
from sqlalchemy import text

from core.vocabulary import Scope
from db.repositories import audit, sites
from db.session import Database
from tests.api.conftest import Api
from tests.api.dicomweb import TYPE, body, dataset, named, one, read, real, values, web
from tests.imaging.encodings import CODESTREAMS, EIGHT_BIT, NATIVE, written
from tests.imaging.reference import ramp

EXPLICIT = "1.2.840.10008.1.2.1"
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


def test_store_search_retrieve(api: Api) -> None:
    client = web(api)
    names = ["RG3_UNCR", "RG3_JLSL", "RG2_J2KR", "966_fixed"]
    sent = [dataset(real(name)) for name in names]
    answer = client.store_instances(sent)
    stored = answer.ReferencedSOPSequence
    assert len(stored) == len(sent)
    assert "FailedSOPSequence" not in answer
    for item, original in zip(stored, sent, strict=True):
        assert item.WarningReason == 0xB000
        assert item.ReferencedSOPClassUID == original.SOPClassUID
        assert item.ReferencedSOPInstanceUID != original.SOPInstanceUID
        assert (
            item.OriginalAttributesSequence[0].ModifiedAttributesSequence[0].SOPInstanceUID == original.SOPInstanceUID
        )
    found = client.search_for_instances()
    assert {one(item, "00080018") for item in found} == {item.ReferencedSOPInstanceUID for item in stored}
    for item, original in zip(stored, sent, strict=True):
        (match,) = client.search_for_instances(search_filters={"SOPInstanceUID": original.SOPInstanceUID})
        study, series, instance = named(match)
        assert instance == item.ReferencedSOPInstanceUID
        assert one(match, "00081190") == item.RetrieveURL
        explicit = client.retrieve_instance(study, series, instance, media_types=(("application/dicom", EXPLICIT),))
        assert explicit.file_meta.TransferSyntaxUID == EXPLICIT
        assert np.array_equal(explicit.pixel_array, original.pixel_array)
        assert explicit.PatientName == ""
        as_it_is = client.retrieve_instance(study, series, instance, media_types=(("application/dicom", "*"),))
        assert as_it_is.file_meta.TransferSyntaxUID == original.file_meta.TransferSyntaxUID
        assert np.array_equal(as_it_is.pixel_array, original.pixel_array)
        (frame,) = client.retrieve_instance_frames(study, series, instance, [1])
        assert frame == original.pixel_array.astype("<u2").tobytes()
        shown = Image.open(io.BytesIO(client.retrieve_instance_rendered(study, series, instance)))
        assert (shown.size, shown.mode) == ((original.Columns, original.Rows), "L")
        metadata = client.retrieve_instance_metadata(study, series, instance)
        assert one(metadata, "00080018") == instance
        assert metadata["7FE00010"]["BulkDataURI"].endswith("/bulkdata/7FE00010")
        (bulk,) = client.retrieve_bulkdata(metadata["7FE00010"]["BulkDataURI"])
        assert bulk == frame


def test_a_client_that_names_no_syntax_gets_explicit_little_endian(api: Api, client: httpx2.Client) -> None:
    """PS3.18 section 8.7.3.5; and a single part where that is accepted."""
    web(api).store_instances([dataset(real("RG2_JLSL"))])
    (found,) = web(api).search_for_instances()
    url = one(found, "00081190")
    alone = client.get(url, headers={"Accept": "application/dicom"})
    assert alone.headers["content-type"] == f"application/dicom; transfer-syntax={EXPLICIT}"
    assert np.array_equal(read(alone.content).pixel_array, dataset(real("RG2_JLSL")).pixel_array)
    for accept in ("*/*", 'multipart/related; type="application/dicom"', "multipart/related;type=application/dicom"):
        whole = client.get(url, headers={"Accept": accept})
        assert whole.headers["content-type"].startswith('multipart/related; type="application/dicom"; boundary=')
        assert f"transfer-syntax={EXPLICIT}".encode() in whole.content[:300]
    stored = client.get(url, headers={"Accept": "application/dicom; transfer-syntax=*"})
    assert stored.headers["content-type"].endswith("1.2.840.10008.1.2.4.80")
    same = client.get(f"{url}?accept=application/dicom%3Btransfer-syntax%3D*")
    assert same.content == stored.content
    assert alone.headers["cache-control"] == "private, no-cache"
    assert "Accept" in alone.headers["vary"]


def test_every_transfer_syntax(client: httpx2.Client) -> None:
    """Stored, given as it is, and decoded: files and frames."""
    for number, syntax in enumerate([*NATIVE, *CODESTREAMS]):
        check_syntax(client, syntax, SOPInstanceUID=f"1.2.3.{number}", SeriesInstanceUID="1.2.5")


def check_syntax(client: httpx2.Client, syntax: str, **uids: str) -> None:
    pixels = (ramp() // 16).astype(np.uint8) if syntax == EIGHT_BIT else ramp()
    sent = written(pixels, syntax, **uids)
    stored = client.post("/dicom-web/studies", content=body(sent), headers={"Content-Type": TYPE})
    assert stored.status_code == 202, stored.text
    url = one(values(stored.json(), "00081199")[0], "00081190")
    as_it_is = client.get(url, headers={"Accept": "application/dicom; transfer-syntax=*"})
    assert as_it_is.headers["content-type"].endswith(f"transfer-syntax={syntax}")
    assert read(as_it_is.content).file_meta.TransferSyntaxUID == syntax
    tolerance = 12 if syntax.endswith((".50", ".51")) else 0
    explicit = read(client.get(url, headers={"Accept": "application/dicom"}).content)
    assert np.abs(explicit.pixel_array.astype(int) - pixels).max() <= tolerance
    frame = client.get(f"{url}/frames/1", headers={"Accept": "application/octet-stream"})
    assert frame.headers["content-type"] == "application/octet-stream"
    assert frame.content == explicit.pixel_array.tobytes()
    assert client.get(f"{url}/rendered", headers={"Accept": "image/png"}).content[:4] == b"\x89PNG"
    if syntax not in CODESTREAMS:
        assert read(as_it_is.content).PixelData == read(sent).PixelData
    else:
        (codestream,) = generate_frames(read(sent).PixelData, number_of_frames=1)
        assert list(generate_frames(read(as_it_is.content).PixelData, number_of_frames=1)) == [codestream]
        stream = client.get(f"{url}/frames/1", headers={"Accept": 'multipart/related; type="image/*"'})
        assert codestream in stream.content
        viewer = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
        asked = client.get(f"{url}/frames/1", headers={"Accept": viewer})
        assert f"Content-Type: application/octet-stream; transfer-syntax={syntax}".encode() in asked.content


def test_pictures(api: Api, client: httpx2.Client) -> None:
    web(api).store_instances([dataset(real("RG3_UNCR"))])
    (found,) = web(api).search_for_instances()
    url, study = one(found, "00081190"), web(api).search_for_studies()[0]

    def shown(address: str, **query: str) -> Image.Image:
        answer = client.get(address, params=query, headers={"Accept": "image/png"})
        assert answer.status_code == 200, answer.text
        return Image.open(io.BytesIO(answer.content))

    original = dataset(real("RG3_UNCR"))
    assert shown(f"{url}/rendered", viewport="300,200").size == (200, 200)
    assert shown(f"{url}/frames/1/rendered", viewport="100,100,880,0,880,440").size == (100, 50)
    assert max(shown(f"{url}/thumbnail").size) == max(shown(f"{one(study, '00081190')}/thumbnail").size) == 256
    low, high = 200, 600
    windowed = np.asarray(shown(f"{url}/rendered", window=f"{(low + high) / 2},{high - low},linear-exact"))
    wanted = 255 - np.clip((original.pixel_array.astype(float) - low) / (high - low), 0, 1) * 255
    assert np.abs(windowed - wanted).max() <= 1
    for query in ("window=1", "window=1,0", "window=1,2,cubic", "viewport=0,1", "viewport=1", "quality=0", "zoom=2"):
        assert client.get(f"{url}/rendered?{query}").status_code == 400 + 22, query
    outside = client.get(f"{url}/rendered?viewport=9,9,99999,0,5,5")
    assert (outside.status_code, outside.json()["code"]) == (422, "dicom_invalid")
    assert client.get(f"{one(study, '00081190')}/rendered").headers["content-type"].startswith("multipart/related")
    assert client.get(f"{url}/rendered", headers={"Accept": "image/gif"}).status_code == 406


def test_nothing_else_is_given(api: Api, client: httpx2.Client, database: Database) -> None:
    web(api).store_instances([dataset(real("RG3_UNCR"))])
    (found,) = web(api).search_for_instances()
    url, (study, series, instance) = one(found, "00081190"), named(found)
    for address, accept, status in (
        (url, "application/pdf", 406),
        (url, "application/dicom; transfer-syntax=1.2.840.10008.1.2.4.90", 406),
        (url, 'multipart/related; type="application/dicom+xml"', 406),
        (url, "not a media type", 400),
        (f"{url}/metadata", "application/dicom+xml", 406),
        (f"{url}/frames/2", "*/*", 404),
        (f"{url}/frames/1", "image/jp2", 406),
        (f"{url}/bulkdata/00100010", "*/*", 404),
        (url.replace(instance, "1.2.3.4"), "*/*", 404),
        (url.replace(series, "1.2.3.4"), "*/*", 404),
        (url.replace(study, "1.2.3.4"), "*/*", 404),
        (url.replace(study, "patient"), "*/*", 422),
    ):
        answer = client.get(address, headers={"Accept": accept})
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), address
    with database.unit_of_work() as session:
        other = sites.create_site(session, "Other")
        session.flush()
        _row, key = sites.issue_key(session, site_id=other.id, name="other", scopes=list(Scope), actor="test")
        _row, submitter = sites.issue_key(session, site_id=other.id, name="submit", scopes=[Scope.SUBMIT], actor="test")
    with api.client(key) as foreign:
        assert foreign.get(url).status_code == foreign.get(f"{url}/rendered").status_code == 404
        assert foreign.get("/dicom-web/studies").json() == []
    with api.client(submitter) as blind:
        assert blind.get(url).status_code == blind.get("/dicom-web/studies").status_code == 403
    assert httpx2.get(url, timeout=30).status_code == 401


def test_retrievals_are_audited(api: Api, client: httpx2.Client, database: Database, site: UUID) -> None:
    web(api).store_instances([dataset(real("RG3_UNCR"))])
    (found,) = web(api).search_for_instances()
    for end in ("", "/metadata", "/frames/1", "/rendered"):
        assert client.get(one(found, "00081190") + end).status_code == 200
    assert client.get(one(found, "00081190").split("/series/")[0]).status_code == 200
    with database.unit_of_work() as session:
        rows = session.execute(
            text("SELECT subject, detail FROM audit_record WHERE action = 'image_retrieved' ORDER BY number")
        ).all()
        audit.verify(session, site_id=site)
    assert [row.detail["as"] for row in rows] == ["", "metadata", "frames", "rendered", ""]
    assert {row.subject.split()[0] for row in rows[:4]} == {"image"}
    assert rows[-1].subject.startswith("study ")
