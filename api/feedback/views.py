"""From readers' feedback to what clients see of it, and the export for training."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from api.backends import Backends
from api.feedback.confusion import Confusion
from api.feedback.schemas import DecisionCountView, FeedbackFigures, FeedbackView, IntervalView
from api.models.schemas import ModelVersionRef
from core.sealing import SiteKey
from core.vocabulary import Decision, Verdict
from db.repositories import feedback
from db.repositories.feedback import DecisionCount, JudgedFinding
from db.repositories.sites import Principal
from db.tables import Feedback

PAGE = 500


def is_mine(row: Feedback, principal: Principal) -> bool:
    return (row.user_id or row.key_id) == (principal.user_id or principal.key_id)


def reader_of(row: Feedback) -> str:
    return f"user {row.user_id}" if row.user_id is not None else f"key {row.key_id}"


def feedback_view(row: Feedback, *, mine: bool, comment: str | None) -> FeedbackView:
    return FeedbackView(
        label=row.label,
        verdict=Verdict(row.verdict),
        decision=Decision(row.decision),
        mine=mine,
        reader=reader_of(row),
        comment=comment,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def opened(row: Feedback, key: SiteKey | None) -> str | None:
    """The comment. Raises SealBroken."""
    if row.sealed_comment is None or key is None:
        return None
    return key.open(row.sealed_comment, context=feedback.context_of(row.job_id, row.label)).decode()


def figures(counts: list[DecisionCount]) -> list[FeedbackFigures]:
    """`counts` in their order: by ModelVersion and label."""
    return [_figures(list(group)) for _key, group in groupby(counts, key=lambda one: (one.model_version_id, one.label))]


def _figures(group: list[DecisionCount]) -> FeedbackFigures:
    by_decision = {one.decision: _count(one) for one in group}
    none = DecisionCountView(findings=0, accepted=0, rejected=0, disputed=0)
    positive = by_decision.get(Decision.POSITIVE.value, none)
    negative = by_decision.get(Decision.NEGATIVE.value, none)
    table = Confusion(
        true_positives=positive.accepted,
        false_positives=positive.rejected,
        true_negatives=negative.accepted,
        false_negatives=negative.rejected,
        positives=positive.findings,
        negatives=negative.findings,
    )
    sensitivity, specificity = table.sensitivity, table.specificity
    adjusted_sensitivity, adjusted_specificity = table.adjusted()
    first = group[0]
    return FeedbackFigures(
        model_version=ModelVersionRef(
            id=first.model_version_id, name=first.name, version=first.version, digest=first.digest
        ),
        label=first.label,
        positive=positive,
        negative=negative,
        true_positives=table.true_positives,
        false_positives=table.false_positives,
        true_negatives=table.true_negatives,
        false_negatives=table.false_negatives,
        sensitivity=IntervalView.model_validate(sensitivity) if sensitivity else None,
        specificity=IntervalView.model_validate(specificity) if specificity else None,
        adjusted_sensitivity=adjusted_sensitivity,
        adjusted_specificity=adjusted_specificity,
    )


def _count(one: DecisionCount) -> DecisionCountView:
    return DecisionCountView.model_validate(one)


@dataclass(frozen=True, slots=True)
class FeedbackExport:
    """All feedback of a Site; `key` opens the comments, None leaves them out."""

    backends: Backends
    site_id: UUID
    key: SiteKey | None

    def ndjson(self) -> Iterator[bytes]:
        """One line each, oldest first; read a page at a time, each in a session of its own."""
        after: tuple[datetime, UUID] | None = None
        while True:
            with self.backends.database.unit_of_work(site_id=self.site_id) as session:
                found = feedback.page(session, site_id=self.site_id, after=after, limit=PAGE)
                lines = [self._line(one) for one in found]
            if lines:
                yield b"".join(lines)
            if len(found) < PAGE:
                return
            after = (found[-1].feedback.created_at, found[-1].feedback.id)

    def _line(self, one: JudgedFinding) -> bytes:
        row, version = one.feedback, one.model_version
        line: dict[str, Any] = {
            "job_id": str(row.job_id),
            "image_id": str(one.image_id),
            "label": row.label,
            "decision": row.decision,
            "probability": one.probability,
            "threshold": one.threshold,
            "verdict": row.verdict,
            "present": (row.verdict == Verdict.ACCEPT) == (row.decision == Decision.POSITIVE),
            "reader": reader_of(row),
            "model_version": {"id": str(version.id), "name": version.name, "version": version.version},
            "created_at": row.created_at.isoformat(),
            "updated_at": row.updated_at.isoformat(),
        }
        if self.key is not None:
            line["comment"] = opened(row, self.key)
        return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
