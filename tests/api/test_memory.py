"""Uploads go through the process, not into it."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import httpx2
import psutil

from core.settings import MEBIBYTE, Settings
from storage.s3 import S3Store
from tests.api.conftest import Api, Trace
from tests.api.test_intake import END, FORM, free_port, part
from tests.data import pydicom_file

ROOT = Path(__file__).parent.parent.parent
UPLOADS = 32
PIXELS = 24


def test_memory_of_many_uploads(
    settings: Settings, settings_env: dict[str, str], store: S3Store, api_key: str, model: UUID, trace: Trace
) -> None:
    """32 at once of 24 MiB each, refused only after the last byte: less than 64 MiB more than when idle."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--factory", "api.app:create_app", "--port", str(port)]
    child = subprocess.Popen(command, env=settings_env, cwd=ROOT, stderr=subprocess.DEVNULL)
    api = Api(url=f"http://127.0.0.1:{port}", port=port, settings=settings, key=api_key)
    try:
        wait_until_served(api)
        with api.client() as client:
            small = pydicom_file("RG3_UNCI.dcm").read_bytes()
            assert client.post("/v1/jobs", files={"file": ("a", small)}).status_code == 202
        process = psutil.Process(child.pid)
        idle = highest = process.memory_info().rss

        def one(_number: int) -> int:
            blocks = (bytes(MEBIBYTE) for _ in range(PIXELS))
            head, _, tail = part("file", b"|", filename="a").partition(b"|")
            body = (chunk for group in ((head,), blocks, (tail + END,)) for chunk in group)
            return httpx2.post(f"{api.url}/v1/jobs", content=body, headers=FORM | api.headers, timeout=60).status_code

        with trace.nothing_left(), ThreadPoolExecutor(UPLOADS) as pool:
            answers = [pool.submit(one, number) for number in range(UPLOADS)]
            while not all(answer.done() for answer in answers):
                highest = max(highest, process.memory_info().rss)
                time.sleep(0.02)
            assert {answer.result() for answer in answers} == {415}
        assert highest - idle < 64 * MEBIBYTE
    finally:
        child.kill()
        child.wait()


def wait_until_served(api: Api) -> None:
    end = time.monotonic() + 40
    while True:
        assert time.monotonic() < end, "the API did not start"
        try:
            httpx2.get(f"{api.url}/healthz")
        except httpx2.TransportError:
            time.sleep(0.1)
        else:
            return
