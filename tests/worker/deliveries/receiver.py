"""A real HTTP server for deliveries: it keeps what it is sent, and answers as it is told."""

from __future__ import annotations

import contextlib
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float


@dataclass
class Reply:
    """What to answer."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    # Before the status line; and between the bytes of the body.
    delay: float = 0.0
    drip: float = 0.0


@dataclass
class Receiver:
    """`answer` may be changed while it runs; `received` grows."""

    url: str
    port: int
    received: list[Received] = field(default_factory=list)
    answer: Callable[[Received], Reply] = field(default=lambda _: Reply())

    def replies(self, status: int, **headers: str) -> None:
        """From now on the same answer to all."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answer = lambda _: Reply(status, named)


@contextlib.contextmanager
def receiving(*, port: int = 0, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """A server in a thread of this process."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Received(self.path, headers, body, time.monotonic())
            receiver.received.append(request)
            self._reply(receiver.answer(request))

        def _reply(self, reply: Reply) -> None:
            time.sleep(reply.delay)
            with contextlib.suppress(OSError):
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                if not reply.drip:
                    self.wfile.write(reply.body)
                for byte in reply.body if reply.drip else b"":
                    self.wfile.write(bytes([byte]))
                    time.sleep(reply.drip)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            pass  # a client that goes away is what some tests want

    server = Server((host, port), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    scheme = "http" if tls is None else "https"
    receiver = Receiver(f"{scheme}://{host}:{server.server_port}", server.server_port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
