"""C-STORE and STOW to real and to made-up targets: what is stored, what is refused, what is tried again."""

from __future__ import annotations

import contextlib
import json
import ssl
import time
from collections.abc import Callable, Iterator
from email import message_from_bytes
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydicom import Dataset, dcmread
from pynetdicom import AE, StoragePresentationContexts, evt

from core.delivery_secrets import DeliverySecret
from core.errors import DeliveryFailed, DeliveryRefused
from core.settings import Settings
from core.vocabulary import DeliveryKind
from db.session import Database
from lucency.stack.ports import choose_ports
from lucency.stack.processes import kill_process, spawn
from storage.s3 import S3Store
from tests.peers import PATH, tool
from tests.worker.deliveries.receiver import Reply, receiving
from tests.worker.deliveries.setting import CANARY, QUICK, Desk
from tests.worker.deliveries.test_dispatcher import dispatcher
from tests.worker.deliveries.test_http_post import certified
from tests.worker.factories import until
from worker.deliveries import c_store, stow
from worker.deliveries.http_post import Deadline

# pynetdicom 3.0.4 leaves the socket of a connection that failed to the garbage collector.
pytestmark = pytest.mark.filterwarnings(r"ignore:Exception ignored in. <(socket\.socket|ssl\.SSLSocket)")

SR_CLASS = "1.2.840.10008.5.1.4.1.1.88.33"
SC_CLASS = "1.2.840.10008.5.1.4.1.1.7"


@pytest.fixture
def desk(settings: Settings, database: Database, store: S3Store, site: UUID) -> Desk:
    return Desk(settings.model_copy(update=QUICK), database, store, site)


def target_at(port: int, **values: Any) -> dict[str, Any]:
    fields = {"host": "127.0.0.1", "port": port, "called_ae_title": "PACS", "calling_ae_title": "LUCENCY"}
    return fields | values


def instance(number: int = 1, *, sop_class: str = SC_CLASS) -> bytes:
    """A small instance."""
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, f"2.25.{number}"
    dataset.PatientName = "A"
    dataset.ensure_file_meta()
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    held = BytesIO()
    dataset.save_as(held, enforce_file_format=True)
    return held.getvalue()


@contextlib.contextmanager
def scp(answer: Callable[[Any], int], *, tls: ssl.SSLContext | None = None, **changes: Any) -> Iterator[int]:
    """A storage SCP that answers as told; its port."""
    entity = AE(ae_title="PACS")
    for name, value in changes.items():
        setattr(entity, name, value)
    entity.supported_contexts = [one for one in StoragePresentationContexts if one.abstract_syntax == SC_CLASS]
    handlers = [(evt.EVT_C_STORE, answer)]
    port = choose_ports(["scp"])["scp"]
    server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers, ssl_context=tls)
    try:
        yield port
    finally:
        server.shutdown()


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(0x0000, None), (0xB000, None), (0xB007, None), (0x0111, None), (0xA700, DeliveryFailed), (0xA701, DeliveryFailed),
     (0x0110, DeliveryFailed), (0xA900, DeliveryRefused), (0xC000, DeliveryRefused), (0x0124, DeliveryRefused)],
)  # fmt: skip
def test_statuses(status: int, outcome: type[DeliveryFailed] | None) -> None:
    with scp(lambda _: status) as port:
        if outcome is None:
            c_store.send([instance()], target_at(port), deadline=Deadline(10))
            return
        with pytest.raises(DeliveryFailed) as raised:
            c_store.send([instance()], target_at(port), deadline=Deadline(10))
    assert type(raised.value) is outcome
    assert f"0x{status:04X}" in raised.value.detail


def test_what_may_pass_and_what_may_not() -> None:
    with scp(lambda _: 0, require_called_aet=True) as port:
        with pytest.raises(DeliveryFailed, match="rejected") as raised:
            c_store.send([instance()], target_at(port, called_ae_title="OTHER"), deadline=Deadline(10))
        assert raised.value.retryable
        with pytest.raises(DeliveryRefused, match="kind of instance"):
            c_store.send([instance(), instance(sop_class=SR_CLASS)], target_at(port), deadline=Deadline(10))
    with pytest.raises(DeliveryFailed, match="reached") as raised:
        c_store.send([instance()], target_at(port), deadline=Deadline(3))
    assert raised.value.retryable


def test_a_silent_scp_is_left_in_time() -> None:
    def slow(_: Any) -> int:
        time.sleep(4)
        return 0

    with scp(slow) as port:
        started = time.monotonic()
        with pytest.raises(DeliveryFailed):
            c_store.send([instance(1), instance(2)], target_at(port), deadline=Deadline(1.5))
        assert time.monotonic() - started < 4


