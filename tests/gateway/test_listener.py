"""Who is let in, which status each data set gets, and what a peer cannot do to the gateway."""

from __future__ import annotations

import json
import logging
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import FileDataset, dcmread
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    generate_uid,
)
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import A_ASSOCIATE, P_DATA

from core.errors import GatewayFailed
from core.settings import Settings
from gateway.listener import DIGITAL_FOR_PROCESSING, SECONDARY_CAPTURE, VERIFICATION, Listener, sop_classes
from gateway.spool import Spool
from gateway.storage_scp import StorageScp
from tests.gateway.running import CANARY, COMPUTED_RADIOGRAPHY, radiograph, written
from tests.peers import dcmtk, tool
from tests.worker.factories import until

COMPUTED_TOMOGRAPHY = "1.2.840.10008.5.1.4.1.1.2"


class Listening:
    """A listener of this process on a spool in `folder`; nothing forwards."""

    def __init__(self, folder: Path, **overrides: Any) -> None:
        self.settings = Settings(**{"gateway_port": 0, "gateway_free_bytes": 1, **overrides})
        self.spool = Spool(
            folder / "spool", free_bytes=self.settings.gateway_free_bytes, bound_bytes=self.settings.gateway_spool_bytes
        )
        self.spool.prepare()
        self.kept: list[str] = []
        scp = StorageScp(
            self.spool,
            limit=self.settings.upload_bytes,
            sop_classes=sop_classes(self.settings),
            kept=self.kept.append,
        )
        self.listener = Listener(self.settings, scp)
        self.port = self.listener.port

    def associate(
        self,
        *,
        title: str = "MODALITY",
        called: str = "LUCENCY",
        sop_class: str = COMPUTED_RADIOGRAPHY,
        syntax: str = ExplicitVRLittleEndian,
        **options: Any,
    ) -> Association:
        client = AE(ae_title=title)
        client.add_requested_context(sop_class, syntax)
        client.add_requested_context(VERIFICATION)
        client.acse_timeout = client.dimse_timeout = client.network_timeout = 10
        return client.associate("127.0.0.1", self.port, ae_title=called, **options)

    def send(self, made: FileDataset, **options: Any) -> int:
        """C-STORE one instance; the status, -1 where there is none."""
        association = self.associate(sop_class=made.SOPClassUID, syntax=made.file_meta.TransferSyntaxUID, **options)
        assert association.is_established
        status = association.send_c_store(made)
        association.release()
        return int(status.Status) if "Status" in status else -1

    def files(self, folder: str = "waiting") -> list[Path]:
        return sorted((self.spool.folder / folder).iterdir())


@pytest.fixture
def listen(tmp_path: Path) -> Iterator[Callable[..., Listening]]:
    """Starts listeners; overrides are settings."""
    made: list[Listening] = []

    def start(**overrides: Any) -> Listening:
        made.append(Listening(tmp_path / str(len(made)), **overrides))
        return made[-1]

    yield start
    for listening in made:
        listening.listener.stop(patience=1.0)


def rejection(association: Association) -> tuple[int, int, int]:
    assert association.is_rejected
    answer = association.acceptor.primitive
    assert isinstance(answer, A_ASSOCIATE)
    return answer.result, answer.result_source, answer.diagnostic


def test_echo(listen: Callable[..., Listening]) -> None:
    association = listen().associate()
    assert association.send_c_echo().Status == 0x0000
    association.release()


@pytest.mark.parametrize(
    ("settings", "options", "expected"),
    [
        ({}, {"called": "OTHER"}, (1, 1, 7)),
        ({"gateway_peers": "CT1, CR 2"}, {"title": "STRANGER"}, (1, 1, 3)),
        ({"gateway_networks": "10.0.0.0/8, 192.168.1.7"}, {}, (1, 1, 1)),
    ],
)
def test_strangers_are_rejected_with_the_reason(
    listen: Callable[..., Listening], settings: dict[str, Any], options: dict[str, Any], expected: tuple[int, int, int]
) -> None:
    assert rejection(listen(**settings).associate(**options)) == expected


