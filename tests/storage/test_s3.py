"""What the S3 store does when its server is away, silent, or refuses us."""

from __future__ import annotations

import socket
import time

import pytest
from pydantic import SecretStr
from urllib3.connection import HTTPConnection

from core.errors import StoreUnavailable
from core.settings import Settings
from lucency.stack.ports import choose_ports
from storage.s3 import S3Store, make_store


def refuses(store: S3Store, *, within: float) -> None:
    for ask in (
        store.check,
        store.ensure,
        lambda: store.get("a"),
        lambda: store.stat("a"),
        lambda: list(store.list("")),
    ):
        started = time.monotonic()
        with pytest.raises(StoreUnavailable):
            ask()
        assert time.monotonic() - started < within


def at(port: int) -> Settings:
    return Settings(s3_endpoint=f"127.0.0.1:{port}", s3_secret_key=SecretStr("secret-key"), s3_timeout=0.3)


def test_closed_port() -> None:
    store = make_store(at(choose_ports(["closed"])["closed"]))
    refuses(store, within=2)
    with pytest.raises(StoreUnavailable):
        store.put_bytes("a", b"x", content_type="text/plain")
    with pytest.raises(StoreUnavailable):
        store.delete(["a"])


def test_black_hole() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        refuses(make_store(at(silent.getsockname()[1])), within=3)


def test_wrong_credentials(store: S3Store, settings: Settings) -> None:
    store.put_bytes("a", b"x", content_type="text/plain")
    refuses(make_store(settings.model_copy(update={"s3_secret_key": SecretStr("not-the-secret")})), within=5)


def test_missing_bucket(settings: Settings) -> None:
    with pytest.raises(StoreUnavailable):
        make_store(settings).check()


@pytest.mark.parametrize(("limit", "reused"), [(None, True), (4001, True), (4000, True), (3999, False)])
def test_a_connection_is_used_again_unless_its_body_was_cut(
    store: S3Store, monkeypatch: pytest.MonkeyPatch, limit: int | None, reused: bool
) -> None:
    opened = []
    connect = HTTPConnection.connect

    def counted(connection: HTTPConnection) -> None:
        opened.append(connection)
        connect(connection)

    store.put_bytes("a", b"x" * 4000, content_type="text/plain")
    monkeypatch.setattr(HTTPConnection, "connect", counted)
    for _ in range(6):
        assert len(store.get("a", limit=limit)) == min(4000, limit or 4000)
    # The first may find the connection closed by the server; each that was cut short needs a new one after it.
    assert len(opened) <= 1 if reused else len(opened) >= 5
