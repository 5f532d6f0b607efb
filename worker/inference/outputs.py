"""From the network's output to what is kept of it: findings, heatmaps, regions."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from uuid_utils.compat import uuid7

from core.errors import ModelOutputInvalid
from db.repositories.jobs import FindingRecord, Outcome
from networks.engines import EngineOutput
from networks.input_statistics import input_statistics
from networks.regions import normalise, regions_of_interest
from networks.stability import shifted
from reports.heatmap import encode_heatmap
from worker.inference.inputs import PreparedInput, RejectedInput, Stopwatch
from worker.inference.models import LoadedModel
from worker.inference.postprocessing import Interpretation, interpret
from worker.inference.provenance import produced_by


@dataclass(frozen=True, slots=True)
class Inferred:
    """One row of an engine's output: probabilities (L,), class activations (L, gh, gw), features (C,); all finite.

    `shifted` (k, L): the probabilities of the radiograph's shifts, where the job asked for its stability.
    """

    prepared: PreparedInput
    model: LoadedModel
    probabilities: NDArray[np.float32]
    class_activations: NDArray[np.float32]
    features: NDArray[np.float32] | None
    claimed_at: float
    infer_ms: float
    produced_by: dict[str, Any]
    shifted: NDArray[np.float32] | None = None
    shift_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Explained:
    """A row and the outcome that is to be recorded of it."""

    inferred: Inferred
    outcome: Outcome

    def timed(self) -> Explained:
        """With the last phase: `total` since the job was queued."""
        known = self.outcome.timings_ms
        total = known["queued"] + 1000 * (time.perf_counter() - self.inferred.claimed_at)
        return replace(self, outcome=replace(self.outcome, timings_ms={**known, "total": round(total, 2)}))


def infer(
    model: LoadedModel, prepared: Sequence[PreparedInput], *, claimed_at: float
) -> list[Inferred | RejectedInput]:
    """The network over all of `prepared`, in their order, as many in a pass as its engine likes; refused are rows that
    are not finite.

    A job that asked for its stability costs one pass more, over its shifts. Raises what the engine raises.
    """
    size = model.engine.pass_size
    passes = [prepared[start : start + size] for start in range(0, len(prepared), size)]
    return [row for entries in passes for row in _pass(model, entries, claimed_at=claimed_at)]


def _pass(
    model: LoadedModel, prepared: Sequence[PreparedInput], *, claimed_at: float
) -> list[Inferred | RejectedInput]:
    clock = Stopwatch()
    output = model.engine.run(np.stack([entry.tensor for entry in prepared]))
    clock.lap("infer")
    rows: list[Inferred | RejectedInput] = []
    for index, entry in enumerate(prepared):
        if not _finite(output, index):
            rows.append(RejectedInput(entry.claim, ModelOutputInvalid()))
            continue
        row = Inferred(
            prepared=entry,
            model=model,
            claimed_at=claimed_at,
            probabilities=output.probabilities[index],
            class_activations=output.class_activations[index],
            features=None if output.features is None else output.features[index],
            infer_ms=clock.laps["infer"],
            produced_by=produced_by(model, batch=len(prepared), position=index),
        )
        rows.append(_with_shifts(row) if entry.claim.stability else row)
    return rows


def _with_shifts(row: Inferred) -> Inferred | RejectedInput:
    """The row with the network's answers to the radiograph's shifts."""
    clock, prepared = Stopwatch(), row.prepared
    shifts = row.model.engine.run(shifted(prepared.tensor, prepared.window)).probabilities
    clock.lap("stability")
    if not np.isfinite(shifts).all():
        return RejectedInput(prepared.claim, ModelOutputInvalid())
    return replace(row, shifted=shifts, shift_ms=clock.laps["stability"])


def explain(inferred: Inferred) -> Explained:
    """Decisions, encoded heatmaps and regions of interest in original pixels of one job."""
    clock = Stopwatch()
    claim, bundle = inferred.prepared.claim, inferred.model.bundle
    interpretation = interpret(
        inferred.model,
        inferred.prepared,
        probabilities=inferred.probabilities,
        features=inferred.features,
    )
    asked = [label for label in claim.explain if label in bundle.explainable]
    findings: list[FindingRecord] = []
    for label in dict.fromkeys((*bundle.finding_labels, *asked)):
        encoded, regions = None, None
        if label in asked:
            heatmap = normalise(inferred.class_activations[bundle.labels.index(label)])
            encoded = encode_heatmap(heatmap)
            regions = [
                asdict(region)
                for region in regions_of_interest(
                    heatmap,
                    window=inferred.prepared.window,
                    rows=inferred.prepared.rows,
                    columns=inferred.prepared.columns,
                )
            ]
        findings.append(
            FindingRecord(
                label=label,
                probability=interpretation.probabilities[label],
                threshold=interpretation.threshold(label),
                decision=interpretation.decision(label),
                heatmap=encoded,
                regions=regions,
                three_way=interpretation.three_way(label),
                stability=interpretation.stability(label, inferred.shifted),
            )
        )
    clock.lap("explain")
    return Explained(inferred, _outcome(inferred, interpretation, findings, explain_ms=clock.laps["explain"]))


def _outcome(
    inferred: Inferred,
    interpretation: Interpretation,
    findings: list[FindingRecord],
    *,
    explain_ms: float,
) -> Outcome:
    prepared, claim = inferred.prepared, inferred.prepared.claim
    regions, region = interpretation.regions, interpretation.region
    return Outcome(
        prediction_id=uuid7(),
        job_id=claim.job_id,
        fence=claim.fence,
        model_version_id=inferred.model.version_id,
        engine=str(inferred.model.engine.name),
        region=region,
        region_probability=None if region is None else regions[region],
        region_probabilities=regions,
        rows=prepared.rows,
        columns=prepared.columns,
        window=prepared.window,
        timings_ms={
            "queued": round(claim.queued_ms, 2),
            **prepared.timings_ms,
            "infer": inferred.infer_ms,
            **({} if inferred.shift_ms is None else {"stability": inferred.shift_ms}),
            "explain": explain_ms,
        },
        findings=tuple(findings),
        produced_by=inferred.produced_by,
        probabilities=interpretation.classes,
        routing=interpretation.routing_record(),
        sanity=interpretation.sanity_record(),
        input_statistics=input_statistics(
            prepared.tensor, prepared.window, rows=prepared.rows, columns=prepared.columns
        ),
    )


def _finite(output: EngineOutput, index: int) -> bool:
    values = (output.probabilities, output.class_activations, output.features)
    return all(bool(np.isfinite(value[index]).all()) for value in values if value is not None)
