"""When Studies settle and open again, and what they then say; on the real Postgres."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from core.errors import DecodeFailed
from core.settings import Settings
from db.repositories import jobs, studies
from db.session import Database
from tests.factories import make_image, make_job
from tests.worker.factories import QUICK, services, until
from tests.worker.maintenance.exams import LOWER, THRESHOLD, UPPER, add_image, judge, model, of, only_finding, quiet
from worker.maintenance.studies import settle_due


def test_a_study_is_judged_when_it_is_quiet_and_done(database: Database, site: UUID, settings: Settings) -> None:
    with database.unit_of_work() as session:
        version = model(session)
        for _ in range(3):
            add_image(session, site, "1.2")
    assert (of(database, site).state, of(database, site).revision) == ("open", 0)
    judge(database, version, 0.9, 0.8)
    quiet(database)
    assert settle_due(database, settings) == 0  # one is not judged yet
    judge(database, version, 0.1)
    assert settle_due(database, settings) == 0  # it was just looked at
    quiet(database)
    assert settle_due(database, settings) == 1
    result = of(database, site)
    assert (result.state, result.revision, result.images, result.failed_images) == ("settled", 1, 3, 0)
    assert (result.rule, result.model_version_id) == ("mean", version)
    assert only_finding(result) == {
        "label": "fracture",
        "probability": pytest.approx(0.6),
        "threshold": THRESHOLD,
        "decision": "positive",
        "three_way": {"decision": "refer", "coverage": None, "lower": LOWER, "upper": UPPER},
        "images": 3,
    }
    assert settle_due(database, settings) == 0


def test_not_before_it_was_quiet_for_so_long(database: Database, site: UUID, settings: Settings) -> None:
    with database.unit_of_work() as session:
        version = model(session)
        add_image(session, site, "1.2")
    judge(database, version, 0.9)
    assert settle_due(database, settings.model_copy(update={"study_quiet": 30.0})) == 0
    time.sleep(0.2)
    assert settle_due(database, settings.model_copy(update={"study_quiet": 0.1})) == 1


@pytest.mark.parametrize(("rule", "probability"), [("mean", 0.5), ("max", 0.8), (None, 0.5)])
def test_the_rule_is_the_bundle_s(
    database: Database, site: UUID, settings: Settings, rule: str | None, probability: float
) -> None:
    with database.unit_of_work() as session:
        version = model(session, rule=rule)
        add_image(session, site, "1.2")
        add_image(session, site, "1.2")
    judge(database, version, 0.8, 0.2)
    quiet(database)
    settle_due(database, settings)
    assert only_finding(of(database, site))["probability"] == probability
    assert of(database, site).rule == (rule or "mean")


def test_a_late_image_opens_it_again(database: Database, site: UUID, settings: Settings) -> None:
    with database.unit_of_work() as session:
        version = model(session)
        add_image(session, site, "1.2")
    judge(database, version, 0.9)
    quiet(database)
    settle_due(database, settings)
    with database.unit_of_work() as session:
        add_image(session, site, "1.2")
    assert of(database, site).state == "open"
    judge(database, version, 0.7)
    quiet(database)
    settle_due(database, settings)
    result = of(database, site)
    assert (result.state, result.revision, result.images) == ("settled", 2, 2)
    assert only_finding(result)["probability"] == pytest.approx(0.8)


def test_failed_images_are_counted_and_a_retry_supersedes(database: Database, site: UUID, settings: Settings) -> None:
    with database.unit_of_work() as session:
        version = model(session)
        add_image(session, site, "1.2")
        add_image(session, site, "1.2")
    judge(database, version, 0.95)
    with database.unit_of_work() as session:
        (claim,) = jobs.claim(session, owner="tests", limit=1, lease_s=600)
        jobs.fail(session, claim, error=DecodeFailed())
    quiet(database)
    settle_due(database, settings)
    result = of(database, site)
    assert (result.images, result.failed_images) == (2, 1)
    # What is missing could say otherwise: a human should look.
    assert only_finding(result)["three_way"]["decision"] == "refer"
    with database.unit_of_work() as session:
        jobs.replay(session, site_id=site, job_id=claim.job_id)
    assert of(database, site).state == "open"
    judge(database, version, 0.85)
    quiet(database)
    settle_due(database, settings)
    result = of(database, site)
    assert (result.revision, result.failed_images) == (2, 0)
    assert only_finding(result)["probability"] == pytest.approx(0.9)
    assert only_finding(result)["three_way"]["decision"] == "positive"


def test_nothing_could_be_judged(database: Database, site: UUID, settings: Settings) -> None:
    with database.unit_of_work() as session:
        model(session)
        image_id = add_image(session, site, "1.2")
        session.execute(text("UPDATE job SET state = 'cancelled', finished_at = now()"))
    quiet(database)
    settle_due(database, settings)
    result = of(database, site)
    assert (result.state, result.images, result.failed_images) == ("settled", 1, 1)
    assert (result.findings, result.model_version_id, result.rule) == ([], None, None)
    with database.unit_of_work() as session:
        studies.reopen(session, image_id=image_id)
    assert of(database, site).state == "open"


@pytest.mark.parametrize(
    "strange", [{"sanity": {"accepted": False, "flags": []}}, {"routing": {"specialist": "hand", "referred": True}}]
)
def test_an_image_for_a_human_makes_the_study_so(
    database: Database, site: UUID, settings: Settings, strange: dict[str, Any]
) -> None:
    with database.unit_of_work() as session:
        version = model(session)
        add_image(session, site, "1.2")
        add_image(session, site, "1.2")
    judge(database, version, 0.95, sanity={"accepted": True, "flags": []})
    judge(database, version, 0.95, **strange)
    quiet(database)
    settle_due(database, settings)
    assert only_finding(of(database, site))["three_way"]["decision"] == "refer"


def test_one_model_judges_a_study(database: Database, site: UUID, settings: Settings) -> None:
    """Images by an older and a newer version: the newer's alone, the others are counted; judged again, they join."""
    with database.unit_of_work() as session:
        old = model(session)
        first = add_image(session, site, "1.2")
    judge(database, old, 0.9)
    with database.unit_of_work() as session:
        new = model(session)
        add_image(session, site, "1.2")
    judge(database, new, 0.1)
    quiet(database)
    settle_due(database, settings)
    result = of(database, site)
    assert (result.model_version_id, result.images, result.failed_images, result.other_images) == (new, 2, 0, 1)
    assert (only_finding(result)["probability"], only_finding(result)["images"]) == (0.1, 1)
    assert only_finding(result)["three_way"]["decision"] == "refer"
    with database.unit_of_work() as session:
        make_job(session, site, image_id=first)
    judge(database, new, 0.2)
    quiet(database)
    settle_due(database, settings)
    result = of(database, site)
    assert (result.other_images, only_finding(result)["probability"]) == (0, pytest.approx(0.15))
    with database.unit_of_work() as session:
        members = studies.page_of_members(session, study_id=result.study_id, model_version_id=new)
        assert [member.image_id for member in members][-1] == first
        assert all(member.job_id == member.used_job_id for member in members)


