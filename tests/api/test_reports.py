"""Reports over HTTP: every form, who may name the patient, and what the audit log has of it."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import httpx2
import pydicom
import pypdfium2
import pytest

from core.sealing import InstallationKey
from core.vocabulary import AuditAction, MediaKind, Scope
from db.repositories import audit, identities, images, policies, sites
from db.session import Database
from db.tables import AuditRecord
from storage.s3 import S3Store
from storage.store import image_key
from tests.api.conftest import Api
from tests.api.test_jobs import finish, key_of, submit
from tests.conftest import ROOT
from tests.data import encoded, generated_radiograph, pydicom_file
from tests.factories import make_job
from tests.reports.records import identity

KINDS = {
    "json": "application/json",
    "overlay": "image/png",
    "pdf": "application/pdf",
    "sr": "application/dicom",
    "sc": "application/dicom",
    "gsps": "application/dicom",
    "fhir": "application/fhir+json",
    "csv": "text/csv; charset=utf-8",
}


@pytest.fixture
def job(api: Api, database: Database, store: S3Store, site: UUID, model: UUID) -> UUID:
    """A succeeded Job on a DICOM image whose identity is kept."""
    content = encoded(generated_radiograph(640, 480))
    sha256 = hashlib.sha256(content).hexdigest()
    store.put_bytes(image_key(site, sha256), content, content_type="image/png")
    with database.unit_of_work() as session:
        image = images.add(
            session,
            site_id=site,
            sha256=sha256,
            size_bytes=len(content),
            media_kind=MediaKind.DICOM,
            rows=640,
            columns=480,
            bits_stored=12,
            modality="DX",
            sop_class_uid="1.2.840.10008.5.1.4.1.1.1.1",
            sop_instance_uid="2.25.11",
            study_instance_uid="2.25.13",
        )
        job_id = make_job(session, site, image_id=image.id).id
        key = policies.site_key(session, site_id=site, installation=InstallationKey.of(api.settings))
        sealed = key.seal(identity().to_bytes(), context=identities.context_of(image.id))
        identities.keep(session, site_id=site, image_id=image.id, sealed=sealed)
    assert finish(database, store, model) == 1
    return job_id


def records(database: Database) -> list[AuditRecord]:
    """The audit log's records of results and identities, in order."""
    wanted = {AuditAction.IDENTITY_OPENED, AuditAction.RESULT_EXPORTED}
    with database.unit_of_work() as session:
        rows = session.query(AuditRecord).order_by(AuditRecord.number).all()
        return [row for row in rows if row.action in wanted]


