"""Studies are judged together when no image of them came for a while. Two that do this at once do no harm."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from core.decisions import DEFAULT_STUDY_RULE, Opinion, judge_study
from core.logs import logger
from core.settings import Settings
from core.vocabulary import StudyRule, ThreeWay
from db.repositories import studies
from db.repositories.studies import JudgedImage, Members, Settlement
from db.session import Database, Session
from db.tables import Finding, ModelVersion

log = logger(__name__)

AT_ONCE = 200
# A Study with a job that has not ended is looked at again after so long.
BUSY_PAUSE_S = 5.0
BUDGET_S = 20.0
NEVER = datetime.min.replace(tzinfo=UTC)


def settle_due(database: Database, settings: Settings) -> int:
    """Judge the Studies that are due, for up to BUDGET_S; returns how many were settled. Raises DatabaseUnavailable."""
    end, settled, more = time.monotonic() + BUDGET_S, 0, True
    while more and time.monotonic() < end:
        with database.unit_of_work() as session:
            found = studies.due(session, quiet_s=settings.study_quiet, limit=AT_ONCE)
            more = len(found) == AT_ONCE
            settled += _settle(session, found)
    if settled:
        log.info("studies_settled", count=settled)
    return settled


def _settle(session: Session, found: Sequence[UUID]) -> int:
    """Of the locked Studies `found` those without active jobs."""
    busy = studies.busy(session, found)
    studies.postpone(session, busy, seconds=BUSY_PAUSE_S)
    whole = studies.members(session, [study for study in found if study not in busy])
    versions = studies.versions(session, {image.model_version_id for part in whole for image in part.judged})
    chosen = {part.study_id: _chosen(part, versions) for part in whole}
    predictions = [image.prediction_id for images in chosen.values() for image in images]
    said = studies.findings(session, predictions)
    studies.settle(session, [_settlement(part, chosen[part.study_id], versions, said) for part in whole])
    return len(whole)


def _chosen(part: Members, versions: Mapping[UUID, ModelVersion]) -> list[JudgedImage]:
    """The images as the ModelVersion judged them that was activated last, of those that judged any.

    One version only: probabilities of two networks are not to be averaged, nor held against the other's thresholds.
    """
    if not part.judged:
        return []
    newest = max(
        (versions[image.model_version_id] for image in part.judged),
        key=lambda version: (version.activated_at or NEVER, version.id),
    )
    return [image for image in part.judged if image.model_version_id == newest.id]


def _settlement(
    part: Members,
    chosen: Sequence[JudgedImage],
    versions: Mapping[UUID, ModelVersion],
    said: Mapping[UUID, Sequence[Finding]],
) -> Settlement:
    judged = {image.image_id for image in part.judged}
    failed, other = len(part.images - judged), len(judged) - len(chosen)
    if not chosen:
        return Settlement(part.study_id, None, None, (), len(part.images), failed, other)
    version = versions[chosen[0].model_version_id]
    rule = rule_of(version.manifest)
    found = findings_of_study(version, rule, chosen, said, incomplete=failed + other > 0)
    return Settlement(part.study_id, version.id, rule.value, found, len(part.images), failed, other)


def rule_of(manifest: Mapping[str, Any]) -> StudyRule:
    """The Bundle's rule; one of an earlier release says nothing and has the default."""
    return StudyRule(manifest.get("study", DEFAULT_STUDY_RULE))


def findings_of_study(
    version: ModelVersion,
    rule: StudyRule,
    chosen: Sequence[JudgedImage],
    said: Mapping[UUID, Sequence[Finding]],
    *,
    incomplete: bool,
) -> list[dict[str, Any]]:
    """As the table has them: the model's Findings in the order of its predictions."""
    opinions: dict[str, list[Opinion]] = {}
    for image in sorted(chosen, key=lambda image: image.image_id):
        for finding in said[image.prediction_id]:
            # A label that is no Finding (a region that a client had explained) has no threshold in the manifest.
            if finding.label in version.manifest.get("thresholds", {}):
                opinions.setdefault(finding.label, []).append(_opinion(finding, referred=image.referred))
    return [
        _record(label, of_label, rule, incomplete=incomplete or len(of_label) < len(chosen))
        for label, of_label in opinions.items()
    ]


def _opinion(finding: Finding, *, referred: bool) -> Opinion:
    limits = finding.three_way or {}
    return Opinion(
        finding.probability,
        finding.threshold,
        lower=limits.get("lower"),
        upper=limits.get("upper"),
        referred=referred,
    )


def _record(label: str, opinions: Sequence[Opinion], rule: StudyRule, *, incomplete: bool) -> dict[str, Any]:
    study = judge_study(opinions, rule=rule, incomplete=incomplete)
    return {
        "label": label,
        "probability": study.probability,
        "threshold": study.threshold,
        "decision": study.decision.value,
        "three_way": _three_way(study.three_way, study.lower, study.upper),
        "images": study.images,
    }


def _three_way(decision: ThreeWay | None, lower: float | None, upper: float | None) -> dict[str, Any] | None:
    """As a Finding's; the coverage that a Bundle states is of images, so that a Study has none."""
    if decision is None:
        return None
    return {"decision": decision.value, "coverage": None, "lower": lower, "upper": upper}
