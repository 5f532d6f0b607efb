"""Random lives of a Study on the real Postgres, held against a model of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import text

from core.errors import DecodeFailed
from core.settings import Settings
from db.repositories import erasure, jobs
from db.session import Database
from db.tables import StudyResult
from tests.factories import make_image, make_job
from tests.worker.maintenance.exams import finish, model, only_finding, quiet
from worker.maintenance.studies import settle_due


@dataclass
class Known:
    """An image as the test knows it: of its jobs the states, and what each ModelVersion said last."""

    image_id: UUID
    active: list[UUID] = field(default_factory=list)
    unsuccessful: UUID | None = None
    said: dict[UUID, float] = field(default_factory=dict)


class Exam:
    """One Study, driven by events and held against a model of it."""

    def __init__(self, database: Database, site: UUID, settings: Settings, uid: str) -> None:
        self.database, self.site, self.settings, self.uid = database, site, settings, uid
        self.images: list[Known] = []
        self.state, self.revision, self.study_id = "absent", 0, None
        self.quiet = self.postponed = False
        with database.unit_of_work() as session:
            # Jobs of another example must not be claimed here.
            session.execute(text("UPDATE job SET state = 'cancelled', finished_at = now(), lease_owner = NULL,"
                                 " lease_expires_at = NULL WHERE finished_at IS NULL"))  # fmt: skip
            self.versions = [model(session)]

    def opened(self) -> None:
        self.state, self.quiet, self.postponed = "open", False, False

    def late_image(self) -> None:
        with self.database.unit_of_work() as session:
            image = make_image(session, self.site, study_instance_uid=self.uid)
            self.images.append(Known(image.id, [make_job(session, self.site, image_id=image.id).id]))
            self.study_id = image.study_id
        self.opened()

    def again(self, index: int) -> None:
        image = self.images[index % len(self.images)]
        with self.database.unit_of_work() as session:
            image.active.append(make_job(session, self.site, image_id=image.image_id).id)
        self.opened()

    def work(self, probability: float, *, fails: bool) -> None:
        with self.database.unit_of_work() as session:
            claims = jobs.claim(session, owner="tests", limit=1, lease_s=600)
            for claim in claims:
                (image,) = [one for one in self.images if one.image_id == claim.image_id]
                image.active.remove(claim.job_id)
                if fails:
                    jobs.fail(session, claim, error=DecodeFailed())
                    image.unsuccessful = claim.job_id
                else:
                    finish(session, claim, self.versions[-1], probability)
                    image.said[self.versions[-1]] = probability

    def retry(self) -> None:
        for image in self.images:
            if image.unsuccessful is not None:
                with self.database.unit_of_work() as session:
                    replayed = jobs.replay(session, site_id=self.site, job_id=image.unsuccessful)
                    image.active.append(replayed.id)
                image.unsuccessful = None
                self.opened()
                return

    def erase(self, index: int) -> None:
        image = self.images.pop(index % len(self.images))
        with self.database.unit_of_work() as session:
            (chosen,) = erasure.by_image(session, site_id=self.site, image_id=image.image_id)
            erasure.stop_jobs(session, chosen)
            erasure.remove(session, chosen, key=None)
        if self.images:
            self.state, self.postponed = "open", False
            with self.database.unit_of_work() as session:  # what was said with it does not wait for the next look
                row = session.get(StudyResult, self.study_id)
                assert row is not None
                assert (row.findings, row.model_version_id, row.images) == (None, None, 0)
        else:  # with its last image it is gone; the next one makes it anew
            self.state, self.revision = "absent", 0

    def activate(self) -> None:
        with self.database.unit_of_work() as session:
            self.versions.append(model(session))

    def wait(self) -> None:
        quiet(self.database)
        self.quiet, self.postponed = True, False

    def settle(self) -> None:
        settle_due(self.database, self.settings)
        due = self.state == "open" and self.quiet and not self.postponed
        if due and not any(image.active for image in self.images):
            self.state, self.revision = "settled", self.revision + 1
        elif due:
            self.postponed = True

    def check(self) -> None:
        with self.database.unit_of_work() as session:
            row = session.get(StudyResult, self.study_id) if self.study_id else None
        assert (row.state if row else "absent", row.revision if row else 0) == (self.state, self.revision)
        if row is None or self.state != "settled":
            return
        spoken = [version for version in self.versions if any(version in image.said for image in self.images)]
        values = [image.said[spoken[-1]] for image in self.images if spoken and spoken[-1] in image.said]
        failed = sum(not image.said for image in self.images)
        assert (row.images, row.failed_images) == (len(self.images), failed)
        assert row.other_images == len(self.images) - failed - len(values)
        if not values:
            assert (row.findings, row.model_version_id) == ([], None)
            return
        found = only_finding(row)
        assert found["probability"] == pytest.approx(sum(values) / len(values))
        assert (row.model_version_id, found["images"]) == (spoken[-1], len(values))


def test_random_exams(  # noqa: C901 — one function an event
    database: Database, site: UUID, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "worker.maintenance.studies.BUSY_PAUSE_S", 3600.0
    )  # a busy one is looked at when `wait` says so
    counter = iter(range(10_000))

    class Machine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.exam = Exam(database, site, settings, f"2.{next(counter)}")

        @precondition(lambda self: len(self.exam.images) < 5)
        @rule()
        def late_image(self) -> None:
            self.exam.late_image()

        @precondition(lambda self: self.exam.images)
        @rule(index=st.integers(0, 9))
        def again(self, index: int) -> None:
            self.exam.again(index)

        @rule(probability=st.floats(0, 1), fails=st.booleans())
        def work(self, probability: float, fails: bool) -> None:
            self.exam.work(probability, fails=fails)

        @rule()
        def retry(self) -> None:
            self.exam.retry()

        @precondition(lambda self: self.exam.images)
        @rule(index=st.integers(0, 9))
        def erase(self, index: int) -> None:
            self.exam.erase(index)

        @rule()
        def activate(self) -> None:
            self.exam.activate()

        @rule()
        def wait_and_settle(self) -> None:
            self.exam.wait()
            self.exam.settle()

        @rule()
        def settle(self) -> None:
            self.exam.settle()

        @invariant()
        def agrees(self) -> None:
            self.exam.check()

    run_state_machine_as_test(
        Machine,
        settings=hypothesis_settings(
            max_examples=15,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