def test_tls(tmp_path: Path) -> None:
    context, authority = certified(tmp_path, "127.0.0.1")
    with scp(lambda _: 0, tls=context) as port:
        trusting = target_at(port, tls=True, tls_authority=authority)
        c_store.send([instance()], trusting, deadline=Deadline(10))
        for wrong in (target_at(port, tls=True), trusting | {"tls": False}):
            with pytest.raises(DeliveryFailed):
                c_store.send([instance()], wrong, deadline=Deadline(5))


def test_storescp_takes_sr_and_sc_once_it_is_there(desk: Desk, tmp_path: Path) -> None:
    """dcmtk's storescp, away at first."""
    program, port = tool("storescp"), choose_ports(["scp"])["scp"]
    reports = ["sc", "sr"]
    desk.rule(DeliveryKind.C_STORE, target_at(port), reports=reports, with_identity=True, secret=None)
    with dispatcher(desk):
        job_id = desk.result(identity=True)
        until(lambda: desk.deliveries(job_id)[0].attempt >= 2, timeout=30)
        folder = tmp_path / "first"
        folder.mkdir()
        running = spawn(
            [program, "-aet", "PACS", "-od", str(folder), "+B", str(port)],
            cwd=tmp_path,
            log=tmp_path / "log",
            environment={"PATH": PATH},
        )
        try:
            until(lambda: desk.states(job_id) == ["delivered"], timeout=60)
        finally:
            kill_process(running)
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    datasets = [dcmread(BytesIO(content)) for content in first.values()]
    assert sorted(one.SOPClassUID for one in datasets) == sorted([SR_CLASS, SC_CLASS])
    assert {str(one.PatientName) for one in datasets} == {CANARY}
    assert len({one.StudyInstanceUID for one in datasets}) == 1


def failing(reason: int) -> bytes:
    item = {"00081197": {"vr": "US", "Value": [reason]}}
    return json.dumps({"00081198": {"vr": "SQ", "Value": [item]}}).encode()


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Reply(200, body=b"{}"), None),
        (Reply(200, body=b"<xml/>"), None),
        (Reply(202, body=failing(0x0111)), None),
        (Reply(409, body=failing(0x0111)), None),
        (Reply(202, body=failing(0xA700)), DeliveryFailed),
        (Reply(200, body=failing(0x0110)), DeliveryFailed),
        (Reply(409, body=failing(0xA900)), DeliveryRefused),
        (Reply(409, body=b"no"), DeliveryRefused),
        (Reply(202, body=b'<DicomAttribute tag="00081198"/>'), DeliveryRefused),
        (Reply(401), DeliveryRefused),
        (Reply(503), DeliveryFailed),
    ],
)
def test_stow_answers(reply: Reply, outcome: type[DeliveryFailed] | None) -> None:
    def send(url: str) -> None:
        parts = [instance(1), instance(2)]
        secret = DeliverySecret("Bearer hush")
        stow.send(parts, {"url": f"{url}/dicom-web/"}, secret, deadline=Deadline(10), private=True)

    with receiving() as receiver:
        receiver.answer = lambda _: reply
        if outcome is None:
            send(receiver.url)
        else:
            with pytest.raises(DeliveryFailed) as raised:
                send(receiver.url)
            assert type(raised.value) is outcome
        (request,) = receiver.received
    assert request.path == "/dicom-web/studies"
    assert request.headers["authorization"] == "Bearer hush"
    kind = request.headers["content-type"]
    message = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + request.body)
    parts = [part for part in message.walk() if not part.is_multipart()]
    assert [part.get_content_type() for part in parts] == ["application/dicom"] * 2
    assert instance(1) in request.body
    assert instance(2) in request.body


def test_stow_sends_the_same_instances_each_time(desk: Desk) -> None:
    with receiving() as receiver, dispatcher(desk):
        receiver.replies(200)
        desk.rule(
            DeliveryKind.STOW,
            {"url": receiver.url},
            reports=["gsps", "sc", "sr"],
            secret=DeliverySecret("Basic eDp5"),
        )
        job_id = desk.result()
        until(lambda: desk.states(job_id) == ["delivered"], timeout=60)
        (row,) = desk.deliveries(job_id)
        again(desk, row.id)
        until(lambda: desk.states(job_id) == ["delivered"] * 2, timeout=60)
    first, second = receiver.received
    assert first.headers["authorization"] == "Basic eDp5"
    # The same instances, bit for bit, and so the same request.
    assert first.body == second.body
    assert first.headers["content-type"] == second.headers["content-type"]


def again(desk: Desk, delivery_id: UUID) -> None:
    from db.repositories import deliveries

    with desk.database.unit_of_work() as session:
        deliveries.redeliver(session, site_id=desk.site, delivery_id=delivery_id)
