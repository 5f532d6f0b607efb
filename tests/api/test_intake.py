"""Uploads that cannot be accepted: the answer, and that nothing of them remains."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import httpx2
import pydicom
import pytest

from core.settings import Settings
from db.session import Database
from lucency.stack.ports import choose_ports
from storage.s3 import S3Store
from storage.store import image_key
from tests.api.conftest import PNG, Api, Trace, serve
from tests.data import encoded, generated_radiograph, pydicom_file

BOUNDARY = "7MA4YWxk"
ROOT = Path(__file__).parent.parent.parent


def part(name: str, content: bytes, *, filename: str | None = None, content_type: str | None = None) -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"'
    head += f'; filename="{filename}"' if filename is not None else ""
    head += f"\r\nContent-Type: {content_type}" if content_type else ""
    return head.encode() + b"\r\n\r\n" + content + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def post(client: httpx2.Client, body: bytes | Iterator[bytes], **headers: str) -> httpx2.Response:
    return client.post("/v1/jobs", content=body, headers=FORM | headers)


MALFORMED = {
    "no body": (b"", "upload_empty"),
    "empty file": (part("file", b"", filename="a.png") + END, "upload_empty"),
    "no file part": (part("priority", b"1") + END, "multipart_malformed"),
    "ends early": (part("file", PNG, filename="a.png")[:-100], "multipart_malformed"),
    "no last boundary": (part("file", PNG, filename="a.png"), "multipart_malformed"),
    "not multipart": (b"hello, this is no multipart body", "multipart_malformed"),
    "two files": (part("file", PNG, filename="a.png") * 2 + END, "multipart_malformed"),
    "other file": (part("image", PNG, filename="a.png") + END, "multipart_malformed"),
    "long field": (part("file", PNG, filename="a") + part("explain", b"x" * 5000) + END, "multipart_malformed"),
    "field twice": (part("file", PNG, filename="a") + part("priority", b"1") * 2 + END, "multipart_malformed"),
    "many parts": (b"".join(part(f"f{n}", b"") for n in range(20)) + END, "multipart_malformed"),
    "not UTF-8": (part("file", PNG, filename="a") + part("explain", b"\xff") + END, "multipart_malformed"),
    "huge part header": (b"--" + BOUNDARY.encode() + b"\r\nX: " + b"x" * 30000, "multipart_malformed"),
}


@pytest.fixture(scope="module")
def pelvis() -> bytes:
    return pydicom_file("RG3_UNCI.dcm").read_bytes()


def test_malformed(client: httpx2.Client, trace: Trace) -> None:
    with trace.nothing_left():
        for name, (body, code) in MALFORMED.items():
            answer = post(client, body)
            assert (answer.status_code, answer.json()["code"]) == (400, code), name
        answer = client.post("/v1/jobs", content=PNG, headers={"Content-Type": "image/png"})
        assert answer.json()["code"] == "multipart_malformed"
        answer = client.post(
            "/v1/jobs", content=PNG, headers={"Content-Type": "multipart/form-data; boundary=" + "b" * 300}
        )
        assert answer.json()["code"] == "multipart_malformed"


def dicom(base: bytes, **changes: object) -> bytes:
    dataset = pydicom.dcmread(io.BytesIO(base))
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


def test_contents(client: httpx2.Client, trace: Trace, pelvis: bytes) -> None:
    """One line of the table of bad inputs each; the pre-scan's own tests have many more."""
    jpeg = encoded(generated_radiograph(64, 64), "JPEG")
    animated = encoded(generated_radiograph(16, 16)).replace(b"IDAT", b"acTL", 1)
    huge = PNG[:16] + (40_000).to_bytes(4, "big") * 2 + PNG[24:]
    cases = {
        "unknown": (b"nothing that anybody knows" * 20, "x", 415, "type_unsupported"),
        "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>" + b" " * 200, "x.svg", 415, "type_unsupported"),
        "eps": (b"%!PS-Adobe-3.0 EPSF-3.0" + b" " * 200, "x.eps", 415, "type_unsupported"),
        "png named jpg": (PNG, "x.jpg", 422, "type_mismatch"),
        "png named dcm": (PNG, "x.dcm", 422, "type_mismatch"),
        "jpeg named pdf": (jpeg, "x.PDF", 422, "type_mismatch"),
        "no DICM": (pelvis[:128] + b"DCIM" + pelvis[132:], "x.dcm", 415, "type_unsupported"),
        "cut": (pelvis[: len(pelvis) // 2], "x.dcm", 422, "dicom_truncated"),
        "not a radiograph": (dicom(pelvis, Modality="MR"), "x", 422, "not_applicable"),
        "burned in": (dicom(pelvis, BurnedInAnnotation="YES"), "x", 422, "burned_in_phi"),
        "too many pixels": (dicom(pelvis, Rows=60000, Columns=60000), "x", 422, "pixels_too_large"),
        "rows at odds": (dicom(pelvis, Rows=17), "x", 422, "pixels_inconsistent"),
        "png too large": (huge, "x.png", 422, None),
        "png cut": (PNG[:-30], "x.png", 422, None),
        "jpeg cut": (jpeg[:-200], "x.jpg", 422, None),
        "animated": (animated, "x.png", None, None),
    }
    with trace.nothing_left():
        for name, (content, file_name, status, code) in cases.items():
            answer = client.post("/v1/jobs", files={"file": (file_name, content, "application/octet-stream")})
            assert answer.headers["content-type"] == "application/problem+json", (name, answer.text)
            assert answer.status_code == (status or answer.status_code), (name, answer.text)
            assert 400 <= answer.status_code < 500, name
            assert answer.json()["code"] == (code or answer.json()["code"]), name
        answer = client.post("/v1/jobs", files={"file": ("x", PNG, "image/jpeg")})
        assert answer.json()["code"] == "type_mismatch"


def test_fields(client: httpx2.Client, trace: Trace) -> None:
    with trace.nothing_left():
        for data in (
            {"priority": "11"}, {"priority": "-11"}, {"priority": "high"}, {"priority": "1.5"}, {"priority": ""},
            {"explain": "tail"}, {"explain": "fracture,leg"}, {"explain": ",".join(f"l{n}" for n in range(99))},
            {"colour": "red"},
        ):  # fmt: skip
            answer = client.post("/v1/jobs", files={"file": ("a.png", PNG)}, data=data)
            assert (answer.status_code, answer.json()["code"]) == (422, "request_invalid"), data
        for key in ("x" * 256, "two words"):
            answer = client.post("/v1/jobs", files={"file": ("a.png", PNG)}, headers={"Idempotency-Key": key})
            assert answer.json()["code"] == "request_invalid"


def test_explain_and_priority_are_kept(client: httpx2.Client) -> None:
    data = {"priority": "-10", "explain": "hand, fracture,hand"}
    job = client.post("/v1/jobs", files={"file": ("a", PNG)}, data=data).json()
    assert (job["priority"], job["explain"]) == (-10, ["hand", "fracture"])
    assert client.post("/v1/jobs", files={"file": ("a", PNG)}, data={"explain": ""}).json()["explain"] == []


def test_preamble_is_zeroed(client: httpx2.Client, store: S3Store, site: UUID, pelvis: bytes) -> None:
    """Whatever stands before DICM: what is stored is the same, and begins with nothing."""
    for preamble in (b"MZ" + b"\x90" * 126, bytes(128)):
        answer = client.post("/v1/jobs", files={"file": ("x.dcm", preamble + pelvis[128:])})
        assert answer.status_code == 202, answer.text
    (found,) = store.list("in/")
    stored = store.get(found.key)
    assert found.key == image_key(site, hashlib.sha256(stored).hexdigest())
    assert stored[:132] == bytes(128) + b"DICM"


@pytest.fixture
def small(settings: Settings, store: S3Store, api_key: str, model: UUID) -> Iterator[Api]:
    """An API that takes 1 MB in 2 s."""
    changed = settings.model_copy(update={"upload_bytes": 1_000_000, "upload_timeout": 2.0})
    with serve(changed) as (url, port):
        yield Api(url=url, port=port, settings=changed, key=api_key)


def test_too_large(small: Api, trace: Trace) -> None:
    """Announced or chunked, slightly or far: the client reads its answer, not a reset connection."""
    with small.client() as client, trace.nothing_left():
        for size in (1_000_001, 1_100_000, 40_000_000):
            body = part("file", bytes(size), filename="a") + END
            chunks = (body[at : at + 65536] for at in range(0, len(body), 65536))
            for sent in (body, chunks):
                answer = post(client, sent)
                assert (answer.status_code, answer.json()["code"]) == (413, "upload_too_large"), size
        exact = part("file", bytes(1_000_000), filename="a") + END
        assert post(client, exact).json()["code"] == "type_unsupported"


def test_unknown_caller_s_body_is_not_read(small: Api, trace: Trace) -> None:
    with httpx2.Client(base_url=small.url, timeout=30) as client, trace.nothing_left():
        answer = post(client, iter([part("file", bytes(5_000_000), filename="a"), END]))
        assert answer.status_code == 401
        assert answer.headers["connection"] == "close"


def head_of(api: Api, length: int) -> bytes:
    lines = ["POST /v1/jobs HTTP/1.1", "Host: x", f"Authorization: Bearer {api.key}", f"Content-Length: {length}"]
    return ("\r\n".join([*lines, f"Content-Type: {FORM['Content-Type']}"]) + "\r\n\r\n").encode()


def test_too_slow(small: Api, trace: Trace) -> None:
    with trace.nothing_left(), socket.create_connection(("127.0.0.1", small.port), timeout=15) as connection:
        connection.sendall(head_of(small, 100_000) + part("file", PNG, filename="a")[:200])
        started = time.monotonic()
        answer = connection.recv(65536)
        assert answer.startswith(b"HTTP/1.1 408")
        while chunk := connection.recv(65536):
            answer += chunk
        assert b"upload_too_slow" in answer
        assert 1.5 < time.monotonic() - started < 8


def test_client_that_goes_away(small: Api, trace: Trace) -> None:
    with trace.nothing_left(), socket.create_connection(("127.0.0.1", small.port)) as connection:
        connection.sendall(head_of(small, 900_000) + part("file", bytes(400_000), filename="a"))
        time.sleep(0.3)


def test_disk_full(small: Api, trace: Trace) -> None:
    """The kernel's own refusal to write more (RLIMIT_FSIZE) reads as a full disk."""
    import signal

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    kept = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    body = part("file", bytes(900_000), filename="a") + END
    with small.client() as client, trace.nothing_left():
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
        try:
            answer = post(client, body)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, kept)
    assert (answer.status_code, answer.json()["code"]) == (507, "disk_full")


