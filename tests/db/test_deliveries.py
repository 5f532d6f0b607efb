"""The life of a delivery: made with the job's end, claimed once, tried again, buried; and its target's circuit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from uuid_utils.compat import uuid7

from core.errors import (
    Conflict,
    DecodeFailed,
    DeliveryFailed,
    DeliveryRefused,
    EngineFailed,
    LucencyError,
    NotFound,
    TransitionIllegal,
)
from core.vocabulary import DeliveryKind, DeliveryState, JobState
from db.repositories import audit, deliveries, delivery_rules, jobs, sites
from db.repositories.deliveries import Claim
from db.session import Database, Session
from tests.factories import make_job, make_model, make_outcome

ALL = ("cancelled", "dead", "expired", "failed", "succeeded")


def add_rule(database: Database, site: UUID, *, name: str = "one", **values: Any) -> UUID:
    rule_id = uuid7()
    columns: dict[str, Any] = {
        "name": name,
        "target": {"url": "https://example.org/hook"},
        "secret": None,
        "reports": [],
        "events": ["succeeded"],
        "with_identity": False,
        "enabled": True,
    }
    with database.unit_of_work() as session:
        delivery_rules.add(
            session,
            rule_id=rule_id,
            site_id=site,
            actor="tests",
            kind=DeliveryKind.WEBHOOK,
            values=columns | values,
        )
    return rule_id


def succeed(database: Database, site: UUID, count: int = 1) -> list[UUID]:
    with database.unit_of_work() as session:
        for _ in range(count):
            make_job(session, site)
        held = jobs.claim(session, owner="tests", limit=count, lease_s=60)
        model = make_model(session)
        session.flush()
        finished = jobs.succeed(session, [make_outcome(one, model.id) for one in held])
    assert len(finished) == count
    return [one.job_id for one in held]


def take(database: Database, *, limit: int = 10, lease_s: float = 60.0, attempts: int = 5) -> list[Claim]:
    with database.unit_of_work() as session:
        return deliveries.claim(session, limit=limit, lease_s=lease_s, attempts=attempts)


def fail(
    database: Database, held: Claim, error: LucencyError | None = None, *, attempts: int = 5
) -> DeliveryState | None:
    with database.unit_of_work() as session:
        return deliveries.failed(
            session, held, error=error or DeliveryFailed(), attempts=attempts, retry_base=0.0, retry_cap=0.0
        )


def deliver(database: Database, held: Claim) -> bool:
    with database.unit_of_work() as session:
        return deliveries.delivered(session, held)


def rows(database: Database, columns: str = "state") -> list[Any]:
    with database.unit_of_work() as session:
        return [tuple(row) for row in session.execute(text(f"SELECT {columns} FROM delivery ORDER BY created_at"))]


def test_made_with_the_end_that_the_rule_tells_of(database: Database, site: UUID) -> None:
    with database.unit_of_work() as session:
        other = sites.create_site(session, "Other").id
    plain = add_rule(database, site)
    every = add_rule(database, site, name="every", events=list(ALL))
    add_rule(database, site, name="off", enabled=False, events=list(ALL))
    add_rule(database, other, name="other's", events=list(ALL))
    (succeeded,) = succeed(database, site)
    ended = {succeeded: "succeeded"} | ended_otherwise(database, site)
    with database.unit_of_work() as session:
        for job_id, state in ended.items():
            assert jobs.get(session, site_id=site, job_id=job_id).state == state
            told = {one.rule_id for one in deliveries.of_job(session, site_id=site, job_id=job_id)}
            assert told == ({plain, every} if state == "succeeded" else {every}), state
        assert set(ended.values()) == set(ALL)
        with pytest.raises(NotFound):
            deliveries.of_job(session, site_id=other, job_id=succeeded)
    # A job that waits for another attempt has not ended.
    with database.unit_of_work() as session:
        before = session.scalar(text("SELECT count(*) FROM delivery"))
        job = make_job(session, site)
        (held,) = jobs.claim(session, owner="tests", limit=1, lease_s=60)
        assert jobs.fail(session, held, error=EngineFailed()) is JobState.RETRY_WAIT
        assert session.scalar(text("SELECT count(*) FROM delivery")) == before
        assert job.id == held.job_id


def ended_otherwise(database: Database, site: UUID) -> dict[UUID, str]:
    """A job for each way to end without a result."""
    ended: dict[UUID, str] = {}
    with database.unit_of_work() as session:
        ended[jobs.cancel(session, site_id=site, job_id=make_job(session, site).id).id] = "cancelled"
        ended[make_job(session, site).id] = "cancelled"
        assert jobs.cancel_many(session, site_id=site, job_ids=list(ended)) == 1
        ended[make_job(session, site).id] = "failed"
        (held,) = jobs.claim(session, owner="tests", limit=1, lease_s=60)
        jobs.fail(session, held, error=DecodeFailed())
    with database.unit_of_work() as session:
        ended[make_job(session, site, max_attempts=1).id] = "dead"
        jobs.claim(session, owner="tests", limit=1, lease_s=0)
    with database.unit_of_work() as session:
        ended[make_job(session, site, deadline_s=0.0).id] = "expired"
    with database.unit_of_work() as session:
        jobs.sweep(session)
    return ended


def test_rolled_back_with_the_success(database: Database, site: UUID) -> None:
    add_rule(database, site)

    class Undone(Exception):
        pass

    with database.unit_of_work() as session:
        make_job(session, site)
        (held,) = jobs.claim(session, owner="tests", limit=1, lease_s=60)
        model = make_model(session).id

    def finish_and_fail() -> None:
        with database.unit_of_work() as session:
            jobs.succeed(session, [make_outcome(held, model)])
            raise Undone

    with pytest.raises(Undone):
        finish_and_fail()
    assert rows(database) == []
    with database.unit_of_work() as session:
        jobs.succeed(session, [make_outcome(held, model)])
        # A late finish of a worker that lost its fence makes none.
        jobs.succeed(session, [make_outcome(held, model)])
    assert rows(database) == [("pending",)]


def test_one_holder_at_a_time(database: Database, site: UUID) -> None:
    for number in range(4):
        add_rule(database, site, name=str(number))
    succeed(database, site, 25)
    seen: list[UUID] = []
    with ThreadPoolExecutor(4) as pool:
        while found := [one for some in pool.map(lambda _: take(database, limit=7), range(8)) for one in some]:
            # No more than the rules have room for, however many ask; those that ask at once may find as much each.
            assert len(found) <= 4 * deliveries.ABREAST * 4
            seen += [one.delivery_id for one in found]
            assert all(pool.map(lambda one: deliver(database, one), found))
    assert len(set(seen)) == len(seen) == 100
    assert rows(database) == [("delivered",)] * 100


def test_a_lost_lease_comes_back_and_its_late_end_changes_nothing(database: Database, site: UUID) -> None:
    add_rule(database, site)
    succeed(database, site)
    (first,) = take(database, lease_s=0.0)
    (second,) = take(database)
    assert (first.delivery_id, first.fence + 1, second.attempt) == (second.delivery_id, second.fence, 2)
    assert take(database) == []
    assert deliver(database, first) is False
    assert fail(database, first) is None
    assert rows(database) == [("pending",)]
    assert deliver(database, second) is True
    assert deliver(database, second) is False
    assert rows(database) == [("delivered",)]


def test_attempts_are_spent(database: Database, site: UUID) -> None:
    rule = add_rule(database, site)
    succeed(database, site)
    states = []
    for _ in range(3):
        open_again(database, rule)
        (held,) = take(database, attempts=3)
        states.append(fail(database, held, attempts=3))
    assert states == ["pending", "pending", "dead"]
    assert rows(database, "state, attempt, code") == [("dead", 3, "delivery_failed")]
    assert take(database, attempts=3) == []


def test_what_is_refused_is_dead_at_once(database: Database, site: UUID) -> None:
    add_rule(database, site)
    succeed(database, site)
    (held,) = take(database)
    assert fail(database, held, DeliveryRefused("No.")) is DeliveryState.DEAD
    assert rows(database, "state, attempt, code, detail") == [("dead", 1, "delivery_refused", "No.")]


def test_one_that_kills_its_process_is_buried(database: Database, site: UUID) -> None:
    add_rule(database, site)
    succeed(database, site)
    for _ in range(3):
        (held,) = take(database, lease_s=0.0, attempts=3)
    assert take(database, attempts=3) == []
    assert rows(database, "state, code") == [("dead", "delivery_failed")]
    assert deliver(database, held) is False


def open_again(database: Database, rule: UUID) -> None:
    """As if the time had passed."""
    with database.unit_of_work() as session:
        session.execute(text("UPDATE delivery_rule SET closed_until = NULL WHERE id = :rule"), {"rule": rule})


def circuit(session: Session, rule: UUID) -> tuple[int, float | None]:
    failures, left = session.execute(
        text("SELECT failures, extract(epoch FROM closed_until - now()) FROM delivery_rule WHERE id = :rule"),
        {"rule": rule},
    ).one()
    return failures, None if left is None else float(left)


def test_a_dead_target_holds_up_no_other(database: Database, site: UUID) -> None:
    bad = add_rule(database, site, name="bad")
    good = add_rule(database, site, name="good")
    succeed(database, site, 10)
    closed = False
    for _ in range(6):
        held = take(database, limit=8)
        for one in held:
            if one.rule_id == good:
                assert deliver(database, one)
            else:
                with database.unit_of_work() as session:
                    deliveries.failed(
                        session, one, error=DeliveryFailed(), attempts=9, retry_base=100.0, retry_cap=100.0
                    )
        closed = closed or all(one.rule_id == good for one in held)
    with database.unit_of_work() as session:
        failures, left = circuit(session, bad)
        assert circuit(session, good) == (0, None)
    assert closed
    assert failures == deliveries.ABREAST
    assert left is not None
    assert 100 < left <= 200
    assert [state for state, rule in rows(database, "state, rule_id") if rule == good] == ["delivered"] * 10
    # The others of the bad rule have spent no attempt.
    assert sorted(attempt for attempt, rule in rows(database, "attempt, rule_id") if rule == bad) == [0] * 6 + [1] * 4
    # Then one tries it, alone; when it succeeds all go.
    open_again(database, bad)
    (probe,) = take(database)
    assert take(database) == []
    assert deliver(database, probe)
    assert len(take(database)) == deliveries.ABREAST
    with database.unit_of_work() as session:
        assert circuit(session, bad) == (0, None)


def test_a_target_is_left_alone_after_so_many_failures(database: Database, site: UUID) -> None:
    rule = add_rule(database, site)
    succeed(database, site)
    for failures in range(1, deliveries.PATIENCE + 1):
        (held,) = take(database)
        with database.unit_of_work() as session:
            deliveries.failed(session, held, error=DeliveryFailed(), attempts=9, retry_base=1000.0, retry_cap=0.0)
            count, left = circuit(session, rule)
        assert (count, left is not None) == (failures, failures == deliveries.PATIENCE)
    assert take(database) == []


def test_retry_after_holds_for_the_whole_target(database: Database, site: UUID) -> None:
    rule = add_rule(database, site)
    succeed(database, site, 2)
    (held,) = take(database, limit=1)
    assert fail(database, held, DeliveryFailed(retry_after=500.0)) is DeliveryState.PENDING
    assert take(database) == []
    with database.unit_of_work() as session:
        failures, left = circuit(session, rule)
        (wait,) = session.execute(text("SELECT extract(epoch FROM max(run_after) - now()) FROM delivery")).one()
    assert failures == 1
    assert left is not None
    assert 490 < left <= 500
    assert 490 < wait <= 500


def test_full_jitter(database: Database, site: UUID) -> None:
    add_rule(database, site)
    succeed(database, site, 4)
    waits = []
    for held in take(database):
        with database.unit_of_work() as session:
            deliveries.failed(session, held, error=DeliveryFailed(), attempts=9, retry_base=1000.0, retry_cap=500.0)
    with database.unit_of_work() as session:
        waits = list(session.scalars(text("SELECT extract(epoch FROM run_after - now()) FROM delivery")))
    assert all(0 < wait <= 500 for wait in waits)
    assert len(set(waits)) == 4


def test_the_next_look(database: Database, site: UUID) -> None:
    def due() -> float | None:
        with database.unit_of_work() as session:
            return deliveries.next_due(session)

    assert due() is None
    add_rule(database, site)
    succeed(database, site)
    now = due()
    assert now is not None
    assert now <= 0
    take(database, lease_s=50.0)
    later = due()
    assert later is not None
    assert 40 < later <= 50


def test_redelivery(database: Database, site: UUID) -> None:
    add_rule(database, site)
    (job_id,) = succeed(database, site)
    (held,) = take(database)

    def again(delivery_id: UUID, site_id: UUID = site) -> UUID:
        with database.unit_of_work() as session:
            return deliveries.redeliver(session, site_id=site_id, delivery_id=delivery_id).id

    with pytest.raises(TransitionIllegal):
        again(held.delivery_id)
    fail(database, held, DeliveryRefused())
    with pytest.raises(NotFound):
        again(held.delivery_id, uuid7())
    second = again(held.delivery_id)
    assert again(held.delivery_id) == second
    (claimed,) = take(database)
    assert (claimed.delivery_id, claimed.job_id, claimed.attempt) == (second, job_id, 1)
    deliver(database, claimed)
    third = again(second)
    assert third not in (second, held.delivery_id)


def test_rules_and_their_records(database: Database, site: UUID) -> None:
    rule = add_rule(database, site)
    with pytest.raises(Conflict):
        add_rule(database, site)
    succeed(database, site)
    with database.unit_of_work() as session:
        other = sites.create_site(session, "Other").id
        for attempt in (
            lambda: delivery_rules.get(session, site_id=other, rule_id=rule),
            lambda: delivery_rules.remove(session, site_id=other, rule_id=rule, actor="tests"),
            lambda: delivery_rules.change(session, site_id=other, rule_id=rule, actor="tests", values={}),
        ):
            with pytest.raises(NotFound):
                attempt()
    with database.unit_of_work() as session:
        changed = delivery_rules.change(
            session, site_id=site, rule_id=rule, actor="tests", values={"enabled": False, "kind": "stow"}
        )
        assert (changed.enabled, changed.kind) == (False, "webhook")
    assert take(database) == []
    with database.unit_of_work() as session:
        delivery_rules.remove(session, site_id=site, rule_id=rule, actor="tests")
    assert rows(database) == []
    with database.unit_of_work() as session:
        records = [one for one in audit.page(session, site_id=site) if one.subject == f"delivery_rule {rule}"]
    assert [(one.action, one.detail["what"]) for one in records] == [
        ("site_changed", "added"),
        ("site_changed", "changed"),
        ("site_changed", "removed"),
    ]
    assert records[1].detail["fields"] == ["enabled"]
