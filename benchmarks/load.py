"""HTTP load: keep-alive clients, each of which sends the next file when it has its last answer."""

from __future__ import annotations

import base64
import http.client
import itertools
import json
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from benchmarks.inputs import Source

BOUNDARY = "lucency-benchmark"
TAIL = f"\r\n--{BOUNDARY}--\r\n".encode()
TIMEOUT_S = 180.0

# Every upload of a run has bytes of its own.
_numbers = itertools.count(1)


class Failed(Exception):
    """An answer that is not the wanted one."""


class Client:
    """One keep-alive connection."""

    def __init__(self, port: int, headers: dict[str, str] | None = None) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
        self._headers = headers or {}

    def get(self, path: str) -> bytes:
        self._connection.request("GET", path, headers=self._headers)
        return self._answer(200)[1]

    def upload(self, path: str, source: Source, *, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
        """POST a variant of `source` as multipart: status (200 or 202) and body. Raises Failed."""
        first, rest = source.variant(next(_numbers))
        head = (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{source.name}"\r\n'
            f"Content-Type: {source.kind.content_type}\r\n\r\n"
        ).encode()
        sent = {
            "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
            "Content-Length": str(len(head) + len(first) + len(rest) + len(TAIL)),
        }
        parts = iter((head + first, rest, TAIL))
        self._connection.request("POST", path, body=parts, headers=self._headers | sent | (headers or {}))
        return self._answer(200, 202)

    def send_json(self, path: str, source: Source) -> bytes:
        """POST a variant of `source` as base64 in JSON; the body of the answer. Raises Failed."""
        content = base64.b64encode(b"".join(source.variant(next(_numbers)))).decode()
        headers = self._headers | {"Content-Type": "application/json"}
        self._connection.request("POST", path, body=json.dumps({"file": content}), headers=headers)
        return self._answer(200)[1]

    def _answer(self, *expected: int) -> tuple[int, bytes]:
        response = self._connection.getresponse()
        body = response.read()
        if response.status not in expected:
            raise Failed(f"{response.status} {body[:120]!r}")
        return response.status, body

    def close(self) -> None:
        self._connection.close()


class Exchange(Protocol):
    """One request of a user, from the upload to the overlay. Returns whether it was answered in time (no 202)."""

    def __call__(self, client: Client, source: Source, /) -> bool: ...


def platform_exchange(client: Client, source: Source) -> bool:
    """Submit and wait, then read the result and the overlay."""
    status, body = client.upload("/v1/jobs", source, headers={"Prefer": "wait=30"})
    if status == 202:
        return False
    job = json.loads(body)
    if job["state"] != "succeeded":
        raise Failed(f"job {job['state']} {job['problem']}")
    finding = json.loads(client.get(f"/v1/jobs/{job['id']}/result"))["findings"][0]
    require_png(client.get(finding["explanation"]["overlay"]))
    return True


def plain_exchange(client: Client, source: Source) -> bool:
    """One POST, whose answer is the overlay."""
    _, body = client.upload("/predict", source)
    require_png(body)
    return True


def json_exchange(client: Client, source: Source) -> bool:
    """As `plain_exchange`, the file in JSON."""
    require_png(client.send_json("/predict", source))
    return True


def require_png(body: bytes) -> None:
    if not body.startswith(b"\x89PNG"):
        raise Failed("not a PNG")


def load(
    port: int,
    exchange: Exchange,
    sources: Sequence[Source],
    *,
    clients: int,
    seconds: float | None = None,
    requests: int | None = None,
    headers: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Requests per second until `seconds` are over, or for `requests` in all; every started request is waited for.

    The rate counts whole exchanges only; 202s and errors are counted beside it.
    """
    turns: Iterator[int] = itertools.count() if requests is None else iter(range(requests))
    latencies: list[float] = []
    errors: Counter[str] = Counter()
    late = 0
    lock = threading.Lock()
    began = time.monotonic()

    def one() -> None:
        nonlocal late
        client = Client(port, headers)
        while seconds is None or time.monotonic() - began < seconds:
            with lock:
                turn = next(turns, None)
            if turn is None:
                break
            started = time.monotonic()
            try:
                in_time = exchange(client, sources[turn % len(sources)])
            except (Failed, OSError, http.client.HTTPException, KeyError, ValueError) as error:
                client.close()
                client = Client(port, headers)
                with lock:
                    errors[f"{type(error).__name__}: {error}"[:160]] += 1
                if errors.total() > 100:
                    break
                continue
            with lock:
                if in_time:
                    latencies.append(time.monotonic() - started)
                else:
                    late += 1
        client.close()

    threads = [threading.Thread(target=one, daemon=True) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - began
    return {
        "per_second": round(len(latencies) / took, 3),
        "answered": len(latencies),
        "accepted_only": late,
        "errors": dict(errors.most_common(5)),
        "p50_s": round(statistics.median(latencies), 3) if latencies else None,
        "p99_s": round(quantile(latencies, 0.99), 3) if latencies else None,
        "seconds": round(took, 2),
    }


def quantile(values: Sequence[float], fraction: float) -> float:
    """The smallest value that `fraction` of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(fraction * len(ordered)))]