def free_port() -> int:
    """A port that no other worker of the tests and no outgoing connection takes meanwhile."""
    return choose_ports(["any"])["any"]


def test_killed_mid_upload(
    settings: Settings, settings_env: dict[str, str], api_key: str, model: UUID, trace: Trace, database: Database
) -> None:
    """kill -9 of the process that is receiving: no row, no object, no file."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--factory", "api.app:create_app", "--port", str(port)]
    child = subprocess.Popen(command, env=settings_env, cwd=ROOT, stderr=subprocess.DEVNULL)
    api = Api(url=f"http://127.0.0.1:{port}", port=port, settings=settings, key=api_key)
    try:
        end = time.monotonic() + 40
        while True:
            assert time.monotonic() < end, "the API did not start"
            with contextlib.suppress(httpx2.TransportError):
                httpx2.get(f"{api.url}/healthz")
                break
            time.sleep(0.1)
        folder = settings.temporary_folder
        assert folder is not None
        with trace.nothing_left(), socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(head_of(api, 9_000_000) + part("file", bytes(4_000_000), filename="a"))
            descriptors = Path(f"/proc/{child.pid}/fd")
            while not any(str(os.readlink(found)).startswith(str(folder)) for found in descriptors.iterdir()):
                assert time.monotonic() < end, "nothing was spooled"
                time.sleep(0.02)
            child.kill()
            child.wait()
    finally:
        child.kill()
        child.wait()
