"""One signed S3 request (AWS Signature Version 4), for probes only: storage owns the S3 client."""

from __future__ import annotations

import hashlib
import hmac
import http.client
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An S3 server and the keys for it."""

    host: str
    port: int
    access_key: str
    secret_key: str
    region: str = "us-east-1"


def request(endpoint: Endpoint, method: str, path: str, *, body: bytes = b"", timeout: float = 5.0) -> int:
    """Send the request and return the HTTP status. Raises OSError or http.client.HTTPException.

    `path` is absolute, without a query, of unreserved characters only. Source: AWS, "Create a signed request".
    """
    connection = http.client.HTTPConnection(endpoint.host, endpoint.port, timeout=timeout)
    try:
        connection.request(method, path, body=body, headers=_signed(endpoint, method, path, body))
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


def _signed(endpoint: Endpoint, method: str, path: str, body: bytes) -> dict[str, str]:
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    digest = hashlib.sha256(body).hexdigest()
    headers = {"host": f"{endpoint.host}:{endpoint.port}", "x-amz-content-sha256": digest, "x-amz-date": moment}
    names = ";".join(headers)
    listed = "".join(f"{name}:{value}\n" for name, value in headers.items())
    canonical = "\n".join([method, path, "", listed, names, digest])
    scope = f"{moment[:8]}/{endpoint.region}/s3/aws4_request"
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{endpoint.secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashed}".encode(), "sha256").hex()
    authorization = f"Credential={endpoint.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {**headers, "Authorization": f"AWS4-HMAC-SHA256 {authorization}"}
