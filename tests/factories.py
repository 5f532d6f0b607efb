"""Rows for tests come from here, by the repositories' own functions."""

from __future__ import annotations

import hashlib
import itertools
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from core.vocabulary import Decision, EngineName, MediaKind
from db.repositories import images, jobs, model_versions, sites
from db.repositories.jobs import Claim, FindingRecord, Outcome
from db.tables import Explanation, Finding, Image, Job, ModelVersion, Prediction, Site
from reports.heatmap import encode_heatmap, encode_preview
from storage.store import ObjectStore, output_prefix
from tests.data import generated_radiograph

# Hot in its last cell.
HEATMAP = encode_heatmap(np.linspace(0, 1, 100, dtype=np.float32).reshape(10, 10))
_numbers = itertools.count(1)


def make_site(session: Session, **values: Any) -> Site:
    return sites.create_site(session, **({"name": f"Site {next(_numbers)}"} | values))


def make_image(session: Session, site_id: UUID, **values: Any) -> Image:
    sha256 = hashlib.sha256(f"image {next(_numbers)}".encode()).hexdigest()
    fields: dict[str, Any] = {
        "sha256": sha256,
        "size_bytes": 1000,
        "media_kind": MediaKind.PNG,
        "rows": 640,
        "columns": 480,
        "bits_stored": 8,
    }
    return images.add(session, site_id=site_id, **(fields | values))


def make_job(session: Session, site_id: UUID, **values: Any) -> Job:
    image_id = values.pop("image_id", None) or make_image(session, site_id).id
    fields: dict[str, Any] = {"request_hash": "hash", "explain": ["fracture"]}
    return jobs.submit(session, site_id=site_id, image_id=image_id, **(fields | values)).job


def make_model(session: Session, **values: Any) -> ModelVersion:
    number = next(_numbers)
    fields: dict[str, Any] = {
        "name": "lucency",
        "version": f"0.{number}",
        "digest": hashlib.sha256(f"model {number}".encode()).hexdigest(),
        "labels": ["fracture", "leg"],
        "explainable": ["fracture"],
        "manifest": {"name": "lucency"},
        "activate": True,
    }
    return model_versions.register(session, **(fields | values))


def make_outcome(claim: Claim, model_version_id: UUID, **values: Any) -> Outcome:
    region = {"x": 10.0, "y": 20.0, "width": 30.0, "height": 40.0, "score": 0.8}
    fields: dict[str, Any] = {
        "prediction_id": uuid7(),
        "job_id": claim.job_id,
        "fence": claim.fence,
        "model_version_id": model_version_id,
        "engine": EngineName.ONNXRUNTIME.value,
        "region": "leg",
        "region_probability": 0.9,
        "region_probabilities": {"leg": 0.9, "hand": 0.1},
        "rows": 640,
        "columns": 480,
        "window": (0.0, 0.1, 1.0, 0.9),
        "timings_ms": {"infer": 7.5},
        "findings": (FindingRecord("fracture", 0.7, 0.5, Decision.POSITIVE.value, HEATMAP, [region]),),
    }
    return Outcome(**(fields | values))


def store_as_before(session: Session, store: ObjectStore, job_id: UUID) -> tuple[str, str]:
    """Make the result of `job_id` one of an older release, whose heatmap and preview are objects; their keys."""
    prediction = session.scalars(select(Prediction).where(Prediction.job_id == job_id)).one()
    prefix = output_prefix(job_id, prediction.fence)
    heatmap_key, preview_key = f"{prefix}fracture.png", f"{prefix}preview.jpg"
    prediction.preview_key = preview_key
    of_it = select(Finding.id).where(Finding.prediction_id == prediction.id)
    session.execute(
        update(Explanation).where(Explanation.finding_id.in_(of_it)).values(heatmap=None, heatmap_key=heatmap_key)
    )
    store.put_bytes(heatmap_key, HEATMAP, content_type="image/png")
    store.put_bytes(preview_key, encode_preview(generated_radiograph(512, 384)), content_type="image/jpeg")
    return heatmap_key, preview_key
