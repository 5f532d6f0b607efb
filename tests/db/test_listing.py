"""Lists of jobs by what they are filtered by, and what is done to many at once, against the real Postgres."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from core.errors import DecodeFailed
from core.vocabulary import Decision, JobState, ThreeWay
from db.repositories import jobs
from db.repositories.jobs import Filter, FindingRecord
from db.session import Database, Session
from db.tables import Batch, BatchItem, Image, Job, Study
from tests.factories import make_image, make_job, make_model, make_outcome, make_site

REFER = {"decision": "refer", "coverage": 0.9, "lower": 0.2, "upper": 0.8}


def finding(label: str, probability: float, decision: Decision, three_way: str | None = None) -> FindingRecord:
    stated = REFER | {"decision": three_way} if three_way else None
    return FindingRecord(label, probability, 0.5, decision.value, three_way=stated)


def run(session: Session, model: UUID, **values: object) -> UUID:
    """The oldest queued job, done."""
    (claim,) = jobs.claim(session, owner="w", limit=1, lease_s=30)
    jobs.succeed(session, [make_outcome(claim, model, **values)])
    return claim.job_id


def fail(session: Session, code: str = "decode_failed") -> UUID:
    (claim,) = jobs.claim(session, owner="w", limit=1, lease_s=30)
    error = DecodeFailed()
    error.code = code  # type: ignore[misc]
    jobs.fail(session, claim, error=error)
    return claim.job_id


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        # The most probable positive one, though a negative is more probable.
        (
            {"findings": (finding("a", 0.6, Decision.POSITIVE, "refer"), finding("b", 0.9, Decision.NEGATIVE))},
            ("a", 0.6, "positive", "refer", "leg"),
        ),
        (
            {"findings": (finding("a", 0.1, Decision.NEGATIVE), finding("b", 0.3, Decision.NEGATIVE, "negative"))},
            ("b", 0.3, "negative", "negative", "leg"),
        ),
        # A region that a client had explained is no finding.
        (
            {"findings": (finding("leg", 0.9, Decision.POSITIVE), finding("a", 0.2, Decision.NEGATIVE))},
            ("a", 0.2, "negative", None, "leg"),
        ),
        ({"findings": ()}, ("leg", 0.9, None, None, "leg")),
        ({"findings": (), "probabilities": {"x": 0.3, "y": 0.7}}, ("y", 0.7, None, None, "leg")),
        (
            {"findings": (), "region": None, "region_probability": None, "region_probabilities": {}},
            (None, None, None, None, None),
        ),
    ],
)
def test_the_headline_of_a_result(
    database: Database, site: UUID, values: dict[str, object], expected: tuple[object, ...]
) -> None:
    with database.unit_of_work() as session:
        make_job(session, site)
        model = make_model(session).id
        job = jobs.get(session, site_id=site, job_id=run(session, model, **values))
        found = (job.result_label, job.result_probability, job.result_decision, job.result_three_way, job.result_region)
        assert found == expected
        assert job.model_version_id == model


def listed(session: Session, site: UUID, **values: object) -> set[UUID]:
    wanted = Filter(**values)  # type: ignore[arg-type]
    rows = jobs.page(session, site_id=site, wanted=wanted)
    assert jobs.count(session, site_id=site, wanted=wanted) == (len(rows), True)
    assert rows == sorted(rows, key=lambda job: (job.created_at, job.id), reverse=True)
    return {job.id for job in rows}


def test_every_filter(database: Database, site: UUID) -> None:
    """One job of each kind; each filter finds its own alone, and nothing at another Site."""
    with database.unit_of_work() as session:
        first, second = make_model(session).id, make_model(session).id
        study = Study(site_id=site, study_instance_uid="1.2.3")
        session.add(study)
        session.flush()
        make_job(session, site)
        positive = run(session, first, findings=(finding("Fracture", 0.9, Decision.POSITIVE, "positive"),))
        make_job(session, site)
        referred = run(session, second, region="hand", findings=(finding("lesion", 0.6, Decision.POSITIVE, "refer"),))
        make_job(session, site)
        plain = run(session, second, findings=(finding("lesion", 0.1, Decision.NEGATIVE),))
        make_job(session, site)
        failed = fail(session)
        again = jobs.replay(session, site_id=site, job_id=failed).id
        other = make_site(session).id
        image = make_image(session, site)
        session.get_one(Image, image.id).study_id = study.id
        queued = make_job(session, site, image_id=image.id, priority=7).id
        batch = Batch(site_id=site, request_hash="h", files=2)
        session.add(batch)
        session.flush()
        item = {"batch_id": batch.id, "sealed_path": b"x", "sha256": "a" * 64, "state": "job"}
        session.add_all([BatchItem(position=0, job_id=queued, **item), BatchItem(position=1, job_id=plain, **item)])
    everything = {positive, referred, plain, failed, again, queued}
    now = datetime.now(UTC)
    expected: list[tuple[dict[str, object], set[UUID]]] = [
        ({}, everything),
        ({"states": [JobState.FAILED, JobState.QUEUED]}, {failed, again, queued}),
        ({"states": [JobState.HELD]}, set()),
        ({"models": [first]}, {positive}),
        ({"models": [uuid4()]}, set()),
        ({"batch": batch.id}, {queued, plain}),
        ({"batch": batch.id, "states": [JobState.SUCCEEDED]}, {plain}),
        ({"batch": uuid4()}, set()),
        ({"priorities": [7]}, {queued}),
        ({"priorities": [-3]}, set()),
        ({"regions": ["hand"]}, {referred}),
        ({"decisions": [ThreeWay.REFER]}, {referred}),
        # Without a three-way decision the plain one counts; with it, that does not.
        ({"decisions": [ThreeWay.NEGATIVE]}, {plain}),
        ({"decisions": [ThreeWay.POSITIVE]}, {positive}),
        ({"decisions": [ThreeWay.POSITIVE], "states": [JobState.FAILED]}, set()),
        ({"codes": ["decode_failed"]}, {failed}),
        ({"codes": ["decode_failed"], "regions": ["hand"]}, set()),
        ({"text": "frac"}, {positive}),
        ({"text": "DECODE"}, {failed}),
        ({"text": "%"}, set()),
        ({"text": str(failed)}, {failed}),
        ({"text": str(failed).upper()[:30]}, {failed}),
        ({"text": str(image.id)}, {queued}),
        ({"text": str(study.id)}, {queued}),
        ({"text": str(uuid4())}, set()),
        ({"replayed": True}, {failed}),
        ({"replayed": False}, everything - {failed}),
        ({"replay_of": failed}, {again}),
        ({"created_from": now - timedelta(hours=1), "created_to": now + timedelta(hours=1)}, everything),
        ({"created_to": now - timedelta(hours=1)}, set()),
        ({"created_from": now + timedelta(hours=1)}, set()),
    ]
    with database.unit_of_work() as session:
        for values, found in expected:
            assert listed(session, site, **values) == found, values
            assert listed(session, other, **values) == set(), values
        # The same with the rows of a Site alone in sight.
    with database.unit_of_work(site_id=site) as session:
        for values, found in expected:
            assert listed(session, site, **values) == found, values


def test_pages_meet_and_counts_end_at_their_limit(database: Database, site: UUID) -> None:
    with database.unit_of_work() as session:
        image = make_image(session, site).id
        # One transaction, one time: the id decides, whichever states they are in.
        jobs_made = [make_job(session, site, image_id=image).id for _ in range(7)]
        for job_id in jobs_made[::2]:
            jobs.cancel(session, site_id=site, job_id=job_id)
    wanted = Filter(priorities=[0])
    seen: list[UUID] = []
    before = None
    with database.unit_of_work() as session:
        while page := jobs.page(session, site_id=site, wanted=wanted, limit=3, before=before):
            seen += [job.id for job in page]
            before = (page[-1].created_at, page[-1].id)
        assert jobs.count(session, site_id=site, wanted=wanted, limit=6) == (6, False)
        assert jobs.count(session, site_id=site, wanted=wanted, limit=7) == (7, True)
    assert seen == jobs_made[::-1]


def test_a_span_includes_its_start_and_not_its_end(database: Database, site: UUID) -> None:
    with database.unit_of_work() as session:
        at = make_job(session, site).created_at
    with database.unit_of_work() as session:
        assert len(listed(session, site, created_from=at)) == 1
        assert listed(session, site, created_to=at) == set()


def test_causes(database: Database, site: UUID) -> None:
    with database.unit_of_work() as session:
        for code in ("decode_failed", "engine_failed", "decode_failed"):
            make_job(session, site)
            fail(session, code)
        jobs.cancel(session, site_id=site, job_id=make_job(session, site).id)
    with database.unit_of_work() as session:
        found = jobs.causes(session, site_id=site, wanted=Filter())
        assert [(one.code, one.state.value, one.jobs) for one in found] == [
            ("decode_failed", "failed", 2), (None, "cancelled", 1), ("engine_failed", "failed", 1),
        ]  # fmt: skip
        assert jobs.causes(session, site_id=site, wanted=Filter(states=[JobState.QUEUED])) == []
        assert jobs.causes(session, site_id=make_site(session).id, wanted=Filter()) == []


def test_many_at_once(database: Database, site: UUID) -> None:
    """Each job in every state: what fits is done, the rest is told and left; asked again, nothing is done twice."""
    with database.unit_of_work() as session:
        other = make_job(session, make_site(session).id, priority=-5).id
        make_job(session, site)
        failed = fail(session)
        make_job(session, site)
        succeeded = run(session, make_model(session).id)
        queued = make_job(session, site, priority=3).id
        named = [failed, succeeded, queued, other, uuid4()]
    with database.unit_of_work() as session:
        again = jobs.replay_chosen(session, site_id=site, job_ids=named, actor="user x")
        assert again == jobs.Bulk(1, unfit=2, missing=2)
        (made,) = jobs.page(session, site_id=site, wanted=Filter(replay_of=failed))
        old = jobs.get(session, site_id=site, job_id=failed)
        assert (made.state, made.image_id, made.priority, made.explain) == ("queued", old.image_id, 0, old.explain)
        (event,) = jobs.events(session, site_id=site, job_id=made.id)
        assert (event.kind, event.owner) == ("replayed", "user x")
    with database.unit_of_work() as session:
        once = jobs.replay_chosen(session, site_id=site, job_ids=named, actor="user x")
        assert once == jobs.Bulk(0, unfit=2, repeated=1, missing=2)
    with database.unit_of_work() as session:
        done = jobs.cancel_chosen(session, site_id=site, job_ids=[*named, made.id], actor="user x")
        assert done == jobs.Bulk(2, unfit=2, missing=2)
        assert jobs.events(session, site_id=site, job_id=queued)[-1].owner == "user x"
        assert session.get_one(Job, other).state == "queued"
    with database.unit_of_work() as session:
        assert jobs.cancel_chosen(session, site_id=site, job_ids=named, actor="user x").done == 0


def test_no_more_are_retried_than_there_is_room(database: Database, site: UUID) -> None:
    with database.unit_of_work() as session:
        ended = [jobs.cancel(session, site_id=site, job_id=make_job(session, site).id).id for _ in range(3)]
    with database.unit_of_work() as session:
        done = jobs.replay_chosen(session, site_id=site, job_ids=ended, actor="user x", site_active_limit=2)
        assert done == jobs.Bulk(2, no_room=1)
    with database.unit_of_work() as session:
        assert session.scalar(text("SELECT count(*) FROM job WHERE state = 'queued'")) == 2


def test_two_people_retry_the_same_jobs_at_once(database: Database, site: UUID) -> None:
    """The second waits for the first, and then sees what it made."""
    import threading

    with database.unit_of_work() as session:
        ended = [jobs.cancel(session, site_id=site, job_id=make_job(session, site).id).id for _ in range(20)]
    gate, found = threading.Barrier(2), []

    def retry() -> None:
        gate.wait()
        with database.unit_of_work() as session:
            found.append(jobs.replay_chosen(session, site_id=site, job_ids=ended, actor="user x"))

    threads = [threading.Thread(target=retry) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted((one.done, one.repeated) for one in found) == [(0, 20), (20, 0)]
