"""The JSON of readers' feedback. Every name is part of the API: add, never rename."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from api.models.schemas import ModelVersionRef
from api.schemas import Schema
from core.vocabulary import Decision, Verdict

COMMENT_SIGNS = 2000
MEANING = (
    "accept of a positive decision is a true positive, reject of it a false positive; accept of a negative decision is "
    "a true negative, reject of it a false negative. Where readers disagree the majority counts; a tie counts nowhere."
)
BIAS = (
    "Only judged findings count, by readers who saw the model's answer: nobody draws them at random. Where mostly "
    "positive findings are judged, the plain sensitivity is too high and the plain specificity too low; the adjusted "
    "ones assume that what was not judged is like what was judged with the same decision. Neither replaces a study."
)


class FeedbackPut(BaseModel):
    """What a reader says of a Finding; it replaces what the same reader said before."""

    model_config = ConfigDict(extra="forbid")

    verdict: Verdict
    comment: str | None = Field(
        default=None,
        max_length=COMMENT_SIGNS,
        description="Kept sealed; shown to its reader and to administrators. Name no patient in it.",
    )


class FeedbackView(Schema):
    label: str
    verdict: Verdict
    decision: Decision = Field(description="The Finding's own.")
    mine: bool = Field(description="The caller said it.")
    reader: str = Field(description="`user` or `key`, and its id.")
    comment: str | None = Field(description="Null for others than its reader and administrators.")
    created_at: datetime
    updated_at: datetime


class FeedbackList(Schema):
    items: list[FeedbackView]


class IntervalView(Schema):
    """A share and its 95 % interval (Wilson)."""

    value: float
    lower: float
    upper: float


class DecisionCountView(Schema):
    findings: int = Field(description="With this decision, judged or not.")
    accepted: int
    rejected: int
    disputed: int = Field(description="As many readers accept as reject.")


class FeedbackFigures(Schema):
    """The running figures of one ModelVersion and label."""

    model_version: ModelVersionRef
    label: str
    positive: DecisionCountView
    negative: DecisionCountView
    true_positives: int
    false_positives: int
    true_negatives: int
    false_negatives: int
    sensitivity: IntervalView | None = Field(description="Null while no finding counts for it.")
    specificity: IntervalView | None
    adjusted_sensitivity: float | None = Field(description="As if all findings had been judged (Begg and Greenes).")
    adjusted_specificity: float | None


class FeedbackSummary(Schema):
    since: datetime
    items: list[FeedbackFigures]
    meaning: str = MEANING
    bias: str = BIAS
