"""Posting to addresses that a client named: what it never reaches, and that it ends."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from core.errors import DeliveryAddressRefused, DeliveryFailed, DeliveryRefused
from tests.worker.deliveries.receiver import Received, Receiver, Reply, receiving
from worker.deliveries.http_post import Answer, Deadline, post, require_success


def send(url: str, *, private: bool = True, seconds: float = 10.0, **more: Any) -> Answer:
    headers = {"Content-Type": "text/plain"}
    return post(url, b"hello", headers, deadline=Deadline(seconds), private=private, **more)


def test_the_body_arrives() -> None:
    with receiving() as receiver:
        receiver.answer = lambda _: Reply(200, {"Content-Type": "text/x", "Retry-After": "7"}, b"x" * 5000)
        answer = send(f"{receiver.url}/a?b=c", read_at_most=100)
        (request,) = receiver.received
    assert (request.path, request.body, request.headers["content-type"]) == ("/a?b=c", b"hello", "text/plain")
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert answer == Answer(200, b"x" * 100, "text/x", 7.0)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "[::1]", "[::ffff:127.0.0.1]",
     "[::ffff:7f00:1]", "0.0.0.0", "169.254.169.254", "[fe80::1%25lo]", "10.0.0.1", "LOCALHOST", "localhost."],
)  # fmt: skip
def test_private_addresses_in_every_spelling(host: str) -> None:
    with receiving() as receiver:
        with pytest.raises((DeliveryAddressRefused, DeliveryFailed, DeliveryRefused)) as raised:
            send(f"http://{host}:{receiver.port}/", private=False)
        assert receiver.received == []
    # Some resolvers do not know a spelling: then there is nothing to refuse. The others must say why.
    if isinstance(raised.value, DeliveryFailed) and not isinstance(raised.value, DeliveryRefused):
        assert raised.value.detail == "The target's name cannot be resolved."
    elif "%" not in host:
        assert isinstance(raised.value, DeliveryAddressRefused)


def answers(monkeypatch: pytest.MonkeyPatch, *rounds: list[str]) -> list[str]:
    """A name server of a hostile zone: each question for `rebind.test` is answered by the next round."""
    genuine = socket.getaddrinfo
    asked: list[str] = []

    def getaddrinfo(host: Any, port: Any, *arguments: Any, **keywords: Any) -> Any:
        if host != "rebind.test":
            return genuine(host, port, *arguments, **keywords)
        asked.append(host)
        return [
            entry
            for address in rounds[min(len(asked), len(rounds)) - 1]
            for entry in genuine(address, port, *arguments, **keywords)
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


def test_a_name_that_resolves_to_a_private_address(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, ["127.0.0.1"])
    with receiving() as receiver:
        with pytest.raises(DeliveryAddressRefused):
            send(f"http://rebind.test:{receiver.port}/", private=False)
        assert receiver.received == []


def test_one_forbidden_address_among_good_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, ["8.8.8.8", "127.0.0.1"])
    with receiving() as receiver, pytest.raises(DeliveryAddressRefused):
        send(f"http://rebind.test:{receiver.port}/", private=False)
    answers(monkeypatch, ["127.0.0.1", "169.254.169.254"])
    with receiving() as receiver, pytest.raises(DeliveryAddressRefused):
        send(f"http://rebind.test:{receiver.port}/", private=True)


def test_a_second_answer_of_the_name_server_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    # Loopback stands for the public address here: what counts is that the checked answer is the one connected to.
    asked = answers(monkeypatch, ["127.0.0.1"], ["169.254.169.254"])
    with receiving() as receiver:
        assert send(f"http://rebind.test:{receiver.port}/", private=True).status == 204
        (request,) = receiver.received
        assert request.headers["host"] == f"rebind.test:{receiver.port}"
    assert asked == ["rebind.test"]


def test_redirects_are_not_followed() -> None:
    with receiving() as inner, receiving() as outer:
        for status in (301, 302, 303, 307, 308):
            outer.replies(status, Location=inner.url)
            answer = send(outer.url)
            assert answer.status == status
            with pytest.raises(DeliveryRefused, match="Redirects are not followed"):
                require_success(answer)
        assert inner.received == []
        assert len(outer.received) == 5


@pytest.mark.parametrize(
    "reply", [Reply(delay=30), Reply(200, body=b"x" * 1000, drip=0.2)], ids=["silent", "slow drip"]
)
def test_time_is_bounded(reply: Reply) -> None:
    def answer(_: Received) -> Reply:
        return reply

    with receiving() as receiver:
        receiver.answer = answer
        started = time.monotonic()
        with pytest.raises(DeliveryFailed, match="took too long"):
            send(receiver.url, seconds=1.0)
        assert time.monotonic() - started < 3


def test_slow_headers_gain_no_time() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    import threading

    def drip() -> None:
        connection, _ = listener.accept()
        with connection:
            try:
                for byte in b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000:
                    connection.sendall(bytes([byte]))
                    time.sleep(0.1)
            except OSError:
                pass

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    started = time.monotonic()
    with listener, pytest.raises(DeliveryFailed, match="took too long"):
        send(f"http://127.0.0.1:{listener.getsockname()[1]}/", seconds=1.0)
    assert time.monotonic() - started < 3
    thread.join(5)


def test_nobody_there_and_nonsense() -> None:
    with receiving() as receiver:
        gone = receiver.port
    with pytest.raises(DeliveryFailed) as raised:
        send(f"http://127.0.0.1:{gone}/")
    assert raised.value.retryable
    for wrong in ("ftp://127.0.0.1/", f"http://{'a' * 70}.test/"):
        with pytest.raises(DeliveryRefused):
            send(wrong)


@pytest.mark.parametrize(
    ("status", "retryable"),
    [(400, False), (401, False), (404, False), (408, True), (410, False), (413, False), (422, False), (425, True),
     (429, True), (500, True), (502, True), (503, True), (300, False), (304, False)],
)  # fmt: skip
def test_which_answers_may_pass(status: int, retryable: bool) -> None:
    with pytest.raises(DeliveryFailed) as raised:
        require_success(Answer(status, b"", "", 3.0))
    assert raised.value.retryable is retryable
    assert raised.value.retry_after == (3.0 if retryable else None)
    require_success(Answer(202, b"", "", None))


def test_retry_after_as_a_date(receiver: Receiver) -> None:
    at = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=100)
    for header, low, high in (
        (at.strftime("%a, %d %b %Y %H:%M:%S GMT"), 90, 100),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
        ("999999999999", 86400, 86400),
    ):
        receiver.replies(503, Retry_After=header)
        found = send(receiver.url).retry_after
        assert found is not None
        assert low <= found <= high
    receiver.replies(503, Retry_After="soon")
    assert send(receiver.url).retry_after is None


@pytest.fixture
def receiver() -> Any:
    with receiving() as made:
        yield made


def test_tls_is_verified_against_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, ["127.0.0.1"])
    context, authority = certified(tmp_path, "rebind.test")
    with receiving(tls=context) as receiver:
        url = f"https://rebind.test:{receiver.port}/"
        assert send(url, authority=authority).status == 204
        for wrong in ({"url": url}, {"url": receiver.url, "authority": authority}):
            with pytest.raises(DeliveryFailed):
                send(**wrong)
        assert len(receiver.received) == 1


def certified(folder: Path, name: str) -> tuple[ssl.SSLContext, str]:
    """A server's context with a certificate for `name` that signs itself, and that certificate as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    try:
        alternative: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        alternative = x509.DNSName(name)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    (folder / "certificate.pem").write_bytes(pem)
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context, pem.decode()
