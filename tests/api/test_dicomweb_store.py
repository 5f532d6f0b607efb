"""STOW-RS: what is refused, what is partly stored, and what a killed API leaves."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import httpx2
import numpy as np
import psutil
import pytest
from sqlalchemy import text

from core.settings import MEBIBYTE, Settings
from db.session import Database
from storage.s3 import S3Store
from tests.api.conftest import Api, Trace
from tests.api.dicomweb import BOUNDARY, TYPE, body, dataset, one, real, values, web
from tests.api.test_intake import free_port
from tests.api.test_memory import wait_until_served
from tests.data import encoded, generated_radiograph
from tests.imaging.reference import dicom, ramp

ROOT = Path(__file__).parent.parent.parent
SYNTAX = "1.2.840.10008.1.2.1"
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


def made(number: int, **attributes: object) -> bytes:
    uids = {"StudyInstanceUID": "1.7", "SeriesInstanceUID": "1.7.1", "SOPInstanceUID": f"1.7.1.{number}"}
    return dicom(ramp(), syntax=SYNTAX, **(uids | attributes))


def post(client: httpx2.Client, content: bytes, path: str = "/dicom-web/studies", **headers: str) -> httpx2.Response:
    return client.post(path, content=content, headers={"Content-Type": TYPE} | headers)


GOOD = made(1)
MALFORMED = {
    "nothing": (b"", 400),
    "no part": (f"--{BOUNDARY}--\r\n".encode(), 400),
    "no boundary": (b"hello", 400),
    "ends early": (body(GOOD)[:-200], 400),
    "no last boundary": (body(GOOD)[: -len(BOUNDARY) - 8], 400),
    "other boundary": (body(GOOD, boundary="other"), 400),
    "long header": (f"--{BOUNDARY}\r\nX: {'x' * 9000}\r\n\r\nx\r\n--{BOUNDARY}--\r\n".encode(), 400),
    "many parts": (body(*[b""] * 5001), 400),
    "not DICOM": (body(b"x" * 500), 409),
    "empty part": (body(b""), 409),
    "a picture": (body(encoded(generated_radiograph(64, 64)), content_type="image/png"), 409),
    "cut file": (body(GOOD[: len(GOOD) // 2]), 409),
}


def test_what_is_refused_leaves_nothing(api: Api, client: httpx2.Client, trace: Trace) -> None:
    with trace.nothing_left():
        for name, (content, status) in MALFORMED.items():
            answer = post(client, content)
            assert answer.status_code == status, (name, answer.text)
            kind = "application/problem+json" if status == 400 else "application/dicom+json"
            assert answer.headers["content-type"] == kind, name
        for kind in (
            "application/dicom",
            'multipart/related; type="application/dicom+json"; boundary=x',
            "multipart/form-data; boundary=x",
            "nonsense",
        ):
            assert post(client, body(GOOD), **{"Content-Type": kind}).status_code == 415, kind
        no_boundary = {"Content-Type": 'multipart/related; type="application/dicom"'}
        assert post(client, body(GOOD), **no_boundary).status_code == 400
        assert post(client, body(GOOD), Accept="application/dicom+xml").status_code == 406
        assert httpx2.post(f"{api.url}/dicom-web/studies", content=body(GOOD), timeout=30).status_code == 401


def test_reasons_and_partial_success(client: httpx2.Client, database: Database) -> None:
    """PS3.18 annex I: each failure by its code; what can be stored is."""
    parts = {
        0x0122: made(2, Modality="MR", SOPClassUID="1.2.840.10008.5.1.4.1.1.4"),
        0xC122: made(3).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.9\0"),
        0xA900: made(4, Columns=2 * ramp().shape[1]),
        0xC000: made(5, SeriesInstanceUID=None),
    }
    answer = post(client, body(GOOD, *parts.values(), b"x" * 300))
    assert answer.status_code == 202
    failed = values(answer.json(), "00081198")
    assert [one(item, "00081197") for item in failed] == list(parts)
    assert [one(item, "00081155") for item in failed] == [f"1.7.1.{number}" for number in range(2, 6)]
    assert one(values(answer.json(), "0008119A")[0], "00081197") == 0xC000
    (stored,) = values(answer.json(), "00081199")
    assert one(stored, "00081196") == 0xB000
    assert one(answer.json(), "00081190") in one(stored, "00081190")
    again = post(client, body(GOOD))
    assert values(again.json(), "00081199") == [stored]
    conflict = post(client, body(made(1, PatientID="other", Rows=ramp().shape[0] // 2, PixelData=None)))
    assert conflict.status_code == 409
    with database.unit_of_work() as session:
        assert session.execute(text("SELECT count(*) FROM job")).scalar_one() == 1
        assert session.execute(text("SELECT count(*) FROM image")).scalar_one() == 1


def test_of_another_study(client: httpx2.Client) -> None:
    answer = post(client, body(GOOD), path="/dicom-web/studies/1.8")
    assert answer.status_code == 409
    assert one(values(answer.json(), "00081198")[0], "00081197") == 0xA901
    stored = post(client, body(GOOD), path="/dicom-web/studies/1.7")
    assert stored.status_code == 202
    ours = one(stored.json(), "00081190").rsplit("/", 1)[-1]
    assert post(client, body(made(2)), path=f"/dicom-web/studies/{ours}").status_code == 202


def test_a_body_that_breaks_after_an_instance(client: httpx2.Client) -> None:
    """What was stored stays and is told of: the client sends the rest again."""
    answer = post(client, body(GOOD, made(2))[:-300])
    assert answer.status_code == 202
    assert len(values(answer.json(), "00081199")) == 1
    assert len(values(answer.json(), "0008119A")) == 1


def test_api_killed_while_storing_and_retrieving(
    settings: Settings, settings_env: dict[str, str], store: S3Store, api_key: str, model: UUID, database: Database
) -> None:
    """dicomweb-client sends again, asks again: nothing is lost, nothing is there twice."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--factory", "api.app:create_app", "--port", str(port)]
    api = Api(url=f"http://127.0.0.1:{port}", port=port, settings=settings, key=api_key)
    running: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        running.append(subprocess.Popen(command, env=settings_env, cwd=ROOT, stderr=subprocess.DEVNULL))
        wait_until_served(api)

    def kill_when(condition: str, count: int) -> None:
        end = time.monotonic() + 30
        while time.monotonic() < end:
            with database.unit_of_work() as session:
                if session.execute(text(condition)).scalar_one() >= count:
                    break
            time.sleep(0.01)
        running[-1].kill()
        running[-1].wait()
        start()

    sent = [dataset(real(name)) for name in ("RG3_UNCR", "RG1_UNCR", "RG2_J2KR", "RG3_J2KI", "RG3_RLE", "966_fixed")]
    start()
    try:
        killer = threading.Thread(target=kill_when, args=("SELECT count(*) FROM image", 2))
        killer.start()
        stored = patiently(lambda: web(api).store_instances(sent))
        killer.join()
        assert len(running) == 2
        assert len(stored.ReferencedSOPSequence) == len({item.SOPInstanceUID for item in sent})
        with database.unit_of_work() as session:
            for table in ("image", "job"):
                count = session.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
                assert count == len({item.SOPInstanceUID for item in sent})
        study = stored.ReferencedSOPSequence[0].RetrieveURL.split("/studies/")[1].split("/")[0]
        wanted = len(web(api).search_for_instances(study_instance_uid=study))
        killer = threading.Thread(
            target=kill_when, args=("SELECT count(*) FROM audit_record WHERE action = 'image_retrieved'", 1)
        )
        killer.start()
        found = patiently(lambda: web(api).retrieve_study(study))
        killer.join()
        assert len(running) == 3
        assert len(found) == wanted
    finally:
        running[-1].kill()
        running[-1].wait()