def test_listed_peers_come_in(listen: Callable[..., Listening]) -> None:
    listening = listen(gateway_peers="CT1, CR 2", gateway_networks="::1, 127.0.0.0/8")
    assert listening.send(radiograph(), title="CR 2") == 0x0000


def test_more_associations_than_permitted_are_rejected_for_a_while(listen: Callable[..., Listening]) -> None:
    listening = listen(gateway_associations=2)
    held = [listening.associate() for _ in range(2)]
    assert rejection(listening.associate()) == (2, 3, 2)
    for association in held:
        association.release()
    until(lambda: listening.associate().is_established, timeout=5)


@pytest.mark.parametrize(
    "syntax",
    [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian],
)
def test_the_file_holds_the_received_bytes_in_their_syntax(listen: Callable[..., Listening], syntax: str) -> None:
    listening = listen()
    made = radiograph()
    made.file_meta.TransferSyntaxUID = syntax
    little = syntax != ExplicitVRBigEndian
    made["PixelData"].VR = "OB" if syntax != ImplicitVRLittleEndian else "OW"
    made.set_original_encoding(syntax == ImplicitVRLittleEndian, little, None)
    assert listening.send(made) == 0x0000
    (path,) = listening.files()
    found = dcmread(path)
    assert found.preamble == b"\0" * 128
    assert found.file_meta.TransferSyntaxUID == syntax
    assert found.file_meta.MediaStorageSOPClassUID == made.SOPClassUID
    assert found.file_meta.MediaStorageSOPInstanceUID == made.SOPInstanceUID
    assert found.PatientName == CANARY
    assert found.PixelData == made.PixelData
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert listening.files("incoming") == []


def test_it_is_durable_before_success_is_said(
    listen: Callable[..., Listening], monkeypatch: pytest.MonkeyPatch
) -> None:
    """File synced, then renamed, then the folder synced; the name is told, and the answer sent, after that."""
    listening = listen()
    calls: list[str] = []
    real_sync, real_rename = os.fsync, Path.rename

    def sync(descriptor: int) -> None:
        calls.append(f"sync {Path(f'/proc/self/fd/{descriptor}').readlink().parent.name}")
        real_sync(descriptor)

    def rename(path: Path, target: Path) -> Path:
        calls.append("rename")
        return real_rename(path, target)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(Path, "rename", rename)
    assert listening.send(radiograph()) == 0x0000
    assert calls == ["sync incoming", "rename", "sync spool"]


def test_sent_again_is_success_and_one_file(listen: Callable[..., Listening]) -> None:
    listening = listen()
    made = radiograph()
    assert [listening.send(made), listening.send(made)] == [0x0000, 0x0000]
    assert len(listening.files()) == 1
    made.PatientID = "OTHER"
    assert listening.send(made) == 0x0000
    assert len(listening.files()) == 2


def test_classes_that_are_not_radiographs_are_not_negotiated(listen: Callable[..., Listening]) -> None:
    listening = listen()
    for sop_class in (COMPUTED_TOMOGRAPHY, SECONDARY_CAPTURE):
        association = listening.associate(sop_class=sop_class)
        assert [context.result for context in association.rejected_contexts] == [3]
        association.release()
    assert listening.send(radiograph(sop_class=DIGITAL_FOR_PROCESSING)) == 0x0000
    permitted = listen(gateway_accept_secondary_capture=True)
    assert permitted.send(radiograph(sop_class=SECONDARY_CAPTURE)) == 0x0000


def altered(listening: Listening, **changes: str) -> int:
    """C-STORE a CR whose command says something else than its data set."""
    association = listening.associate()
    real_send = association.dimse.send_msg

    def send(primitive: Any, context: int) -> None:
        for name, value in changes.items():
            setattr(primitive, "Affected" + name, value)
        real_send(primitive, context)

    association.dimse.send_msg = send
    status = association.send_c_store(radiograph())
    association.release()
    return int(status.Status)


