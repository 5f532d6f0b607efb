"""Clients and files for the tests of /dicom-web."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pydicom
from dicomweb_client.api import DICOMwebClient
from pydicom.dataset import Dataset

from tests.api.conftest import Api
from tests.data import shared

BOUNDARY = "c0ffee"
TYPE = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'


def web(api: Api, key: str | None = None) -> DICOMwebClient:
    """The public client, against our API."""
    client = DICOMwebClient(f"{api.url}/dicom-web", headers={"Authorization": f"Bearer {key or api.key}"})
    client.set_http_retry_params(retry=True, max_attempts=8, wait_exponential_multiplier=50)
    return client


def real(name: str) -> Path:
    return shared(f"dicom_cr/{name}.dcm")


def dataset(path: Path) -> Dataset:
    return pydicom.dcmread(path)


def read(data: bytes) -> Dataset:
    return pydicom.dcmread(io.BytesIO(data))


def body(*parts: bytes, content_type: str = "application/dicom", boundary: str = BOUNDARY) -> bytes:
    """A multipart/related body."""
    head = f"--{boundary}\r\nContent-Type: {content_type}\r\n\r\n".encode()
    return b"".join(head + part + b"\r\n" for part in parts) + f"--{boundary}--\r\n".encode()


def values(found: dict[str, Any], tag: str) -> list[Any]:
    return list(found.get(tag, {}).get("Value", []))


def one(found: dict[str, Any], tag: str) -> Any:
    (value,) = values(found, tag)
    return value


def named(found: dict[str, Any]) -> tuple[str, str, str]:
    """Study, series and SOP Instance UID of a search's answer."""
    return one(found, "0020000D"), one(found, "0020000E"), one(found, "00080018")