def patiently(ask):  # type: ignore[no-untyped-def]
    """Ask until there is an answer, as whoever uses the client would."""
    end = time.monotonic() + 60
    while True:
        try:
            return ask()
        except OSError:  # requests' errors are some
            assert time.monotonic() < end
            time.sleep(0.3)


def test_what_is_in_quarantine_is_not_shown(client: httpx2.Client) -> None:
    assert client.patch("/v1/site", json={"burned_in": "quarantine"}).status_code == 200
    answer = post(client, body(made(1, BurnedInAnnotation="YES")))
    assert answer.status_code == 202
    (stored,) = values(answer.json(), "00081199")
    assert client.get("/dicom-web/studies").json() == []
    assert client.get(one(stored, "00081190")).status_code == 404
    (job,) = client.get("/v1/jobs").json()["items"]
    assert client.post(f"/v1/jobs/{job['id']}/release").status_code == 200
    assert len(client.get("/dicom-web/studies").json()) == 1
    assert client.get(one(stored, "00081190")).status_code == 200


def test_memory_of_large_instances(
    settings: Settings, settings_env: dict[str, str], store: S3Store, api_key: str, model: UUID
) -> None:
    """Stored, and given in six ways at once, 57 MiB each: less than 64 MiB more than idle."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--factory", "api.app:create_app", "--port", str(port)]
    child = subprocess.Popen(command, env=settings_env, cwd=ROOT, stderr=subprocess.DEVNULL)
    api = Api(url=f"http://127.0.0.1:{port}", port=port, settings=settings, key=api_key)
    pixels = np.random.default_rng(1).integers(0, 4096, (6000, 5000)).astype(np.uint16)
    uids = {"StudyInstanceUID": "1.7", "SeriesInstanceUID": "1.7.1", "SOPInstanceUID": "1.7.1.1"}
    large = dicom(pixels, syntax=SYNTAX, **uids)
    try:
        wait_until_served(api)
        with api.client() as client:
            first = post(client, body(made(2)))
            url = one(values(first.json(), "00081199")[0], "00081190")
            assert client.get(f"{url}/frames/1").status_code == 200
            process = psutil.Process(child.pid)
            idle = highest = process.memory_info().rss
            stored = one(values(post(client, body(large, large)).json(), "00081199")[0], "00081190")

        def size_of(ask: tuple[str, str]) -> int:
            with httpx2.stream("GET", stored + ask[0], headers=api.headers | {"Accept": ask[1]}, timeout=60) as answer:
                assert answer.status_code == 200
                return sum(len(piece) for piece in answer.iter_raw())

        asks = [
            ("", "application/dicom; transfer-syntax=*"), ("/frames/1", "application/octet-stream"),
            ("/bulkdata/7FE00010", "*/*"), ("", "application/dicom"), ("/rendered", "image/jpeg"), ("/metadata", "*/*"),
        ]  # fmt: skip
        with ThreadPoolExecutor(len(asks)) as pool:
            answers = [pool.submit(size_of, ask) for ask in asks]
            while not all(answer.done() for answer in answers):
                highest = max(highest, process.memory_info().rss)
                time.sleep(0.02)
        sizes = [answer.result() for answer in answers]
        assert sizes[1] == pixels.nbytes
        assert min(sizes[0], sizes[2], sizes[3]) > pixels.nbytes
        assert highest - idle < 64 * MEBIBYTE
    finally:
        child.kill()
        child.wait()
