"""The result record as it is read from the rows."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event

from core.errors import NotFound, ResultNotReady
from core.result_record import Box
from core.vocabulary import Decision, MediaKind
from db.repositories import images, jobs, results
from db.repositories.jobs import FindingRecord
from db.session import Database
from tests.factories import HEATMAP, make_job, make_model, make_outcome, make_site

LIMITS = ["Hands only.", "One country."]
MANIFEST = {
    "thresholds": {"fracture": {"value": 0.5, "rule": "Youden"}},
    "routing": {"specialists": {"hand": {"thresholds": {"fracture": {"value": 0.4, "rule": "the hand's own"}}}}},
    "training": {"recipe": {"limits": LIMITS}},
}


def succeeded(database: Database, site: UUID, *, manifest: dict[str, Any] | None = None, **outcome: Any) -> UUID:
    """A Job on a DICOM image that has a result."""
    with database.unit_of_work() as session:
        version = make_model(session, manifest=manifest or MANIFEST).id
        image = images.add(
            session,
            site_id=site,
            sha256=uuid4().hex * 2,
            size_bytes=10,
            media_kind=MediaKind.DICOM,
            rows=640,
            columns=480,
            bits_stored=12,
            modality="DX",
            sop_class_uid="1.2.840.10008.5.1.4.1.1.1.1",
            sop_instance_uid=f"2.25.{uuid4().int}",
            study_instance_uid="2.25.77",
        )
        job_id = make_job(session, site, image_id=image.id).id
        claims = jobs.claim(session, owner="test", limit=10, lease_s=30)
        assert jobs.succeed(session, [make_outcome(claim, version, **outcome) for claim in claims]) == {job_id}
    return job_id


def test_a_record_is_whole_and_takes_two_queries(database: Database, site: UUID) -> None:
    findings = (
        FindingRecord("fracture", 0.7, 0.5, Decision.POSITIVE.value, HEATMAP, [{"x": 1.0, "y": 2.0, "width": 3.0}]),
        FindingRecord("leg", 0.9, 0.5, Decision.POSITIVE.value),
        FindingRecord("cyst", 0.2, 0.5, Decision.NEGATIVE.value, three_way={"decision": "refer"}, stability=0.75),
    )
    produced = {"libraries": {"lucency": "0.0.7", "numpy": "2.1.0"}}
    job_id = succeeded(database, site, findings=findings, probabilities={"x": 0.3}, produced_by=produced)
    statements: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    with database.unit_of_work() as session:
        record = results.record(session, site_id=site, job_id=job_id)
    assert len([statement for statement in statements if statement.startswith("SELECT")]) == 2
    assert (record.job_id, record.site_id, record.image.study_instance_uid) == (job_id, site, "2.25.77")
    assert (record.image.modality, record.rows, record.columns) == ("DX", 640, 480)
    assert record.window == (0.0, 0.1, 1.0, 0.9)
    assert [(one.label, one.role) for one in record.findings] == [
        ("fracture", "finding"),
        ("leg", "region"),
        ("cyst", "finding"),
    ]
    assert [one.label for one in record.judged] == ["fracture", "cyst"]
    assert record.findings[0].regions == (Box(1.0, 2.0, 3.0, 0.0, 0.0),)
    assert (record.findings[2].three_way, record.findings[2].stability) == ({"decision": "refer"}, 0.75)
    assert record.shown is record.findings[0]
    assert record.limits == tuple(LIMITS)
    assert record.rules == {"fracture": "Youden"}
    assert record.release == "0.0.7"
    assert record.predicted_at >= record.submitted_at
    assert record.predicted_at.tzinfo is not None


def test_a_specialist_s_threshold_has_its_own_rule(database: Database, site: UUID) -> None:
    routing = {"specialist": "hand", "probability": 0.9, "referred": False}
    job_id = succeeded(database, site, routing=routing)
    with database.unit_of_work() as session:
        assert results.record(session, site_id=site, job_id=job_id).rules == {"fracture": "the hand's own"}


def test_a_manifest_of_another_form_has_no_limits(database: Database, site: UUID) -> None:
    job_id = succeeded(database, site, manifest={"training": None, "thresholds": ["odd"]})
    with database.unit_of_work() as session:
        record = results.record(session, site_id=site, job_id=job_id)
    assert (record.limits, record.rules, record.release) == ((), {}, None)


def test_what_has_no_result_for_this_site(database: Database, site: UUID) -> None:
    job_id = succeeded(database, site)
    with database.unit_of_work() as session:
        other = make_site(session).id
        waiting = make_job(session, site).id
        known = results.records(session, site_id=site, job_ids=[job_id, waiting, uuid4()])
        assert list(known) == [job_id]
        assert results.records(session, site_id=other, job_ids=[job_id]) == {}
        with pytest.raises(ResultNotReady):
            results.record(session, site_id=site, job_id=waiting)
        for where, which in ((other, job_id), (site, uuid4())):
            with pytest.raises(NotFound):
                results.record(session, site_id=where, job_id=which)
