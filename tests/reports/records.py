"""Result records and their pictures for the tests of `reports`: made here, by hand, of a generated radiograph."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import cv2
import numpy as np

from core.identity import Identity
from core.result_record import Box, Pictures, ReportedFinding, ReportedImage, ResultRecord
from reports.heatmap import encode_heatmap, encode_preview
from tests.data import generated_radiograph

JOB = UUID("01a2b3c4-d5e6-7f01-8203-040506070809")
SITE = UUID("01a2b3c4-d5e6-7f01-8203-0000000000ff")
DX = "1.2.840.10008.5.1.4.1.1.1.1"
CHEST_LABELS = (
    *("atelectasis", "cardiomegaly", "effusion", "infiltration", "mass", "nodule", "pneumonia", "pneumothorax"),
    *("consolidation", "edema", "emphysema", "fibrosis", "pleural_thickening", "hernia"),
)


def finding(label: str = "fracture", probability: float = 0.83, **values: Any) -> ReportedFinding:
    """Explained, with two boxes; positive from 0.5 on, and referred between 0.2 and 0.9."""
    fields: dict[str, Any] = {
        "threshold": 0.5,
        "decision": "positive" if probability >= 0.5 else "negative",
        "role": "finding",
        "three_way": {"decision": "refer", "coverage": 0.9, "lower": 0.2, "upper": 0.9},
        "stability": 0.91,
        "explained": True,
        "heatmap": None,
        "heatmap_key": None,
        "regions": (Box(610, 1010, 320, 260, 0.97), Box(180, 1500, 200, 150, 0.55)),
    }
    return ReportedFinding(label=label, probability=probability, **(fields | values))


def image(**values: Any) -> ReportedImage:
    """A digital radiograph as it is stored, de-identified."""
    fields: dict[str, Any] = {
        "image_id": UUID("01a2b3c4-d5e6-7f01-8203-00000000001a"),
        "study_id": UUID("01a2b3c4-d5e6-7f01-8203-00000000002b"),
        "sha256": "ab" * 32,
        "media_kind": "dicom",
        "rows": 2048,
        "columns": 1536,
        "modality": "DX",
        "body_part": "ANKLE",
        "sop_class_uid": DX,
        "sop_instance_uid": "2.25.1001",
        "series_instance_uid": "2.25.1002",
        "study_instance_uid": "2.25.1003",
    }
    return ReportedImage(**(fields | values))


def record(**values: Any) -> ResultRecord:
    """A positive, referred fracture of a leg."""
    fields: dict[str, Any] = {
        "job_id": JOB,
        "site_id": SITE,
        "image": image(),
        "submitted_at": datetime(2026, 11, 21, 9, 30, 5, 123456, UTC),
        "predicted_at": datetime(2026, 11, 21, 9, 30, 6, 654321, UTC),
        "model_version_id": UUID("01a2b3c4-d5e6-7f01-8203-00000000003c"),
        "model_name": "lucency",
        "model_version": "2",
        "model_digest": "0123456789abcdef" * 4,
        "engine": "onnxruntime",
        "findings": (finding(),),
        "region": "leg",
        "region_probability": 0.94,
        "region_probabilities": {"leg": 0.94, "hand": 0.04, "hip": 0.02},
        "probabilities": None,
        "routing": None,
        "sanity": {"accepted": True, "flags": []},
        "rows": 2048,
        "columns": 1536,
        "window": (0.125, 0.0, 0.875, 1.0),
        "preview_key": None,
        "timings_ms": {"queued": 812.4, "fetch": 11.2, "decode": 95.1, "infer": 61.7, "explain": 9.4, "total": 1003.9},
        "limits": (
            "Trained on hand, leg, hip and shoulder radiographs of one published collection; others were not seen.",
            "Images that show hardware are nearly all labelled fractured, so hardware may be read as fracture.",
        ),
        "rules": {"fracture": "the highest with sensitivity ≥ 0.85 on the val split"},
        # Not that of today: a report says who judged, not who writes it.
        "release": "0.0.7",
    }
    return ResultRecord(**(fields | values))


def chest(**values: Any) -> ResultRecord:
    """Fourteen findings, two of them explained, and no region."""
    judged = [
        finding(label, probability=round(0.04 + 0.065 * number, 3), three_way=None, stability=None)
        for number, label in enumerate(CHEST_LABELS)
    ]
    kept = [one if one.label in {"mass", "hernia"} else replace(one, explained=False, regions=()) for one in judged]
    none: dict[str, Any] = {"region": None, "region_probability": None, "region_probabilities": {}, "rules": {}}
    return record(**(none | {"findings": tuple(kept)} | values))


def slim(**values: Any) -> ResultRecord:
    """Ten times as high as wide."""
    box = Box(80, 1400, 150, 300, 0.9)
    return record(rows=3000, columns=300, findings=(finding(regions=(box,)),), **values)


def raster(**values: Any) -> ResultRecord:
    """Of a PNG: no UIDs, no study."""
    uids = ("modality", "body_part", "sop_class_uid", "sop_instance_uid", "series_instance_uid", "study_instance_uid")
    return record(image=image(media_kind="png", study_id=None, **dict.fromkeys(uids)), **values)


def pictures(of: ResultRecord, *, longest: int = 512) -> Pictures:
    """A preview of the record's shape with a bright shaft, and for each explained label a heatmap of two hills."""
    scale = longest / max(of.rows, of.columns)
    shape = max(1, round(of.rows * scale)), max(1, round(of.columns * scale))
    y, x = np.mgrid[0:40, 0:40].astype(np.float32) / 40
    hills = np.exp(-(((x - 0.5) ** 2 + (y - 0.55) ** 2) / 0.01)) + 0.5 * np.exp(
        -(((x - 0.26) ** 2 + (y - 0.77) ** 2) / 0.006)
    )
    heatmap = encode_heatmap(np.clip(hills, 0, 1).astype(np.float32))
    return Pictures(
        preview=encode_preview(cv2.resize(generated_radiograph(640, 480), shape[::-1])),
        heatmaps={one.label: heatmap for one in of.findings if one.explained},
    )


def identity(**values: str) -> Identity:
    """Whom the radiograph is of, with a name in three scripts."""
    fields = {
        "sop_class_uid": DX,
        "sop_instance_uid": "1.2.826.0.1.1",
        "series_instance_uid": "1.2.826.0.1.2",
        "study_instance_uid": "1.2.826.0.1.3",
        "patient_name": "Yamada^Tarou=山田^太郎=やまだ^たろう",
        "patient_id": "P-0815",
        "issuer_of_patient_id": "St. Elsewhere",
        "patient_birth_date": "19700131",
        "patient_sex": "M",
        "study_id": "S1",
        "study_date": "20261120",
        "study_time": "181502.25",
        "study_description": "Sprunggelenk",
        "accession_number": "A4711",
        "referring_physician_name": "Müller^Jörg",
    }
    return Identity(**(fields | values))