def test_a_held_image_is_not_waited_for_and_opens_it_when_released(
    database: Database, site: UUID, settings: Settings
) -> None:
    with database.unit_of_work() as session:
        version = model(session)
        add_image(session, site, "1.2")
        image = make_image(session, site, study_instance_uid="1.2", quarantined=True)
        held = make_job(session, site, image_id=image.id)
        assert held.state == "held"
    judge(database, version, 0.9)
    quiet(database)
    settle_due(database, settings)
    result = of(database, site)
    assert (result.state, result.images, result.failed_images) == ("settled", 2, 1)
    with database.unit_of_work() as session:
        jobs.release_held(session, site_id=site, job_id=held.id, actor="tests")
    assert of(database, site).state == "open"
    judge(database, version, 0.7)
    quiet(database)
    settle_due(database, settings)
    result = of(database, site)
    assert (result.failed_images, only_finding(result)["probability"]) == (0, pytest.approx(0.8))


def test_what_belongs_to_no_study_makes_none(database: Database, site: UUID) -> None:
    with database.unit_of_work() as session:
        make_job(session, site)
        assert studies.page(session, site_id=site) == []


def test_many_busy_studies_do_not_hold_up_the_others(
    database: Database, site: UUID, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.maintenance.studies.AT_ONCE", 3)
    with database.unit_of_work() as session:
        version = model(session)
        add_image(session, site, "done")
    judge(database, version, 0.9)
    with database.unit_of_work() as session:
        for number in range(9):
            add_image(session, site, f"busy {number}")
        session.execute(
            text(
                "UPDATE study_result SET last_image_at = now() - interval '1 h', look_after = now() - interval '1 min'"
                " * (SELECT CASE study_instance_uid WHEN 'done' THEN 1 ELSE 2 END FROM study"
                " WHERE study.id = study_result.study_id)"
            )
        )
    assert settle_due(database, settings) == 1
    assert of(database, site, "done").state == "settled"


def test_beat_has_them_settled(database: Database, site: UUID, settings: Settings, tmp_path: Path) -> None:
    with database.unit_of_work() as session:
        version = model(session)
        add_image(session, site, "1.2")
    judge(database, version, 0.9)
    with services(settings.model_copy(update=QUICK | {"study_quiet": 0.3}), tmp_path):
        until(lambda: of(database, site).state == "settled", timeout=60)
    assert of(database, site).revision == 1
