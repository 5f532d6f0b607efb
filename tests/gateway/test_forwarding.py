"""Real peers, the real gateway, the real API: what is sent ends as one job or one refusal, whoever dies on the way."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydicom import dcmread

from core.errors import LucencyError
from lucency.client import Client
from tests.data import pydicom_file, shared
from tests.gateway.conftest import Hospital, make_hospital
from tests.gateway.running import CANARY, Gateway, radiograph, send_study, spooled, written
from tests.peers import orthanc

Start = Callable[..., Gateway]


def real_files() -> list[Path]:
    """Every file of dicom_cr where it is, else the CR files of pydicom-data."""
    try:
        return sorted(shared("dicom_cr").glob("*.dcm"))
    except pytest.skip.Exception:
        return [pydicom_file(name) for name in ("RG3_UNCR.dcm", "RG3_J2KR.dcm", "RG1_J2KI.dcm")]


def test_storescu_of_every_real_file(hospital: Hospital, start_gateway: Start) -> None:
    """Each is taken with success, and ends as the API judges the very file when it is uploaded by hand."""
    files = real_files()
    gateway = start_gateway()
    for _ in range(2):
        sent = gateway.storescu(*files)
        assert sent.returncode == 0, sent.stderr
        assert sent.stderr.count("Received Store Response (Success)") == len(files)
        gateway.until_drained()
        status = gateway.status()
        assert hospital.jobs() + status["refused"] == len(files)
    by_hand: Counter[str] = Counter()
    with Client(hospital.platform.address, make_hospital(hospital.platform).key) as client:
        for file in files:
            try:
                client.submit(file)
            except LucencyError as error:
                by_hand[error.code] += 1
    assert status["refused_for"] == by_hand


def test_orthanc_forwards_a_study_while_the_api_is_killed(
    hospital: Hospital, start_gateway: Start, tmp_path: Path
) -> None:
    """A real radiograph and three of its study; one worker then gives each its result."""
    gateway = start_gateway(gateway_forwarders=1)
    platform = hospital.platform
    with orthanc(tmp_path / "orthanc") as peer:
        real = dcmread(pydicom_file("RG3_UNCR.dcm"))
        study = peer.upload(pydicom_file("RG3_UNCR.dcm").read_bytes())["ParentStudy"]
        for number in range(3):
            made = radiograph(seed=number, study=str(real.StudyInstanceUID))
            made.PatientID = real.PatientID
            assert peer.upload(written(tmp_path / "made.dcm", made).read_bytes())["ParentStudy"] == study
        peer.know("lucency", gateway.modality)
        assert peer.echo("lucency")
        with ThreadPoolExecutor(1) as pool:
            sending = pool.submit(send_study, peer, gateway, study)
            platform.kill("api")
            assert sending.result()["FailedInstancesCount"] == 0
        platform.start("api", "worker-a")
        gateway.until_drained()
        assert hospital.images() == hospital.jobs() == 4
        platform.until(lambda: hospital.jobs("succeeded") == 4, what="four results")
        platform.kill("worker-a")


def test_an_api_that_is_away_loses_nothing(hospital: Hospital, start_gateway: Start, tmp_path: Path) -> None:
    gateway = start_gateway()
    files = [written(tmp_path / f"{number}.dcm", radiograph(seed=number)) for number in range(12)]
    assert gateway.storescu(*files[:3]).returncode == 0
    hospital.platform.kill("api")
    assert gateway.storescu(*files[3:]).returncode == 0
    gateway.until(lambda status: bool(status["api_out"]), what="the outage seen")
    status = gateway.status()
    assert status["waiting"] >= 9
    assert status["last_error"]["code"] == "unreachable"
    hospital.platform.start("api")
    gateway.until_drained()
    assert hospital.jobs() == len(files)
    assert gateway.status()["refused"] == 0


def test_kill_9_of_the_gateway_loses_and_doubles_nothing(
    hospital: Hospital, start_gateway: Start, tmp_path: Path
) -> None:
    gateway = start_gateway(gateway_forwarders=2)
    files = [written(tmp_path / f"{number}.dcm", radiograph(seed=number)) for number in range(24)]
    accepted: list[bool] = []

    def send() -> None:
        for file in files:
            while gateway.storescu(file).stderr.count("(Success)") != 1:
                time.sleep(0.1)
            accepted.append(True)

    sender = threading.Thread(target=send)
    sender.start()
    for threshold in (5, 14):
        while len(accepted) < threshold:
            time.sleep(0.005)
        gateway.kill()
        gateway.start()
    sender.join()
    gateway.until_drained()
    assert len(accepted) == len(files)
    assert hospital.images() == hospital.jobs() == len(files)
    assert list((gateway.spool / "incoming").iterdir()) == []


def test_what_the_api_refuses_is_set_aside_with_its_reason(
    hospital: Hospital, start_gateway: Start, tmp_path: Path
) -> None:
    gateway = start_gateway()
    bad, good = radiograph(seed=1), radiograph(seed=2)
    bad.Rows = 60000
    files = [written(tmp_path / "bad.dcm", bad), written(tmp_path / "good.dcm", good)]
    assert gateway.storescu(*files).returncode == 0
    gateway.until_drained()
    status = gateway.status()
    assert (status["refused"], hospital.jobs()) == (1, 1)
    (code,) = status["refused_for"]
    (note,) = (gateway.spool / "refused").glob("*.json")
    assert code in note.read_text()
    assert note.stat().st_mode & 0o777 == 0o600


def test_a_key_that_is_not_known_holds_everything_back(start_gateway: Start, tmp_path: Path) -> None:
    gateway = start_gateway(api_key="lcy_unknown.key")
    assert gateway.storescu(written(tmp_path / "a.dcm", radiograph())).returncode == 0
    gateway.until(lambda status: bool(status["last_error"]), what="the error seen")
    status = gateway.status()
    assert status["last_error"]["code"] == "unauthorized"
    assert (status["waiting"], status["refused"]) == (1, 0)
    assert [str(found.PatientName) for found in spooled(gateway)] == [CANARY]


def test_sigterm_ends_it_and_leaves_the_spool(start_gateway: Start, tmp_path: Path) -> None:
    gateway = start_gateway(api_url="http://127.0.0.1:9")
    made = radiograph()
    assert gateway.storescu(written(tmp_path / "a.dcm", made)).returncode == 0
    assert gateway.stop() == 0
    assert gateway.status()["running"] is False
    assert gateway.status()["waiting"] == 1
    log = gateway.log.read_text()
    assert "gateway_stopped" in log
    for secret in ("CANARY", str(made.SOPInstanceUID), str(made.StudyInstanceUID)):
        assert secret not in log


def test_a_large_instance_does_not_take_its_size_in_memory(start_gateway: Start, tmp_path: Path) -> None:
    """96 MB at two associations at once: received and uploaded as streams."""
    gateway = start_gateway(api_url="http://127.0.0.1:9", gateway_associations=2)
    files = []
    for number in range(2):
        made = radiograph(seed=number)
        made.Rows, made.Columns, made.PixelData = 8000, 12000, bytes([number]) * 96_000_000
        files.append(written(tmp_path / f"{number}.dcm", made))
    assert gateway.process is not None
    before = peak_bytes(gateway.process.pid)
    with ThreadPoolExecutor(2) as pool:
        assert [done.returncode for done in pool.map(gateway.storescu, files)] == [0, 0]
    assert gateway.status()["waiting"] == 2
    assert peak_bytes(gateway.process.pid) - before < 64_000_000


def peak_bytes(pid: int) -> int:
    """The most resident memory that the process has had."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024
