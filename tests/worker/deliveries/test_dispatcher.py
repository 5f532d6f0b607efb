"""Deliveries by a real dispatcher to real receivers: signed, retried, apart from each other, one at a time."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text
from standardwebhooks import Webhook, WebhookVerificationError

from core.settings import Settings, inherited_environment
from core.vocabulary import DeliveryKind, ReportKind
from db.repositories import audit, deliveries
from db.session import Database
from lucency.stack.environment import environment_of
from lucency.stack.ports import choose_ports
from storage.s3 import S3Store
from tests.worker.deliveries.receiver import Received, Receiver, Reply, receiving
from tests.worker.deliveries.setting import CANARY, QUICK, Desk
from tests.worker.factories import CeleryProcess, until
from worker.deliveries.dispatcher import Dispatcher, start_dispatcher
from worker.deliveries.webhook import Message


@pytest.fixture
def desk(settings: Settings, database: Database, store: S3Store, site: UUID) -> Desk:
    return Desk(settings.model_copy(update=QUICK), database, store, site)


@contextlib.contextmanager
def dispatcher(desk: Desk) -> Iterator[Dispatcher]:
    running = start_dispatcher(desk.settings)
    try:
        yield running
    finally:
        running.stop()


def hook(desk: Desk, receiver: Receiver, **values: object) -> tuple[UUID, Webhook]:
    rule, secret = desk.rule(DeliveryKind.WEBHOOK, {"url": f"{receiver.url}/hook"}, **values)
    return rule, Webhook(secret.current)


def test_a_signed_message_and_no_patient_in_it(desk: Desk) -> None:
    with receiving() as receiver, dispatcher(desk):
        _, verifier = hook(desk, receiver, events=["succeeded", "cancelled"])
        started = time.monotonic()
        job_id = desk.result(identity=True)
        until(lambda: desk.states(job_id) == ["delivered"], timeout=10)
        # The database wakes the dispatcher: it does not wait for its next look.
        assert receiver.received[0].at - started < 5
        cancelled = desk.cancelled()
        until(lambda: desk.states(cancelled) == ["delivered"], timeout=10)
    first, second = receiver.received
    message = verifier.verify(first.body, first.headers)
    assert message == {
        "type": "job.succeeded",
        "timestamp": message["timestamp"],
        "data": {
            "job_id": str(job_id),
            "state": "succeeded",
            "links": {"self": f"/v1/jobs/{job_id}", "result": f"/v1/jobs/{job_id}/result"},
        },
    }
    assert verifier.verify(second.body, second.headers)["data"]["links"] == {"self": f"/v1/jobs/{cancelled}"}
    assert first.headers["webhook-id"] != second.headers["webhook-id"]
    for altered in (first.body.replace(b"succeeded", b"succeedet"), second.body):
        with pytest.raises(WebhookVerificationError):
            verifier.verify(altered, first.headers)
    everything = json.dumps([[request.path, request.headers, request.body.decode()] for request in receiver.received])
    assert CANARY.partition("^")[0] not in everything
    assert "CANARY" not in everything


def test_both_keys_sign_while_a_rotation_lasts(desk: Desk) -> None:
    from core.delivery_secrets import DeliverySecret

    old = DeliverySecret.new_signing_key()
    now = datetime.now(UTC)
    new = old.rotated(now=now)
    with receiving() as receiver, dispatcher(desk):
        desk.rule(DeliveryKind.WEBHOOK, {"url": receiver.url}, secret=new)
        job_id = desk.result()
        until(lambda: desk.states(job_id) == ["delivered"], timeout=10)
    (request,) = receiver.received
    for secret in (old, new):
        Webhook(secret.current).verify(request.body, request.headers)
    assert new.signing_keys(now=now + timedelta(hours=25)) == (new.current,)
    assert old.current not in repr(old)


def test_down_then_up(desk: Desk) -> None:
    port = choose_ports(["receiver"])["receiver"]
    rule, _ = desk.rule(DeliveryKind.WEBHOOK, {"url": f"http://127.0.0.1:{port}/"})
    with dispatcher(desk):
        job_id = desk.result()
        until(lambda: desk.deliveries(job_id)[0].attempt >= 2, timeout=10)
        (row,) = desk.deliveries(job_id)
        assert (row.state, row.code) == ("pending", "delivery_failed")
        with receiving(port=port) as receiver:
            receiver.replies(503)
            until(lambda: len(receiver.received) >= 1, timeout=10)
            receiver.replies(200)
            until(lambda: desk.states(job_id) == ["delivered"], timeout=10)
            last = receiver.received[-1]
    # The same message each time.
    assert {one.headers["webhook-id"] for one in receiver.received} == {last.headers["webhook-id"]}
    assert {one.body for one in receiver.received} == {last.body}
    assert last.headers["webhook-id"] == Message(rule, job_id, "succeeded", datetime.now(UTC)).id


@pytest.mark.parametrize("status", [410, 404, 302])
def test_dead_at_once(desk: Desk, status: int) -> None:
    with receiving() as receiver, receiving() as elsewhere, dispatcher(desk):
        receiver.replies(status, Location=elsewhere.url)
        hook(desk, receiver)
        job_id = desk.result()
        until(lambda: desk.states(job_id) == ["dead"], timeout=10)
        (row,) = desk.deliveries(job_id)
        assert (row.attempt, row.code) == (1, "delivery_refused")
        assert str(status) in (row.detail or "")
        assert len(receiver.received) == 1
        assert elsewhere.received == []


def test_attempts_end(desk: Desk) -> None:
    quick = desk.settings.model_copy(update={"delivery_attempts": 3})
    desk = Desk(quick, desk.database, desk.store, desk.site)
    with receiving() as receiver, dispatcher(desk):
        receiver.replies(500)
        hook(desk, receiver)
        job_id = desk.result()
        until(lambda: desk.states(job_id) == ["dead"], timeout=20)
    assert len(receiver.received) == 3


def test_retry_after_is_honoured(desk: Desk) -> None:
    with receiving() as receiver, dispatcher(desk):
        receiver.answer = lambda _: Reply(200) if len(receiver.received) > 1 else Reply(429, {"Retry-After": "2"})
        hook(desk, receiver)
        job_id = desk.result()
        until(lambda: desk.states(job_id) == ["delivered"], timeout=10)
    first, second = receiver.received
    assert second.at - first.at >= 2


def test_a_silent_target_holds_up_no_other(desk: Desk) -> None:
    with receiving() as silent, receiving() as lively, dispatcher(desk):
        silent.answer = lambda _: Reply(delay=20)
        hook(desk, silent)
        made = [desk.result() for _ in range(4)]
        until(lambda: len(silent.received) > 0, timeout=10)
        rule, _ = hook(desk, lively)
        made += [desk.result() for _ in range(4)]
        started = time.monotonic()
        until(lambda: len(lively.received) == 4, timeout=10)
        assert time.monotonic() - started < 3
        with desk.database.unit_of_work() as session:
            assert len(deliveries.page(session, site_id=desk.site, rule_id=rule)) == 4
        # After a few failures it is left alone for a while.
        until(lambda: closed(desk), timeout=20)


def closed(desk: Desk) -> bool:
    with desk.database.unit_of_work() as session:
        return bool(session.scalar(text("SELECT count(*) FROM delivery_rule WHERE failures >= 3")))


def test_private_addresses_are_refused_unless_allowed(desk: Desk) -> None:
    guarded = desk.settings.model_copy(update={"delivery_private_addresses": False})
    desk = Desk(guarded, desk.database, desk.store, desk.site)
    with receiving() as receiver, dispatcher(desk):
        for host in ("localhost", "2130706433"):
            desk.rule(DeliveryKind.WEBHOOK, {"url": f"http://{host}:{receiver.port}/"})
        job_id = desk.result()
        until(lambda: desk.states(job_id) == ["dead", "dead"], timeout=10)
        assert {one.code for one in desk.deliveries(job_id)} == {"delivery_address_refused"}
        assert receiver.received == []


def test_no_two_dispatchers_send_the_same_at_a_time(desk: Desk) -> None:
    """Two dispatchers on forty deliveries whose target takes a while: at no time is one of them under way twice."""
    busy: set[str] = set()
    twice: list[str] = []
    lock = threading.Lock()

    def answer(request: Received) -> Reply:
        message = request.headers["webhook-id"]
        with lock:
            if message in busy:
                twice.append(message)
            busy.add(message)
        time.sleep(0.05)
        with lock:
            busy.discard(message)
        return Reply(200)

    with receiving() as receiver:
        receiver.answer = answer
        for _ in range(4):
            hook(desk, receiver)
        made = [desk.result() for _ in range(10)]
        with dispatcher(desk), dispatcher(desk):
            until(lambda: all(desk.states(job_id) == ["delivered"] * 4 for job_id in made), timeout=30)
    assert twice == []
    assert len(receiver.received) == len({one.headers["webhook-id"] for one in receiver.received}) == 40


def test_identities_are_opened_for_rules_that_send_home_alone(desk: Desk) -> None:
    with receiving() as receiver, dispatcher(desk):
        receiver.replies(200)
        reports = [ReportKind.SR.value]
        target = {"url": f"{receiver.url}/dicom-web"}
        away, _ = desk.rule(DeliveryKind.STOW, target, reports=reports, secret=None)
        job_id = desk.result(identity=True)
        until(lambda: desk.states(job_id) == ["delivered"], timeout=30)
        (request,) = receiver.received
        assert request.path == "/dicom-web/studies"
        assert CANARY.encode() not in request.body
        assert actions(desk) == ["result_delivered"]
        home, _ = desk.rule(DeliveryKind.STOW, target, reports=reports, with_identity=True, secret=None)
        job_id = desk.result(identity=True)
        until(lambda: desk.states(job_id) == ["delivered"] * 2, timeout=30)
        assert sorted(actions(desk)) == ["identity_opened", *["result_delivered"] * 3]
        assert len([one for one in receiver.received if CANARY.encode() in one.body]) == 1
        # Without an identity there is nobody to send to.
        bare = desk.result()
        until(lambda: sorted(desk.states(bare)) == ["dead", "delivered"], timeout=30)
    assert away != home
    with desk.database.unit_of_work() as session:
        assert audit.verify(session).breaks == ()
        (opened,) = [one for one in audit.page(session, site_id=desk.site) if one.action == "identity_opened"]
        assert opened.detail["rule"] == str(home)
        everything = "".join(session.scalars(text("SELECT row_to_json(audit_record)::text FROM audit_record")))
    assert "CANARY" not in everything.upper()


def actions(desk: Desk) -> list[str]:
    with desk.database.unit_of_work() as session:
        return [one.action for one in audit.page(session, site_id=desk.site) if one.actor == "worker"]


def test_a_killed_services_worker(desk: Desk, tmp_path: Path) -> None:
    """kill -9 while a receiver has the message and has not answered: after the lease it is sent again, and once."""
    with receiving() as receiver:
        hook(desk, receiver)
        waiting = threading.Event()
        receiver.answer = lambda _: Reply(200, delay=0 if waiting.is_set() else 2.5)
        job_id = desk.result()
        first = CeleryProcess(desk.settings, tmp_path / "first.log", *SERVICES)
        try:
            until(lambda: len(receiver.received) == 1, timeout=60)
        finally:
            first.kill()
        assert desk.states(job_id) == ["pending"]
        waiting.set()
        second = CeleryProcess(desk.settings, tmp_path / "second.log", *SERVICES)
        try:
            until(lambda: desk.states(job_id) == ["delivered"], timeout=60)
            # A dispatcher does not keep its process from ending.
            second.process.terminate()
            assert second.process.wait(30) == 0
        finally:
            second.kill()
    assert len(receiver.received) == 2
    assert len({one.headers["webhook-id"] for one in receiver.received}) == 1
    (row,) = desk.deliveries(job_id)
    assert (row.attempt, row.fence) == (2, 2)
    logs = (tmp_path / "first.log").read_text() + (tmp_path / "second.log").read_text()
    assert "delivered" in logs
    assert "127.0.0.1:" + str(receiver.port) not in logs


SERVICES = ("worker", "-Q", "services", "-n", "services@%h", "-c", "1", "-l", "INFO")

LOADED = """
import sys
import worker.tasks, worker.deliveries.dispatcher, worker.deliveries.c_store
import worker.deliveries.stow, worker.deliveries.payloads
from core.vocabulary import ReportKind
from reports.render import render
import reports.structured_report, reports.secondary_capture, reports.presentation_state
print(sorted({name.partition(".")[0] for name in sys.modules} & {"tensorflow", "keras", "onnxruntime", "onnx"}))
"""


def test_services_load_no_engine(settings: Settings) -> None:
    environment = inherited_environment() | environment_of(settings)
    done = subprocess.run(
        [sys.executable, "-c", LOADED], env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr
