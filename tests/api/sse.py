"""A client of `GET /v1/events` that reads the wire, as a browser's EventSource does."""

from __future__ import annotations

import http.client
import json
import queue
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Heard:
    """One open stream: events as they come, None at its end."""

    events: queue.Queue[tuple[str, set[str]] | None] = field(default_factory=queue.Queue)
    comments: int = 0

    def next(self, *, within: float = 20.0) -> tuple[str, set[str]]:
        """The next event: its id and topics."""
        event = self.events.get(timeout=within)
        assert event is not None, "the stream ended"
        return event

    def until(self, topic: str, *, within: float = 20.0) -> tuple[str, set[str]]:
        """Events up to one that names `topic`: the last id, and all their topics."""
        end = time.monotonic() + within
        seen: set[str] = set()
        while topic not in seen:
            last, topics = self.next(within=max(0.01, end - time.monotonic()))
            seen |= topics
        return last, seen

    def all(self, *topics: str, within: float = 20.0) -> set[str]:
        """Events until each of these was named, as one or (on a busy machine) as several: all their topics."""
        end = time.monotonic() + within
        seen: set[str] = set()
        while not seen.issuperset(topics):
            seen |= self.next(within=max(0.01, end - time.monotonic()))[1]
        return seen

    def ended(self, *, within: float = 5.0) -> bool:
        """Whether the stream ends in time; events before its end are skipped."""
        end = time.monotonic() + within
        while True:
            try:
                if self.events.get(timeout=max(0.01, end - time.monotonic())) is None:
                    return True
            except queue.Empty:
                return False

    def read(self, response: http.client.HTTPResponse) -> None:
        fields: dict[str, str] = {}
        try:
            while ended := response.readline():
                line = ended.decode().rstrip("\n")
                if line.startswith(":"):
                    self.comments += 1
                elif line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                else:
                    if fields.get("event") == "changed":
                        self.events.put((fields["id"], set(json.loads(fields["data"])["topics"])))
                    fields = {}
        except (http.client.HTTPException, OSError, ValueError):
            pass
        self.events.put(None)


@contextmanager
def listening(url: str, headers: dict[str, str]) -> Iterator[Heard]:
    """A stream that is open before the block begins."""
    heard = Heard()
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
    connection.request("GET", "/v1/events", headers=headers)
    held = connection.sock
    response = connection.getresponse()
    reader = threading.Thread(target=heard.read, args=(response,), daemon=True)
    try:
        assert response.status == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        reader.start()
        end = time.monotonic() + 5
        while not heard.comments and heard.events.empty():
            assert time.monotonic() < end, "nothing came"
            time.sleep(0.01)
        yield heard
    finally:
        # To close it while another thread reads would keep it open.
        with suppress(OSError):
            held.shutdown(socket.SHUT_RDWR)
        if reader.ident is not None:
            reader.join(timeout=5)
        connection.close()
