"""A result as JSON: every value of the record but where its pictures lie."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from core.result_record import ReportedFinding, ResultRecord
from core.vocabulary import DISCLAIMER


def as_mapping(record: ResultRecord) -> dict[str, Any]:
    """Plain JSON values. Times are ISO 8601 in UTC; boxes are in pixels of the upright radiograph."""
    return {
        "job_id": str(record.job_id),
        "disclaimer": DISCLAIMER,
        "ai_generated": True,
        "image": _image(record),
        "submitted_at": utc(record.submitted_at),
        "predicted_at": utc(record.predicted_at),
        "model_version": {
            "id": str(record.model_version_id),
            "name": record.model_name,
            "version": record.model_version,
            "digest": record.model_digest,
            "limits": list(record.limits),
        },
        "engine": record.engine,
        "lucency_version": record.release,
        "findings": [_finding(record, finding) for finding in record.findings],
        "region": {
            "label": record.region,
            "probability": record.region_probability,
            "probabilities": record.region_probabilities,
        },
        "probabilities": record.probabilities,
        "routing": record.routing,
        "sanity": record.sanity,
        "timings_ms": record.timings_ms,
    }


def as_json(record: ResultRecord) -> bytes:
    """UTF-8, the same bytes for the same record."""
    return json.dumps(as_mapping(record), ensure_ascii=False, allow_nan=False, indent=2, sort_keys=True).encode()


def utc(moment: datetime) -> str:
    """`2026-11-21T09:30:00Z`: whole seconds, as every report prints times."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _image(record: ResultRecord) -> dict[str, Any]:
    image = record.image
    return {
        "id": str(image.image_id),
        "study_id": None if image.study_id is None else str(image.study_id),
        "sha256": image.sha256,
        "media_kind": image.media_kind,
        "rows": record.rows,
        "columns": record.columns,
        "modality": image.modality,
        "body_part": image.body_part,
        "sop_class_uid": image.sop_class_uid,
        "sop_instance_uid": image.sop_instance_uid,
        "series_instance_uid": image.series_instance_uid,
        "study_instance_uid": image.study_instance_uid,
    }


def _finding(record: ResultRecord, finding: ReportedFinding) -> dict[str, Any]:
    return {
        "label": finding.label,
        "role": finding.role,
        "probability": finding.probability,
        "threshold": finding.threshold,
        "threshold_rule": record.rules.get(finding.label),
        "decision": finding.decision,
        "three_way": finding.three_way,
        "stability": finding.stability,
        "explained": finding.explained,
        "regions_of_interest": [asdict(box) for box in finding.regions],
    }