def test_every_form_and_its_tag(client: httpx2.Client, database: Database, job: UUID) -> None:
    tags = set()
    for kind, media_type in KINDS.items():
        path = f"/v1/jobs/{job}/reports/{kind}"
        answer = client.get(path)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == media_type
        assert f'filename="{job}.' in answer.headers["content-disposition"]
        assert client.get(path).content == answer.content
        again = client.get(path, headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        tags.add(answer.headers["etag"])
        for secret in ("P-0815", "Yamada", "1.2.826.0.1.1"):
            assert secret.encode() not in answer.content
    assert len(tags) == len(KINDS)
    assert records(database) == []
    assert client.get(f"/v1/jobs/{job}/reports/docx").json()["code"] == "request_invalid"


def test_the_identity_is_opened_for_administrators_and_audited(
    api: Api, client: httpx2.Client, database: Database, site: UUID, job: UUID
) -> None:
    who = identity()
    path = f"/v1/jobs/{job}/reports"
    report = client.get(f"{path}/sr", params={"identity": "true"})
    read = pydicom.dcmread(io.BytesIO(report.content))
    assert (str(read.PatientName), read.StudyInstanceUID) == (who.patient_name, who.study_instance_uid)
    document = pypdfium2.PdfDocument(client.get(f"{path}/pdf", params={"identity": "true"}).content)
    assert "P-0815" in document[0].get_textpage().get_text_bounded()
    bundle = client.get(f"{path}/fhir", params={"identity": "true"})
    assert who.sop_instance_uid in bundle.text
    found = records(database)
    assert [row.action for row in found] == ["identity_opened", "result_exported"] * 3
    assert found[1].subject == f"job {job}"
    assert found[1].detail == {"form": "sr", "identity": True}
    assert found[0].actor.startswith("key ")
    assert "Yamada" not in json.dumps([row.detail for row in found])
    with database.unit_of_work() as session:
        audit.verify(session, site_id=site)
    # What the caller has already is not sent, so nothing is opened.
    known = {"If-None-Match": report.headers["etag"]}
    assert client.get(f"{path}/sr", params={"identity": "true"}, headers=known).status_code == 304
    assert client.get(f"{path}/sr", headers=known).status_code == 200
    assert len(records(database)) == 6


def test_what_came_in_as_dicom_goes_home_as_its_own_study(
    client: httpx2.Client, database: Database, store: S3Store, model: UUID, tmp_path: Path
) -> None:
    """Through the real intake, which takes the identity away, seals it, and remaps the UIDs."""
    original = pydicom.dcmread(pydicom_file("RG3_UNCI.dcm"))
    job = submit(client, pydicom_file("RG3_UNCI.dcm").read_bytes()).json()["id"]
    assert finish(database, store, model) == 1
    verify = shutil.which("dciodvfy")
    [kept] = store.list("in/")
    kept_instance = pydicom.dcmread(io.BytesIO(store.get(kept.key)))
    for kind in ("sr", "sc", "gsps"):
        path = f"/v1/jobs/{job}/reports/{kind}"
        stored, home = client.get(path).content, client.get(path, params={"identity": "true"}).content
        read = pydicom.dcmread(io.BytesIO(home))
        for keyword in ("StudyInstanceUID", "PatientName", "PatientID", "StudyDate", "PatientBirthDate", "PatientSex"):
            assert read[keyword].value == original[keyword].value, keyword
        assert original.SOPInstanceUID.encode() in home
        # Without the identity it joins what is stored: the same study, the same nameless patient.
        nameless = pydicom.dcmread(io.BytesIO(stored))
        for keyword in ("StudyInstanceUID", "PatientName", "PatientID", "StudyDate", "PatientSex"):
            assert nameless[keyword].value == kept_instance[keyword].value, keyword
        assert kept_instance.SOPInstanceUID.encode() in stored
        for secret in (original.StudyInstanceUID, original.SOPInstanceUID, str(original.PatientName)):
            assert secret.encode() not in stored
        for name, content in (("stored", stored), ("home", home)):
            file = tmp_path / f"{name}.dcm"
            file.write_bytes(content)
            if verify is not None:
                said = subprocess.run([verify, "-new", str(file)], capture_output=True, text=True, check=False)
                assert "Error" not in said.stdout + said.stderr, said.stdout + said.stderr


def test_who_may_not(api: Api, client: httpx2.Client, database: Database, site: UUID, job: UUID) -> None:
    path = f"/v1/jobs/{job}/reports"
    with api.client(key_of(database, site, Scope.READ)) as reader:
        assert reader.get(f"{path}/sr").status_code == 200
        assert reader.get(f"{path}/sr", params={"identity": "true"}).status_code == 403
    with api.client(key_of(database, site, Scope.SUBMIT)) as submitter:
        assert submitter.get(f"{path}/pdf").status_code == 403
    with database.unit_of_work() as session:
        stranger = sites.create_site(session, "Another Site").id
    with api.client(key_of(database, stranger, *Scope)) as other:
        for params in ({}, {"identity": "true"}):
            assert other.get(f"{path}/pdf", params=params).status_code == 404
    refused = client.get(f"{path}/csv", params={"identity": "true"})
    assert (refused.status_code, refused.json()["code"]) == (422, "request_invalid")
    assert records(database) == []


def test_a_picture_file(client: httpx2.Client, database: Database, store: S3Store, model: UUID) -> None:
    submitted = submit(client).json()
    path = f"/v1/jobs/{submitted['id']}/reports"
    waiting = client.get(f"{path}/pdf")
    assert (waiting.status_code, waiting.json()["code"]) == (409, "result_not_ready")
    finish(database, store, model)
    assert {kind: client.get(f"{path}/{kind}").status_code for kind in KINDS} == {
        kind: 404 if kind == "gsps" else 200 for kind in KINDS
    }
    assert client.get(f"{path}/sr", params={"identity": "true"}).status_code == 404
    assert records(database) == []


def test_lost_pictures_are_an_error_of_ours(
    client: httpx2.Client, database: Database, store: S3Store, job: UUID
) -> None:
    store.delete([found.key for found in store.list("in/")])
    answer = client.get(f"/v1/jobs/{job}/reports/pdf")
    assert (answer.status_code, answer.json()["code"]) == (500, "input_integrity")
    assert client.get(f"/v1/jobs/{job}/reports/sr").status_code == 200


def test_heavy_libraries_wait_for_the_first_report() -> None:
    """Neither an API process nor an inference worker carries them until a report is asked for."""
    program = (
        "import sys, api.app, worker.inference.outputs, worker.inference.runtime; "
        "print([name for name in ('highdicom', 'reportlab', 'fhir') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
