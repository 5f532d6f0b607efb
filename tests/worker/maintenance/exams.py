"""Studies for tests: their images and jobs, judged by hand, with the quiet time over at will."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import text

from core.vocabulary import Decision
from db.repositories import jobs, studies
from db.repositories.jobs import Claim, FindingRecord
from db.session import Database, Session
from db.tables import StudyResult
from tests.factories import make_image, make_job, make_model, make_outcome

THRESHOLD, LOWER, UPPER = 0.5, 0.4, 0.6
LIMITS = {"decision": "refer", "coverage": 0.9, "lower": LOWER, "upper": UPPER}


def model(session: Session, *, rule: str | None = "mean") -> UUID:
    """An active ModelVersion whose Bundle has this rule (None: of a release that had none)."""
    manifest: dict[str, Any] = {"name": "lucency", "thresholds": {"fracture": {"value": THRESHOLD}}}
    return make_model(session, manifest=manifest if rule is None else manifest | {"study": rule}).id


def add_image(session: Session, site: UUID, uid: str) -> UUID:
    """A new image of the Study `uid`, with its Job."""
    image = make_image(session, site, study_instance_uid=uid)
    make_job(session, site, image_id=image.id)
    return image.id


def finish(session: Session, claim: Claim, version: UUID, probability: float, **values: Any) -> None:
    decision = Decision.POSITIVE if probability >= THRESHOLD else Decision.NEGATIVE
    finding = FindingRecord("fracture", probability, THRESHOLD, decision.value, three_way=LIMITS)
    # What a client had explained beside the Findings is none.
    region = FindingRecord("leg", 0.99, 0.5, Decision.POSITIVE.value)
    outcome = make_outcome(claim, version, findings=(region, finding), **values)
    assert jobs.succeed(session, [outcome]) == {claim.job_id}


def judge(database: Database, version: UUID, *probabilities: float, **values: Any) -> None:
    """Claim as many jobs, the oldest first, and finish them with these."""
    with database.unit_of_work() as session:
        claims = jobs.claim(session, owner="tests", limit=len(probabilities), lease_s=600)
        for claim, probability in zip(claims, probabilities, strict=True):
            finish(session, claim, version, probability, **values)


def quiet(database: Database) -> None:
    """As if the quiet time were over."""
    with database.unit_of_work() as session:
        session.execute(
            text("UPDATE study_result SET last_image_at = now() - interval '1 h', look_after = now() - interval '1 h'")
        )


def of(database: Database, site: UUID, uid: str = "1.2") -> StudyResult:
    with database.unit_of_work() as session:
        (row,) = [row for row in studies.page(session, site_id=site, limit=100) if row.study_instance_uid == uid]
        return row.result


def only_finding(result: StudyResult) -> dict[str, Any]:
    assert result.findings is not None
    (found,) = result.findings
    return found
