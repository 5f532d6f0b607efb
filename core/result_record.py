"""One result, complete and plain: what every report is made of. `db.repositories.results` reads it from the rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from core.vocabulary import Decision


@dataclass(frozen=True, slots=True)
class Box:
    """A region of interest in pixels of the stored image; `score` in [0, 1]."""

    x: float
    y: float
    width: float
    height: float
    score: float


@dataclass(frozen=True, slots=True)
class ReportedFinding:
    """A Finding and its Explanation. `three_way`: {decision, coverage, lower, upper}; `stability` in [0, 1].

    `heatmap` (a 16-bit grey PNG) is there where the label was explained and the record was read with heatmaps; of
    results of older releases `heatmap_key` names its object. `role`: "finding", or "region" or "class" for
    a label that is none and was explained.
    """

    label: str
    probability: float
    threshold: float
    decision: str
    role: str
    three_way: dict[str, Any] | None
    stability: float | None
    explained: bool
    heatmap: bytes | None
    heatmap_key: str | None
    regions: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class ReportedImage:
    """The Image that was judged; of DICOM the UIDs as stored, which are not the original ones.

    `attributes`: DICOM JSON (PS3.18 F) of the stored instance, as far as a search answers it. `reduced`: a copy of
    512 px lies beside it.
    """

    image_id: UUID
    study_id: UUID | None
    sha256: str
    media_kind: str
    rows: int
    columns: int
    modality: str | None
    body_part: str | None
    sop_class_uid: str | None
    sop_instance_uid: str | None
    series_instance_uid: str | None
    study_instance_uid: str | None
    photometric_interpretation: str | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    reduced: bool = False


@dataclass(frozen=True, slots=True)
class ResultRecord:
    """A succeeded Job's Prediction. Times are UTC; `timings_ms` by phase.

    `rows`, `columns`: of the upright radiograph that boxes and heatmaps refer to; `window` (left, top, right, bottom):
    the part of the heatmap's grid that the radiograph covers, in fractions. `calibration` and `thresholds` are in the
    findings; `limits` are the model card's stated limits, `rules` say by label how the threshold was chosen. `release`:
    the version of Lucency that judged, where it is known.
    """

    job_id: UUID
    site_id: UUID
    image: ReportedImage
    submitted_at: datetime
    predicted_at: datetime
    model_version_id: UUID
    model_name: str
    model_version: str
    model_digest: str
    engine: str
    findings: tuple[ReportedFinding, ...]
    region: str | None
    region_probability: float | None
    region_probabilities: dict[str, float]
    probabilities: dict[str, float] | None
    routing: dict[str, Any] | None
    sanity: dict[str, Any] | None
    rows: int
    columns: int
    window: tuple[float, float, float, float]
    preview_key: str | None
    timings_ms: dict[str, float]
    limits: tuple[str, ...] = ()
    rules: dict[str, str] = field(default_factory=dict)
    release: str | None = None

    @property
    def judged(self) -> tuple[ReportedFinding, ...]:
        """The Findings proper, without regions and classes that a client had explained."""
        return tuple(finding for finding in self.findings if finding.role == "finding")

    @property
    def shown(self) -> ReportedFinding | None:
        """The explained label that a single picture shows: the most probable positive Finding, else the most probable
        Finding, else whatever was explained first; None without any explanation.
        """
        explained = [finding for finding in self.findings if finding.explained]
        return max(
            explained,
            key=lambda one: (
                one.role == "finding",
                one.role == "finding" and one.decision == Decision.POSITIVE,
                one.probability if one.role == "finding" else 0.0,
            ),
            default=None,
        )


@dataclass(frozen=True, slots=True)
class Pictures:
    """What a result is drawn from: the preview (JPEG) and by label the heatmaps (16-bit PNG)."""

    preview: bytes
    heatmaps: dict[str, bytes]
