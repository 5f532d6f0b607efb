"""QIDO-RS: matching, what is returned, pages; and the DICOM forms of results among the instances."""

from __future__ import annotations

import io
from uuid import UUID

import httpx2
import numpy as np
from PIL import Image

from db.session import Database
from storage.s3 import S3Store
from tests.api.conftest import Api
from tests.api.dicomweb import TYPE, body, named, one, read, values, web
from tests.api.test_jobs import finish
from tests.imaging.reference import dicom, ramp

SYNTAX = "1.2.840.10008.1.2.1"
# PS3.18 table 10.6.3-3.
REQUIRED = {
    "00080020", "00080030", "00080050", "00080061", "00080090", "00081190",
    "00100010", "00100020", "00100030", "00100040", "0020000D", "00200010",
}  # fmt: skip


def store_three(client: httpx2.Client) -> None:
    """Two studies: one of two series with a CR and a DX image, one of a CR."""
    common = {"syntax": SYNTAX, "PatientName": "Roe^Jane", "PatientID": "4711", "StudyDate": "20240301"}
    sent = [
        dicom(ramp(), **common, StudyInstanceUID="1.9.1", SeriesInstanceUID="1.9.1.1", SOPInstanceUID="1.9.1.1.1"),
        dicom(
            ramp(), **common, StudyInstanceUID="1.9.1", SeriesInstanceUID="1.9.1.2", SOPInstanceUID="1.9.1.2.1",
            Modality="DX", InstanceNumber=7, SeriesNumber=2,
        ),
        dicom(ramp(), **common, StudyInstanceUID="1.9.2", SeriesInstanceUID="1.9.2.1", SOPInstanceUID="1.9.2.1.1"),
    ]  # fmt: skip
    answer = client.post("/dicom-web/studies", content=body(*sent), headers={"Content-Type": TYPE})
    assert answer.status_code == 202, answer.text


def test_matching_and_pages(api: Api, client: httpx2.Client) -> None:
    store_three(client)

    def found(path: str, **query: str) -> list[dict[str, object]]:
        answer = client.get(f"/dicom-web/{path}", params=query)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/dicom+json"
        items: list[dict[str, object]] = answer.json()
        return items

    (first,) = found("studies", StudyInstanceUID="1.9.1")
    assert (one(first, "00201206"), one(first, "00201208")) == (2, 2)
    assert values(first, "00080061") == ["CR", "DX"]
    stored = one(first, "0020000D")
    assert stored.startswith("2.25.")
    date = one(first, "00080020")
    assert date != "20240301"
    assert set(first) >= REQUIRED
    for count, query in (
        (2, {}),
        (1, {"StudyInstanceUID": stored}),
        (2, {"StudyInstanceUID": "1.9.1,1.9.2"}),
        (2, {"StudyInstanceUID": "1.9.1\\1.9.2"}),
        (0, {"StudyInstanceUID": "1.9.3"}),
        (2, {"PatientID": "4711"}),
        (2, {"00100020": one(first, "00100020")}),
        (0, {"PatientID": "4712"}),
        (0, {"PatientName": "Roe*"}),
        (2, {"StudyDate": date}),
        (2, {"StudyDate": f"{date}-"}),
        (2, {"StudyDate": f"-{date}"}),
        (2, {"StudyDate": f"19000101-{date}"}),
        (0, {"StudyDate": "19000101-19000102"}),
        (1, {"ModalitiesInStudy": "DX"}),
        (2, {"ModalitiesInStudy": "CR"}),
        (0, {"ModalitiesInStudy": "MR"}),
        (1, {"Modality": "D?"}),
        (2, {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.1"}),
        (2, {"PatientID": "", "fuzzymatching": "false"}),
        (1, {"SOPInstanceUID": "1.9.2.1.1"}),
    ):
        assert len(found("studies", **query)) == count, query
    assert len(found("series")) == 3
    (series,) = found("studies/1.9.1/series", SeriesNumber="2")
    assert (one(series, "00080060"), one(series, "00201209")) == ("DX", 1)
    assert len(found("instances")) == 3
    assert len(found(f"studies/{stored}/instances")) == 2
    (instance,) = found("studies/1.9.1/series/1.9.1.2/instances")
    assert (one(instance, "00280010"), one(instance, "00200013")) == (ramp().shape[0], 7)
    assert "00280004" not in instance
    for field in ("00280004", "PhotometricInterpretation", "all"):
        assert one(found("instances", includefield=field)[0], "00280004") == "MONOCHROME2"
    assert web(api).search_for_instances(get_remaining=True, limit=2) == found("instances")
    page = client.get("/dicom-web/instances", params={"limit": 2})
    assert len(page.json()) == 2
    assert page.headers["warning"].startswith("299 ")
    assert len(found("instances", offset="2")) == 1
    assert found("instances", offset="9") == []
    assert "299" in client.get("/dicom-web/studies?PatientName=Roe&fuzzymatching=true").headers["warning"]
    for query in ("limit=x", "Nothing=1", "StudyDate=2024-01-01", "includefield=Nothing", "limit=-1"):
        assert client.get(f"/dicom-web/studies?{query}").status_code == 422, query


def test_results_are_series_of_the_study(
    client: httpx2.Client, database: Database, store: S3Store, model: UUID, api: Api
) -> None:
    store_three(client)
    assert finish(database, store, model) == 3
    found = web(api).search_for_instances(study_instance_uid="1.9.2")
    assert [one(item, "00080060") for item in found] == ["CR", "SR", "OT", "PR"]
    assert len({named(item)[1] for item in found}) == 4
    assert len({named(item)[0] for item in found}) == 1
    (study,) = web(api).search_for_studies(search_filters={"StudyInstanceUID": "1.9.2"})
    assert values(study, "00080061") == ["CR", "OT", "PR", "SR"]
    assert len(web(api).search_for_series(search_filters={"Modality": "SR"})) == 3
    image, report, capture, state = found
    for item in (report, capture, state):
        whole = web(api).retrieve_instance(*named(item))
        assert (whole.StudyInstanceUID, whole.SeriesInstanceUID, whole.SOPInstanceUID) == named(item)
        assert whole.SOPClassUID == one(item, "00080016")
        assert whole.PatientID == one(image, "00100020")
        (metadata,) = web(api).retrieve_series_metadata(*named(item)[:2])
        plain = metadata.keys() - {"7FE00010"}
        assert plain == {f"{element.tag:08X}" for element in whole if element.keyword != "PixelData"}
    whole = web(api).retrieve_instance(*named(capture))
    (frame,) = web(api).retrieve_instance_frames(*named(capture), [1])
    assert frame.rstrip(b"\0") == whole.PixelData.rstrip(b"\0")
    shown = client.get(f"{one(capture, '00081190')}/rendered", headers={"Accept": "image/png"})
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(shown.content))), whole.pixel_array)
    assert client.get(f"{one(report, '00081190')}/rendered").status_code == 404
    every = web(api).retrieve_study("1.9.2")
    assert [item.Modality for item in every] == ["CR", "SR", "OT", "PR"]
    alone = client.get(one(report, "00081190"), headers={"Accept": "application/dicom"})
    assert read(alone.content).Modality == "SR"
