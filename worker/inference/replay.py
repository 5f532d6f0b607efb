"""Replay: run a job's image through the worker's own code again, and compare every figure and file with the record."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass, fields
from typing import Any
from uuid import UUID

from core.errors import DecodeFailed, InputIntegrity, InputRejected, ModelOutputInvalid, ObjectMissing
from core.settings import Settings
from core.vocabulary import EngineName, MediaKind
from db.repositories import jobs, model_versions
from db.repositories.jobs import Claim, FindingRecord, Outcome
from db.session import Database
from db.tables import Explanation, Finding, Job, ModelVersion, Prediction
from imaging.sandbox.pool import DecoderPool
from storage.store import ObjectStore
from worker.inference.inputs import InputLoader, PreparedInput, RejectedInput
from worker.inference.models import BundleCache, LoadedModel, Models
from worker.inference.outputs import Explained, explain, infer

# What a second run cannot have alike, or what is compared apart.
NOT_FIGURES = {"prediction_id", "job_id", "model_version_id", "engine", "timings_ms", "produced_by", "findings"}
OF_EXPLANATIONS = {"heatmap", "regions"}
DECODE_S = 60.0


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not alike; `difference` is the distance |Δ| of two numbers."""

    what: str
    recorded: Any
    replayed: Any
    difference: float | None = None


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay found. `conditions` differ around it, `figures` and `files` in it; `compared` counts the latter."""

    job_id: str
    model: dict[str, str]
    conditions: tuple[Difference, ...]
    figures: tuple[Difference, ...]
    files: tuple[Difference, ...]
    compared: dict[str, int]

    @property
    def identical(self) -> bool:
        """Every figure and file is the recorded one, bit for bit."""
        return not self.figures and not self.files

    def as_dict(self) -> dict[str, Any]:
        return {"identical": self.identical, **asdict(self)}


def replay(
    job_id: UUID,
    *,
    database: Database,
    store: ObjectStore,
    settings: Settings,
    model: str | None = None,
    engine: EngineName | None = None,
) -> Replayed:
    """Run the job's image again: on the recorded ModelVersion and engine, unless `model` or `engine` name others.

    The batch has the recorded size, with this image in every place: an engine's last bits may hang on it (TensorFlow's
    do). Raises NotFound, ResultNotReady, BundleInvalid, EngineFailed, StoreUnavailable, DatabaseUnavailable.
    """
    with database.unit_of_work() as session:
        job, prediction = jobs.recorded(session, job_id)
        version = prediction.model_version if model is None else model_versions.find(session, model)
    produced = prediction.produced_by
    used = settings.model_copy(
        update={
            "engine": engine or EngineName(prediction.engine),
            "engine_threads": produced.get("threads", settings.engine_threads),
        }
    )
    folder = settings.bundle_cache or settings.home / "bundles"
    loaded = Models(cache=BundleCache(folder, store), settings=used).make(version.id, version.digest)
    claim = _claim(job, prediction)
    try:
        prepared = _read(claim, loaded, store=store, settings=settings)
    except (InputIntegrity, InputRejected, DecodeFailed) as error:
        lost = Difference("input", claim.sha256, f"{error.code}: {error.detail}")
        return _report(job_id, prediction, version, {}, figures=[lost], files=[], compared=(0, 0))
    explained = _run(loaded, prepared, batch=produced.get("batch", 1), position=produced.get("position", 0))
    figures, figures_compared = _figures(prediction, explained.outcome)
    files, files_compared = _heatmaps(prediction, explained.outcome, store)
    return _report(
        job_id,
        prediction,
        version,
        dict(explained.outcome.produced_by),
        figures=figures,
        files=files,
        compared=(figures_compared, files_compared),
    )


def _claim(job: Job, prediction: Prediction) -> Claim:
    image = job.image
    return Claim(
        job_id=job.id,
        site_id=job.site_id,
        fence=prediction.fence,
        attempt=job.attempt,
        crash_count=0,
        image_id=image.id,
        sha256=image.sha256,
        size_bytes=image.size_bytes,
        media_kind=MediaKind(image.media_kind),
        explain=tuple(job.explain),
        queued_ms=0.0,
        stability=job.stability,
    )


def _read(claim: Claim, model: LoadedModel, *, store: ObjectStore, settings: Settings) -> PreparedInput:
    decoders = DecoderPool.of(settings, size=1)
    inputs = InputLoader(store=store, decoders=decoders, size=1, bound_s=DECODE_S)
    try:
        return inputs.read(claim, model.bundle.preprocessing)
    finally:
        inputs.close()
        decoders.close()


def _run(model: LoadedModel, prepared: PreparedInput, *, batch: int, position: int) -> Explained:
    row = infer(model, [prepared] * batch, claimed_at=time.perf_counter())[position]
    if isinstance(row, RejectedInput):
        raise ModelOutputInvalid
    return explain(row)


def _figures(prediction: Prediction, outcome: Outcome) -> tuple[list[Difference], int]:
    """Every figure of the result that the record has a column for."""
    recorded: dict[str, Any] = {}
    replayed: dict[str, Any] = {}
    for name in (field.name for field in fields(outcome) if field.name not in NOT_FIGURES):
        recorded |= _flat(name, getattr(prediction, name))
        replayed |= _flat(name, getattr(outcome, name))
    for finding in prediction.findings:
        recorded |= _flat(finding.label, _recorded_finding(finding))
    for record in outcome.findings:
        replayed |= _flat(record.label, {name: value for name, value in asdict(record).items() if name != "heatmap"})
    names = list(dict.fromkeys((*recorded, *replayed)))
    missing = "–"
    differing = [
        Difference(name, recorded.get(name, missing), replayed.get(name, missing), _distance(recorded, replayed, name))
        for name in names
        if name not in recorded or name not in replayed or recorded[name] != replayed[name]
    ]
    return differing, len(names)


def _recorded_finding(finding: Finding) -> dict[str, Any]:
    names = {field.name for field in fields(FindingRecord)} - OF_EXPLANATIONS
    explanation = finding.explanation
    return {
        **{name: getattr(finding, name) for name in names},
        "regions": explanation.regions if explanation else None,
    }


def _flat(name: str, value: Any) -> dict[str, Any]:
    """The leaves of a JSON value by their path."""
    value = json.loads(json.dumps(value)) if not isinstance(value, int | float | str | None) else value
    if isinstance(value, dict):
        return {path: leaf for key, part in value.items() for path, leaf in _flat(f"{name}.{key}", part).items()}
    if isinstance(value, list):
        # A list of another length differs in its length too, were it only for an empty one.
        leaves = {f"{name}.length": len(value)}
        for index, part in enumerate(value):
            leaves |= _flat(f"{name}.{index}", part)
        return leaves
    return {name: value}


def _distance(recorded: dict[str, Any], replayed: dict[str, Any], name: str) -> float | None:
    one, two = recorded.get(name), replayed.get(name)
    if isinstance(one, int | float) and isinstance(two, int | float):
        return abs(float(one) - float(two))
    return None


def _heatmaps(prediction: Prediction, outcome: Outcome, store: ObjectStore) -> tuple[list[Difference], int]:
    """The heatmaps, by the SHA-256 of their bytes."""
    recorded = {
        finding.label: _digest(finding.explanation, store)
        for finding in prediction.findings
        if finding.explanation is not None
    }
    replayed = {
        record.label: hashlib.sha256(record.heatmap).hexdigest()
        for record in outcome.findings
        if record.heatmap is not None
    }
    labels = list(dict.fromkeys((*recorded, *replayed)))
    pairs = [(label, recorded.get(label, "none"), replayed.get(label, "not made")) for label in labels]
    return [Difference(f"{label}.png", kept, made) for label, kept, made in pairs if kept != made], len(labels)


def _digest(explanation: Explanation, store: ObjectStore) -> str:
    if explanation.heatmap is not None:
        return hashlib.sha256(explanation.heatmap).hexdigest()
    try:
        return hashlib.sha256(store.get(explanation.heatmap_key or "")).hexdigest()
    except ObjectMissing:
        return "missing"


def _report(
    job_id: UUID,
    prediction: Prediction,
    version: ModelVersion,
    produced: dict[str, Any],
    *,
    figures: list[Difference],
    files: list[Difference],
    compared: tuple[int, int],
) -> Replayed:
    recorded, replayed = _named(prediction.model_version), _named(version)
    before, now = _flat("", prediction.produced_by), _flat("", produced)
    conditions = [Difference("model", recorded, replayed)] if recorded != replayed else []
    conditions += [
        Difference(name.lstrip("."), before.get(name, "not recorded"), now[name])
        for name in now
        if before.get(name, "not recorded") != now[name]
    ]
    return Replayed(
        job_id=str(job_id),
        model={"recorded": recorded, "replayed": replayed},
        conditions=tuple(conditions),
        figures=tuple(figures),
        files=tuple(files),
        compared={"figures": compared[0], "files": compared[1]},
    )


def _named(version: ModelVersion) -> str:
    return f"{version.name}@{version.version} {version.digest[:12]}"
