"""The peers that other tests lean on: they start, talk to each other, and are gone afterwards."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from tests.data import pydicom_file
from tests.peers import dcmtk, orthanc


def test_two_orthancs_and_storescu_exchange_an_instance(tmp_path: Path) -> None:
    file = pydicom_file("RG3_UNCR.dcm")
    with orthanc(tmp_path / "a", ae_title="FIRST") as first, orthanc(tmp_path / "b", ae_title="SECOND") as second:
        first.know("second", second.modality)
        assert first.echo("second")
        sent = dcmtk("storescu", "-aec", first.ae_title, "127.0.0.1", str(first.dicom_port), file)
        assert sent.returncode == 0, sent.stderr
        (study,) = first.get("/studies")
        assert first.send("second", [study])["FailedInstancesCount"] == 0
        (instance,) = second.instances()
        assert second.tags(instance["ID"])["Modality"] == "CR"
    with pytest.raises(httpx2.TransportError):
        httpx2.get(first.url, timeout=2)
