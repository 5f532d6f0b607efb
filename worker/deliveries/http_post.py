"""One HTTP POST to an address that a client named: to allowed addresses only, no redirect followed, bounded in time and
in what is read back.

The guard sits where the connection is made: the name is resolved once, every address it has is judged, and the socket
is opened to one of those. So no spelling of an address, no second answer of a name server and no parser's opinion of a
URL leads around it.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpcore2

from core.addresses import Address, is_allowed
from core.errors import DeliveryAddressRefused, DeliveryFailed, DeliveryRefused

# A Retry-After beyond this is not waited for.
LONGEST_WAIT_S = 24 * 3600.0
# Of 4xx these may pass by themselves: timeout, conflict with another request, too early, too many requests.
PASSING = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; `body` is cut off at the limit."""

    status: int
    body: bytes
    content_type: str
    retry_after: float | None


class Deadline:
    """The end of an attempt, in this process's monotonic time."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self, most: float | None = None) -> float:
        """Seconds that are left, more than 0, and not more than `most`. Raises DeliveryFailed when the time is over."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise DeliveryFailed("The target took too long.")
        return left if most is None else min(left, most)


def post(
    url: str,
    body: bytes,
    headers: dict[str, str],
    *,
    deadline: Deadline,
    private: bool,
    authority: str = "",
    read_at_most: int = 64 * 1024,
) -> Answer:
    """POST `body` to `url`. `authority`: PEM certificates to trust instead of the system's.

    Raises DeliveryAddressRefused for an address that is not allowed, DeliveryRefused for a URL that cannot be used,
    DeliveryFailed where the target does not answer in time.
    """
    try:
        context = ssl.create_default_context(cadata=authority or None)
        fields = [(name.encode(), value.encode()) for name, value in headers.items()]
    except (ssl.SSLError, ValueError) as error:
        raise DeliveryRefused("The rule's certificates or headers cannot be used.") from error
    backend = _GuardedBackend(deadline=deadline, private=private)
    with (
        _failures(),
        httpcore2.ConnectionPool(ssl_context=context, network_backend=backend, max_connections=1) as pool,
        pool.stream("POST", url, headers=fields, content=body) as response,
    ):
        read = b"".join(_bounded(response.iter_stream(), read_at_most))
        found = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
        return Answer(response.status, read, found.get("content-type", ""), _retry_after(found.get("retry-after")))


def require_success(answer: Answer) -> None:
    """Raises DeliveryRefused for an answer that stays the same, DeliveryFailed for one that may pass."""
    if 200 <= answer.status < 300:
        return
    said = f"The target answered {answer.status}."
    if 300 <= answer.status < 400:
        raise DeliveryRefused(f"{said} Redirects are not followed.")
    if 400 <= answer.status < 500 and answer.status not in PASSING:
        raise DeliveryRefused(said)
    raise DeliveryFailed(said, retry_after=answer.retry_after)


@contextlib.contextmanager
def _failures() -> Iterator[None]:
    """httpcore's errors as ours."""
    try:
        yield
    except httpcore2.TimeoutException as error:
        raise DeliveryFailed("The target took too long.") from error
    except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.ProxyError) as error:
        raise DeliveryFailed("The target could not be reached, or broke the connection.") from error
    except (httpcore2.UnsupportedProtocol, UnicodeError, ValueError) as error:
        raise DeliveryRefused("The rule's URL cannot be used.") from error


def _bounded(stream: Iterable[bytes], most: int) -> Iterator[bytes]:
    left = most
    for chunk in stream:
        yield chunk[:left]
        left -= len(chunk)
        if left <= 0:
            return


def _retry_after(value: str | None) -> float | None:
    """Seconds, from either form of RFC 9110 section 10.2.3."""
    if value is None:
        return None
    try:
        if value.strip().isdigit():
            seconds = float(value)
        else:
            seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), LONGEST_WAIT_S)


class _GuardedBackend(httpcore2.NetworkBackend):
    """Opens connections to allowed addresses, within the deadline."""

    def __init__(self, *, deadline: Deadline, private: bool) -> None:
        self._deadline = deadline
        self._private = private
        self._sockets = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        failure: Exception | None = None
        for address in self._resolved(host.strip("[]"), port):
            try:
                left = self._deadline.left(timeout)
                stream = self._sockets.connect_tcp(str(address), port, left, local_address, socket_options)
            except httpcore2.ConnectError as error:
                failure = error
            else:
                return _TimedStream(stream, self._deadline)
        raise DeliveryFailed("The target could not be reached.") from failure

    def _resolved(self, host: str, port: int) -> Sequence[Address]:
        """The name's addresses, each of them allowed: a name that has a forbidden one is refused as a whole."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except UnicodeError as error:
            raise DeliveryRefused("The rule's URL names no host.") from error
        except OSError as error:
            raise DeliveryFailed("The target's name cannot be resolved.") from error
        addresses = list(dict.fromkeys(ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found))
        if not all(is_allowed(address, private=self._private) for address in addresses):
            raise DeliveryAddressRefused
        return addresses


class _TimedStream(httpcore2.NetworkStream):
    """A connection each of whose steps may take what is left of the whole: a slow drip gains no time."""

    def __init__(self, stream: httpcore2.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        left = self._deadline.left(timeout)
        return _TimedStream(self._stream.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
