"""The whole round: a study leaves the PACS, is judged, and its SR and secondary capture come back to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest

from core.vocabulary import Scope
from db.repositories import audit, sites
from tests.data import pydicom_file
from tests.gateway.conftest import Hospital
from tests.gateway.running import Gateway, radiograph, send_study, written
from tests.peers import Orthanc, orthanc

Start = Callable[..., Gateway]


@pytest.fixture
def working(hospital: Hospital) -> Iterator[Hospital]:
    """With a worker and a services worker."""
    hospital.platform.start("worker-a", "services", "beat")
    yield hospital
    hospital.platform.kill("worker-a", "services", "beat")


def send_home(hospital: Hospital, peer: Orthanc) -> dict[str, str]:
    """A rule that sends SR and SC to Orthanc under the original identity; headers of an administrator."""
    with hospital.platform.database.unit_of_work() as session:
        key = sites.issue_key(session, site_id=hospital.site, name="admin", scopes=[Scope.ADMIN])[1]
    headers = {"Authorization": f"Bearer {key}"}
    target = {"host": "127.0.0.1", "port": peer.dicom_port, "called_ae_title": peer.ae_title}
    rule = {"name": "home", "kind": "c_store", "target": target, "reports": ["sr", "sc"], "with_identity": True}
    answer = httpx2.post(f"{hospital.platform.address}/v1/delivery-rules", json=rule, headers=headers, timeout=30)
    assert answer.status_code == 201, answer.text
    assert answer.json()["signing_key"] is None
    return headers


def instances(peer: Orthanc, study: str) -> dict[str, dict[str, Any]]:
    """By modality the tags of a study's instances."""
    found = [peer.tags(one["ID"]) for one in peer.instances(f"/studies/{study}")]
    return {tags["Modality"]: tags for tags in found}


def test_sr_and_sc_come_back_to_study_and_patient(working: Hospital, start_gateway: Start, tmp_path: Path) -> None:
    """Two studies, one forwarded by Orthanc and one sent by storescu; the API is killed while they are on the way."""
    gateway = start_gateway()
    platform = working.platform
    with orthanc(tmp_path / "orthanc") as peer:
        headers = send_home(working, peer)
        forwarded = peer.upload(pydicom_file("RG3_UNCR.dcm").read_bytes())["ParentStudy"]
        file = written(tmp_path / "sent.dcm", radiograph(seed=7))
        sent = peer.upload(file.read_bytes())["ParentStudy"]
        assert send_study(peer, gateway, forwarded)["FailedInstancesCount"] == 0
        platform.kill("api")
        assert gateway.storescu(file).returncode == 0
        platform.start("api")
        gateway.until_drained()
        platform.until(lambda: len(peer.instances()) == 6, what="SR and SC of both studies in Orthanc")
        assert len(peer.get("/studies")) == len(peer.get("/patients")) == 2
        for study in (forwarded, sent):
            found = instances(peer, study)
            original = found.pop(next(kind for kind in found if kind in ("CR", "DX", "RG")))
            assert set(found) == {"SR", "OT"} or set(found) == {"SR", original["Modality"]}, set(found)
            for tags in found.values():
                for name in ("PatientID", "PatientName", "StudyInstanceUID", "AccessionNumber"):
                    assert tags.get(name, "") == original.get(name, ""), name
        platform.until(lambda: states(working, headers) == ["delivered"] * 2, what="both recorded")
    with platform.database.unit_of_work() as session:
        done = [one.action for one in audit.page(session, site_id=working.site)]
        assert audit.verify(session, site_id=working.site).breaks == ()
    assert done.count("identity_opened") >= 2
    assert done.count("result_delivered") == 2
    logs = "".join(platform.log(name).read_text() for name in ("api", "services", "worker-a", "beat"))
    assert "CANARY" not in logs


def states(hospital: Hospital, headers: dict[str, str]) -> list[str]:
    answer = httpx2.get(f"{hospital.platform.address}/v1/deliveries", headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text
    assert all(UUID(one["id"]) for one in answer.json()["items"])
    return [one["state"] for one in answer.json()["items"]]