def test_statuses_of_what_does_not_fit(listen: Callable[..., Listening]) -> None:
    listening = listen(upload_bytes=100_000)
    assert altered(listening, SOPClassUID=COMPUTED_TOMOGRAPHY) == 0x0122
    assert altered(listening, SOPClassUID=DIGITAL_FOR_PROCESSING) == 0xA900
    assert altered(listening, SOPInstanceUID=generate_uid()) == 0xA900
    bare = radiograph()
    del bare.SOPClassUID
    association = listening.associate()
    bare_status = association.send_c_store(without_class(association, bare))
    assert bare_status.Status == 0xC000
    association.release()
    large = radiograph()
    large.Rows, large.Columns, large.PixelData = 400, 400, bytes(160_000)
    assert listening.send(large) == 0xC001
    assert listening.send(radiograph()) == 0x0000
    assert len(listening.files()) == len(listening.kept) == 1
    assert listening.files("incoming") == []


def without_class(association: Association, made: FileDataset) -> FileDataset:
    """`made` as a data set whose class only the command names."""
    real_send = association.dimse.send_msg

    def send(primitive: Any, context: int) -> None:
        content = primitive.DataSet.getvalue()
        element = b"\x08\x00\x16\x00UI"
        start = content.index(element)
        length = int.from_bytes(content[start + 6 : start + 8], "little")
        primitive.DataSet.seek(0)
        primitive.DataSet.truncate()
        primitive.DataSet.write(content[:start] + content[start + 8 + length :])
        real_send(primitive, context)

    association.dimse.send_msg = send
    made.SOPClassUID = COMPUTED_RADIOGRAPHY
    return made


def test_out_of_resources(listen: Callable[..., Listening]) -> None:
    """A nearly full disk, and a spool as full as it may be; what is held stays."""
    assert listen(gateway_free_bytes=2**60).send(radiograph()) == 0xA700
    bounded = listen(gateway_spool_bytes=30_000)
    statuses = [bounded.send(radiograph(seed=number)) for number in range(4)]
    assert statuses == [0x0000, 0x0000, 0xA700, 0xA700]
    assert len(bounded.files()) == 2
    assert bounded.files("incoming") == []


def test_a_disk_that_is_full_in_the_middle(listen: Callable[..., Listening], monkeypatch: pytest.MonkeyPatch) -> None:
    """The operating system's own error while a data set is written: 0xA700, and the association goes on."""
    listening = listen()
    real_write = os.write
    full = True

    def write(descriptor: int, data: Any) -> int:
        name = Path(f"/proc/self/fd/{descriptor}").readlink()
        if full and name.parent.name == "incoming" and os.fstat(descriptor).st_size > 5000:
            raise OSError(28, "No space left on device")
        return real_write(descriptor, data[:4096])

    monkeypatch.setattr(os, "write", write)
    association = listening.associate()
    assert association.send_c_store(radiograph()).Status == 0xA700
    assert listening.files("incoming") == []
    full = False
    assert association.send_c_store(radiograph()).Status == 0x0000
    association.release()


def test_what_is_cut_off_leaves_nothing(listen: Callable[..., Listening]) -> None:
    listening = listen(gateway_pdu_bytes=4096)
    association = listening.associate()
    sent: list[Any] = []
    real_send = association.dul.send_pdu

    def send(primitive: Any) -> None:
        sent.append(primitive)
        if len(sent) < 4 or not isinstance(primitive, P_DATA):
            real_send(primitive)

    association.dul.send_pdu = send
    association.dimse_timeout = 0.5
    association.send_c_store(radiograph())
    assert len(sent) > 4
    until(lambda: listening.files("incoming") == [], timeout=5)
    assert listening.files() == []


def test_a_pdu_longer_than_agreed_ends_the_connection(listen: Callable[..., Listening]) -> None:
    listening = listen()
    with socket.create_connection(("127.0.0.1", listening.port), timeout=5) as connection:
        connection.sendall(b"\x01\x00\xff\xff\xff\xff" + bytes(1000))
        began = time.monotonic()
        try:
            while connection.recv(4096):
                pass
        except ConnectionResetError:
            pass
        assert time.monotonic() - began < 4
    assert listening.send(radiograph()) == 0x0000


