"""When an instance is due: order, an instance's own failures, and outages of the API."""

from __future__ import annotations

import threading
import time

import pytest

from gateway.backlog import Backlog


def test_each_name_is_given_out_once_in_order() -> None:
    backlog = Backlog(retry_cap=1.0)
    backlog.put(["a", "b"])
    backlog.put(["b", "c"])
    assert [backlog.take() for _ in range(3)] == ["a", "b", "c"]
    backlog.put(["a"])
    assert len(backlog) == 3
    for name in "abc":
        backlog.done(name, accepted=True)
    assert len(backlog) == 0
    backlog.put(["a"])
    assert backlog.take() == "a"


def test_one_bad_instance_does_not_hold_up_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.backlog.RETRY_BASE", 60.0)
    backlog = Backlog(retry_cap=60.0)
    backlog.put(["bad", "good"])
    assert backlog.take() == "bad"
    backlog.failed("bad")
    began = time.monotonic()
    assert backlog.take() == "good"
    assert time.monotonic() - began < 20


def test_a_bad_instance_comes_again_after_a_while() -> None:
    backlog = Backlog(retry_cap=60.0)
    backlog.put(["bad"])
    assert backlog.take() == "bad"
    began = time.monotonic()
    backlog.failed("bad")
    assert backlog.take() == "bad"
    assert time.monotonic() - began >= 0.2


def test_an_outage_lets_one_probe_through_at_a_time_and_ends_at_once() -> None:
    backlog = Backlog(retry_cap=0.3)
    backlog.put(["a", "b", "c"])
    assert [backlog.take(), backlog.take()] == ["a", "b"]
    backlog.outage("b", retry_after=None)
    backlog.outage("a", retry_after=None)
    assert backlog.out
    assert backlog.take() == "a"
    taken: list[str | None] = []
    waiting = threading.Thread(target=lambda: taken.append(backlog.take()))
    waiting.start()
    time.sleep(0.5)
    assert taken == []
    backlog.done("a", accepted=True)
    waiting.join(20)
    assert taken == ["b"]
    assert not backlog.out


def test_a_server_that_asks_for_time_gets_it() -> None:
    backlog = Backlog(retry_cap=0.01)
    backlog.put(["a"])
    backlog.take()
    backlog.outage("a", retry_after=0.5)
    began = time.monotonic()
    assert backlog.take() == "a"
    assert 0.4 < time.monotonic() - began < 20


def test_closing_ends_those_that_wait() -> None:
    backlog = Backlog(retry_cap=1.0)
    taken: list[str | None] = []
    waiting = threading.Thread(target=lambda: taken.append(backlog.take()))
    waiting.start()
    backlog.close()
    waiting.join(20)
    assert taken == [None]
