"""From the network's output to what is kept: findings, heatmaps, regions, and the objects below `out/`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from uuid_utils.compat import uuid7

from core.errors import BundleInvalid, ModelOutputInvalid
from core.vocabulary import Decision
from db.repositories.jobs import FindingRecord, Outcome
from networks.engines import EngineOutput
from networks.regions import normalise, regions_of_interest
from reports.heatmap import encode_heatmap, encode_preview
from storage.store import ObjectStore, output_prefix
from worker.intake import Prepared, Refused, Stopwatch
from worker.models import LoadedModel
from worker.provenance import produced_by

REGION_THRESHOLD = 0.5


@dataclass(frozen=True, slots=True)
class Inferred:
    """One row of an engine's output: probabilities (L,), class activations (L, gh, gw), finite."""

    prepared: Prepared
    model: LoadedModel
    probabilities: NDArray[np.float32]
    class_activations: NDArray[np.float32]
    claimed_at: float
    infer_ms: float
    produced_by: dict[str, Any]


@dataclass(frozen=True, slots=True)
class StoredFile:
    key: str
    content: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class Explained:
    """An outcome whose objects are encoded but not yet stored."""

    inferred: Inferred
    outcome: Outcome
    files: tuple[StoredFile, ...]

    def timed(self, store_ms: float) -> Explained:
        """With the last phases: `store`, and `total` since the job was queued."""
        known = self.outcome.timings_ms
        total = known["queued"] + 1000 * (time.perf_counter() - self.inferred.claimed_at)
        timings = {**known, "store": store_ms, "total": round(total, 2)}
        return replace(self, outcome=replace(self.outcome, timings_ms=timings))


def infer(model: LoadedModel, prepared: Sequence[Prepared], *, claimed_at: float) -> list[Inferred | Refused]:
    """One pass of the network over all of `prepared`, in their order; refused are rows that are not finite.

    Raises what the engine raises.
    """
    started = time.perf_counter()
    output = model.engine.run(np.stack([entry.tensor for entry in prepared]))
    infer_ms = round(1000 * (time.perf_counter() - started), 2)
    return [
        Inferred(
            prepared=entry,
            model=model,
            claimed_at=claimed_at,
            probabilities=output.probabilities[index],
            class_activations=output.class_activations[index],
            infer_ms=infer_ms,
            produced_by=produced_by(model, batch=len(prepared), position=index),
        )
        if _finite(output, index)
        else Refused(entry.claim, ModelOutputInvalid())
        for index, entry in enumerate(prepared)
    ]


def explain(inferred: Inferred) -> Explained:
    """Decisions, heatmaps, regions of interest in original pixels, and the encoded objects of one job."""
    clock = Stopwatch()
    claim, bundle = inferred.prepared.claim, inferred.model.bundle
    prefix = output_prefix(claim.job_id, claim.fence)
    asked = [label for label in claim.explain if label in bundle.explainable]
    files: list[StoredFile] = []
    findings: list[FindingRecord] = []
    for label in dict.fromkeys((*bundle.finding_labels, *asked)):
        heatmap_key, regions = None, None
        if label in asked:
            heatmap = normalise(inferred.class_activations[bundle.labels.index(label)])
            heatmap_key = f"{prefix}{label}.png"
            files.append(StoredFile(heatmap_key, encode_heatmap(heatmap), "image/png"))
            regions = [
                asdict(region)
                for region in regions_of_interest(
                    heatmap,
                    window=inferred.prepared.window,
                    rows=inferred.prepared.rows,
                    columns=inferred.prepared.columns,
                )
            ]
        findings.append(_finding(label, inferred, heatmap_key=heatmap_key, regions=regions))
    preview_key = f"{prefix}preview.jpg"
    files.append(StoredFile(preview_key, encode_preview(inferred.prepared.pixels), "image/jpeg"))
    clock.lap("explain")
    return Explained(inferred, _outcome(inferred, findings, preview_key, clock.laps["explain"]), tuple(files))


def _finding(
    label: str, inferred: Inferred, *, heatmap_key: str | None, regions: list[dict[str, float]] | None
) -> FindingRecord:
    bundle = inferred.model.bundle
    probability = float(inferred.probabilities[bundle.labels.index(label)])
    if label in bundle.finding_labels:
        threshold, decision = bundle.threshold(label), bundle.decide(label, probability)
    else:
        # A region that a client wants explained. Its head is a softmax: what reaches one half is the region.
        threshold = REGION_THRESHOLD
        decision = Decision.POSITIVE if probability >= threshold else Decision.NEGATIVE
    return FindingRecord(
        label=label,
        probability=probability,
        threshold=threshold,
        decision=decision,
        heatmap_key=heatmap_key,
        regions=regions,
    )


def _outcome(inferred: Inferred, findings: list[FindingRecord], preview_key: str, explain_ms: float) -> Outcome:
    prepared, claim = inferred.prepared, inferred.prepared.claim
    bundle = inferred.model.bundle
    head = bundle.region_head
    if head is None:
        raise BundleInvalid("the Bundle has no region head")
    regions = {label: float(inferred.probabilities[bundle.labels.index(label)]) for label in head.labels}
    region = max(regions, key=regions.__getitem__)
    return Outcome(
        prediction_id=uuid7(),
        job_id=claim.job_id,
        fence=claim.fence,
        model_version_id=inferred.model.version_id,
        engine=str(inferred.model.engine.name),
        region=region,
        region_probability=regions[region],
        region_probabilities=regions,
        rows=prepared.rows,
        columns=prepared.columns,
        preview_key=preview_key,
        window=prepared.window,
        timings_ms={
            "queued": round(claim.queued_ms, 2),
            **prepared.timings_ms,
            "infer": inferred.infer_ms,
            "explain": explain_ms,
        },
        findings=tuple(findings),
        produced_by=inferred.produced_by,
    )


def _finite(output: EngineOutput, index: int) -> bool:
    return bool(np.isfinite(output.probabilities[index]).all() and np.isfinite(output.class_activations[index]).all())


class Outputs:
    """Puts the objects of explained jobs, several at a time."""

    def __init__(self, store: ObjectStore, *, threads: int = 4) -> None:
        self._store = store
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="outputs")

    def put(self, files: Iterable[StoredFile]) -> float:
        """Returns the duration in ms. Raises StoreUnavailable."""
        started = time.perf_counter()
        waiting = [
            self._threads.submit(self._store.put_bytes, file.key, file.content, content_type=file.content_type)
            for file in files
        ]
        for future in waiting:
            future.result()
        return round(1000 * (time.perf_counter() - started), 2)

    def delete(self, explained: Iterable[Explained]) -> None:
        """Remove the objects of jobs that were lost to another worker. Raises StoreUnavailable."""
        self._store.delete([file.key for entry in explained for file in entry.files])

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)
