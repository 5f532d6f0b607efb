"""Every (state, event) pair on the real Postgres against a model of the life of a job, legal and illegal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import text

from core.errors import DecodeFailed, EngineFailed, TransitionIllegal
from core.vocabulary import JobState, MediaKind
from db.repositories import jobs
from db.session import Database
from tests.factories import make_image, make_job, make_model, make_outcome

MAX_ATTEMPTS, MAX_CRASHES = 3, 2
EVENTS = (
    "claim", "succeed", "zombie", "fail", "retry", "release", "lost_lease", "deadline", "cancel", "replay", "heartbeat",
    "release_held",
)  # fmt: skip
ACTIVE = ("held", "queued", "running", "retry_wait")
COVERED: set[tuple[str, str]] = set()


@dataclass
class Model:
    job_id: UUID
    state: str = "queued"
    attempt: int = 0
    crashes: int = 0
    fence: int = 0
    events: int = 1


def claim_of(job: Model, fence: int) -> jobs.Claim:
    return jobs.Claim(
        job_id=job.job_id,
        site_id=job.job_id,
        fence=fence,
        attempt=1,
        crash_count=0,
        image_id=job.job_id,
        sha256="",
        size_bytes=1,
        media_kind=MediaKind.PNG,
        explain=(),
        queued_ms=0.0,
    )


class Life:
    """One job, driven by events; each checks what Postgres did against the model."""

    def __init__(
        self, database: Database, site: UUID, model_id: UUID, *, max_attempts: int = MAX_ATTEMPTS, held: bool = False
    ) -> None:
        self.database, self.site, self.model_id, self.max_attempts = database, site, model_id, max_attempts
        with database.unit_of_work() as session:
            # Nothing of an earlier life may be claimed instead.
            session.execute(
                text(
                    "UPDATE job SET state = 'cancelled', finished_at = now(), lease_owner = NULL,"
                    " lease_expires_at = NULL WHERE finished_at IS NULL"
                )
            )
            image_id = make_image(session, site, quarantined=held).id
            job = make_job(session, site, image_id=image_id, max_attempts=max_attempts)
            self.model = Model(job.id, state="held" if held else "queued")

    def apply(self, event: str) -> None:
        COVERED.add((self.model.state, event))
        getattr(self, event)()
        self.check()

    def sql(self, statement: str) -> None:
        with self.database.unit_of_work() as session:
            session.execute(text(statement + " AND id = :id"), {"id": self.model.job_id})

    def moved(self, state: str) -> None:
        self.model.state = state
        self.model.events += 1

    def claim(self) -> None:
        self.sql("UPDATE job SET run_after = now() WHERE state = 'retry_wait'")
        with self.database.unit_of_work() as session:
            got = jobs.claim(session, owner="w", limit=4, lease_s=30)
        if self.model.state in ("queued", "retry_wait"):
            assert [(c.job_id, c.fence) for c in got] == [(self.model.job_id, self.model.fence + 1)]
            self.model.fence += 1
            self.model.attempt += 1
            self.moved("running")
        else:
            assert got == []

    def _finish(self, fence: int) -> set[UUID]:
        with self.database.unit_of_work() as session:
            return jobs.succeed(session, [make_outcome(claim_of(self.model, fence), self.model_id)])

    def succeed(self) -> None:
        done = self._finish(self.model.fence)
        assert done == ({self.model.job_id} if self.model.state == "running" else set())
        if done:
            self.moved("succeeded")

    def zombie(self) -> None:
        stale = (self.model.job_id, self.model.fence - 1)
        assert self._finish(stale[1]) == set()
        with self.database.unit_of_work() as session:
            assert jobs.fail(session, stale, error=DecodeFailed()) is None
            assert jobs.release(session, [stale]) == 0
            assert jobs.heartbeat(session, owner="w", held=[stale], lease_s=30) == set()

    def _fail(self, error: Any, expected: str) -> None:
        with self.database.unit_of_work() as session:
            state = jobs.fail(session, (self.model.job_id, self.model.fence), error=error)
        if self.model.state == "running":
            assert state == expected
            self.moved(expected)
        else:
            assert state is None

    def fail(self) -> None:
        self._fail(DecodeFailed(), "failed")

    def retry(self) -> None:
        self._fail(EngineFailed(), "dead" if self.model.attempt >= self.max_attempts else "retry_wait")

    def release(self) -> None:
        with self.database.unit_of_work() as session:
            count = jobs.release(session, [(self.model.job_id, self.model.fence)])
        assert count == (self.model.state == "running")
        if count:
            self.model.attempt -= 1
            self.moved("queued")

    def release_held(self) -> None:
        if self.model.state == "held":
            with self.database.unit_of_work() as session:
                released = jobs.release_held(session, site_id=self.site, job_id=self.model.job_id, actor="key x")
                assert not released.image.quarantined
            self.moved("queued")
        else:
            with pytest.raises(TransitionIllegal), self.database.unit_of_work() as session:
                jobs.release_held(session, site_id=self.site, job_id=self.model.job_id, actor="key x")

    def lost_lease(self) -> None:
        self.sql("UPDATE job SET lease_expires_at = now() - interval '1 s' WHERE state = 'running'")
        if self.model.state == "running":
            with self.database.unit_of_work() as session:
                held = [(self.model.job_id, self.model.fence)]
                assert jobs.heartbeat(session, owner="w", held=held, lease_s=30) == set()
        with self.database.unit_of_work() as session:
            report = jobs.sweep(session, max_crashes=MAX_CRASHES)
        if self.model.state != "running":
            assert (report.recovered, report.died) == (0, 0)
            return
        self.model.crashes += 1
        dead = self.model.crashes >= MAX_CRASHES or self.model.attempt >= self.max_attempts
        assert (report.recovered, report.died) == (not dead, dead)
        self.moved("dead" if dead else "retry_wait")

    def deadline(self) -> None:
        self.sql("UPDATE job SET deadline_at = now() - interval '1 s' WHERE true")
        with self.database.unit_of_work() as session:
            assert jobs.claim(session, owner="w", limit=4, lease_s=30) == []
            report = jobs.sweep(session, max_crashes=MAX_CRASHES)
        expires = self.model.state in ("queued", "retry_wait")
        assert report.expired == expires
        if expires:
            self.moved("expired")
        self.sql("UPDATE job SET deadline_at = now() + interval '1 h' WHERE true")

    def cancel(self) -> None:
        if self.model.state in ACTIVE:
            with self.database.unit_of_work() as session:
                assert jobs.cancel(session, site_id=self.site, job_id=self.model.job_id).state == "cancelled"
            self.moved("cancelled")
        else:
            with pytest.raises(TransitionIllegal), self.database.unit_of_work() as session:
                jobs.cancel(session, site_id=self.site, job_id=self.model.job_id)

    def replay(self) -> None:
        if self.model.state in ("failed", "dead", "cancelled", "expired"):
            with self.database.unit_of_work() as session:
                new = jobs.replay(session, site_id=self.site, job_id=self.model.job_id)
                assert (new.state, new.replay_of, new.attempt) == ("queued", self.model.job_id, 0)
                jobs.cancel(session, site_id=self.site, job_id=new.id)
        else:
            with pytest.raises(TransitionIllegal), self.database.unit_of_work() as session:
                jobs.replay(session, site_id=self.site, job_id=self.model.job_id)

    def heartbeat(self) -> None:
        with self.database.unit_of_work() as session:
            kept = jobs.heartbeat(session, owner="w", held=[(self.model.job_id, self.model.fence)], lease_s=30)
        assert kept == ({self.model.job_id} if self.model.state == "running" else set())

    def check(self) -> None:
        with self.database.unit_of_work() as session:
            job = jobs.get(session, site_id=self.site, job_id=self.model.job_id)
            seen = jobs.events(session, site_id=self.site, job_id=self.model.job_id)
            predictions = session.scalar(
                text("SELECT count(*) FROM prediction WHERE job_id = :id"), {"id": self.model.job_id}
            )
        model = self.model
        assert (job.state, job.attempt, job.crash_count, job.fence) == (
            model.state, model.attempt, model.crashes, model.fence,
        )  # fmt: skip
        assert len(seen) == model.events
        assert seen[-1].state == model.state
        assert [event.fence for event in seen] == sorted(event.fence for event in seen)
        assert predictions == (model.state == "succeeded")


# How to come to each state from queued; one is born held.
PATHS = {
    "held": (),
    "queued": (),
    "running": ("claim",),
    "retry_wait": ("claim", "retry"),
    "succeeded": ("claim", "succeed"),
    "failed": ("claim", "fail"),
    "dead": ("claim", "lost_lease", "claim", "lost_lease"),
    "cancelled": ("cancel",),
    "expired": ("deadline",),
}


@pytest.fixture
def model_id(database: Database) -> UUID:
    with database.unit_of_work() as session:
        return make_model(session).id


def test_every_pair_of_state_and_event(database: Database, site: UUID, model_id: UUID) -> None:
    COVERED.clear()
    for state, path in PATHS.items():
        for event in EVENTS:
            life = Life(database, site, model_id, held=state == "held")
            for step in path:
                life.apply(step)
            assert life.model.state == state
            life.apply(event)
    assert {(state.value, event) for state in JobState for event in EVENTS} <= COVERED


@pytest.mark.parametrize(("max_attempts", "event", "rounds"), [(3, "retry", 3), (9, "lost_lease", MAX_CRASHES)])
def test_attempts_and_crashes_are_bounded(
    database: Database, site: UUID, model_id: UUID, max_attempts: int, event: str, rounds: int
) -> None:
    life = Life(database, site, model_id, max_attempts=max_attempts)
    for _ in range(rounds):
        assert life.model.state != "dead"
        life.apply("claim")
        life.apply(event)
    assert life.model.state == "dead"


def test_random_lives(database: Database, site: UUID, model_id: UUID) -> None:
    class Machine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.life = Life(database, site, model_id)

        @rule(event=st.sampled_from(EVENTS))
        def any_event(self, event: str) -> None:
            self.life.apply(event)

        @precondition(lambda self: self.life.model.state in ("queued", "retry_wait"))
        @rule()
        def claimed(self) -> None:
            self.life.apply("claim")

        @invariant()
        def agrees(self) -> None:
            self.life.check()

    run_state_machine_as_test(
        Machine,
        settings=hypothesis_settings(
            max_examples=25,
            stateful_step_count=15,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