def test_nothing_of_the_patient_is_logged(
    listen: Callable[..., Listening], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    listening = listen()
    caplog.set_level(logging.DEBUG)
    made = radiograph()
    assert listening.send(made) == 0x0000
    association = listening.associate()
    association.send_c_store(radiograph())
    association.abort()
    text = caplog.text + json.dumps([str(record.__dict__) for record in caplog.records]) + "".join(capfd.readouterr())
    for secret in ("CANARY", str(made.SOPInstanceUID), str(made.StudyInstanceUID)):
        assert secret not in text
    assert not any(str(made.SOPInstanceUID) in path.name for path in listening.files())


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, and a certificate of it for a server and for a client: `ca.pem`, `server.{pem,key}`, …"""
    folder = tmp_path_factory.mktemp("certificates")
    openssl = tool("openssl")

    def run(*arguments: str) -> None:
        subprocess.run([openssl, *arguments], cwd=folder, check=True, capture_output=True)

    new = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    run(*new, "-x509", "-days", "2", "-subj", "/CN=Authority", "-keyout", "ca.key", "-out", "ca.pem")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost")
    for name in ("server", "client"):
        run(*new, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        signed = ["x509", "-req", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2"]
        run(*signed, "-extfile", "names", "-in", f"{name}.csr", "-out", f"{name}.pem")
    return folder


def trusting(certificates: Path, *, name: str | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
    if name is not None:
        context.load_cert_chain(certificates / f"{name}.pem", certificates / f"{name}.key")
    return context


def tls(certificates: Path) -> dict[str, Path]:
    return {
        "gateway_tls_certificate": certificates / "server.pem",
        "gateway_tls_key": certificates / "server.key",
    }


def is_answered(connection: socket.socket, context: ssl.SSLContext | None = None) -> bool:
    """Whether an A-ASSOCIATE-RQ, though empty, is answered with a PDU rather than with the end of the connection."""
    try:
        with context.wrap_socket(connection, server_hostname="localhost") if context else connection as speaking:
            speaking.sendall(b"\x01\x00\x00\x00\x00\x44\x00\x01" + bytes(66))
            return speaking.recv(1)[:1] in {b"\x02", b"\x03", b"\x07"}
    except (ssl.SSLError, ConnectionError):
        return False


def test_tls(listen: Callable[..., Listening], certificates: Path) -> None:
    listening = listen(**tls(certificates))
    assert listening.send(radiograph(), tls_args=(trusting(certificates), "localhost")) == 0x0000
    with socket.create_connection(("127.0.0.1", listening.port), timeout=5) as plain:
        assert not is_answered(plain)
    # A peer that connects and says nothing keeps nobody waiting.
    with socket.create_connection(("127.0.0.1", listening.port)):
        began = time.monotonic()
        assert listening.send(radiograph(), tls_args=(trusting(certificates), "localhost")) == 0x0000
        assert time.monotonic() - began < 5


def test_mutual_tls(listen: Callable[..., Listening], certificates: Path) -> None:
    listening = listen(**tls(certificates), gateway_tls_authority=certificates / "ca.pem")
    with socket.create_connection(("127.0.0.1", listening.port), timeout=5) as connection:
        assert not is_answered(connection, trusting(certificates))
    known = trusting(certificates, name="client")
    assert listening.send(radiograph(), tls_args=(known, "localhost")) == 0x0000


def test_storescu_over_tls(listen: Callable[..., Listening], certificates: Path, tmp_path: Path) -> None:
    listening = listen(**tls(certificates), gateway_tls_authority=certificates / "ca.pem")
    identity = ["+tls", certificates / "client.key", certificates / "client.pem", "+cf", certificates / "ca.pem"]
    file = written(tmp_path / "a.dcm", radiograph())
    sent = dcmtk("storescu", *identity, "-aec", "LUCENCY", "localhost", str(listening.port), file)
    assert sent.returncode == 0, sent.stderr
    assert len(listening.files()) == 1


@pytest.mark.parametrize(
    "settings",
    [
        {"gateway_networks": "10.0.0.0/33"},
        {"gateway_peers": "A\\B"},
        {"gateway_ae_title": "SEVENTEEN LETTERS"},
        {"gateway_tls_certificate": Path("/nonexistent.pem")},
        {"gateway_tls_key": Path("/nonexistent.pem")},
    ],
)
def test_settings_that_cannot_be_used_are_said_at_once(tmp_path: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(GatewayFailed):
        Listening(tmp_path, **settings)
