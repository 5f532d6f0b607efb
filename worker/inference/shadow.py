"""Shadows: ModelVersions that interpret a sample of finished jobs beside the active one. Nobody sees what they say.

A job is sampled by a hash of its id, so every shadow of one share judges the same jobs. The pipeline offers a job after
its result is recorded; this thread judges it when the process has nothing else to do. What does not fit into a small
buffer, and whatever is left when the worker stops, is skipped.
"""

from __future__ import annotations

import hashlib
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from uuid import UUID

from core.errors import LucencyError
from core.logs import logger
from db.repositories import shadow_predictions
from db.repositories.model_versions import Served
from db.session import Database
from worker.inference.inputs import InputLoader, PreparedInput, RejectedInput
from worker.inference.models import LoadedModel, Models
from worker.inference.outputs import Inferred, explain, infer

log = logger(__name__)

# Decoded radiographs that wait, a quarter of a megabyte each.
BUFFER = 32
LOOK_S = 0.5
IDLE_S = 0.05
# A shadow that could not be loaded is tried again after this long.
LOAD_PAUSE_S = 30.0


def in_sample(job_id: UUID, share: float) -> bool:
    """Whether a shadow of `share` in [0, 1] judges this job: always the same answer, and a larger share adds jobs."""
    return int.from_bytes(hashlib.sha256(job_id.bytes).digest()[:8]) < share * 2**64


@dataclass(frozen=True, slots=True)
class Sample:
    """A finished job; its pixels were decoded to at most `source_longest_side`."""

    prepared: PreparedInput
    source_longest_side: int


class Shadow(threading.Thread):
    """`offer` and `follow` never wait and never raise. `counts`: judged, skipped, failed."""

    def __init__(
        self,
        *,
        database: Database,
        models: Models,
        inputs: InputLoader,
        is_busy: Callable[[], bool],
        is_stopping: Callable[[], bool],
    ) -> None:
        super().__init__(name="shadow", daemon=True)
        self._database = database
        self._models = models
        self._inputs = inputs
        self._is_busy = is_busy
        self._is_stopping = is_stopping
        self._stop_asked = threading.Event()
        self._waiting: queue.Queue[Sample] = queue.Queue(BUFFER)
        self._versions: tuple[Served, ...] = ()
        self._loaded: dict[UUID, LoadedModel] = {}
        self._paused_until: dict[UUID, float] = {}
        self.counts: Counter[str] = Counter()

    def follow(self, versions: tuple[Served, ...]) -> None:
        """These are the shadows from now on; engines of others are freed."""
        self._versions = versions

    def offer(self, inferred: Inferred) -> None:
        """A job has its result: interpret it too, if it is in the sample and there is room."""
        if not any(self._judges(version, inferred) for version in self._versions):
            return
        sample = Sample(inferred.prepared, inferred.model.bundle.preprocessing.source_longest_side)
        try:
            self._waiting.put_nowait(sample)
        except queue.Full:
            self.counts["skipped"] += 1

    def run(self) -> None:
        while not self._ends:
            self._free()
            try:
                sample = self._waiting.get(timeout=LOOK_S)
            except queue.Empty:
                continue
            for version in self._versions:
                if self._wait_for_rest() and in_sample(sample.prepared.claim.job_id, version.share or 0.0):
                    self._judge(sample, version)

    def stop(self) -> None:
        """End the thread; what waits is skipped."""
        self._stop_asked.set()
        if self.is_alive():
            self.join(timeout=5)
        if self.counts:
            log.info("shadow_ended", **self.counts)

    @property
    def loaded(self) -> set[UUID]:
        """The versions whose engines are in memory."""
        return set(self._loaded)

    @property
    def _ends(self) -> bool:
        return self._stop_asked.is_set() or self._is_stopping()

    @staticmethod
    def _judges(version: Served, inferred: Inferred) -> bool:
        job_id = inferred.prepared.claim.job_id
        return version.id != inferred.model.version_id and in_sample(job_id, version.share or 0.0)

    def _wait_for_rest(self) -> bool:
        """Until the process has no task; False when it is to end."""
        while not self._ends and self._is_busy():
            self._stop_asked.wait(IDLE_S)
        return not self._ends

    def _free(self) -> None:
        wanted = {version.id for version in self._versions}
        for version_id in self._loaded.keys() - wanted:
            del self._loaded[version_id]
            log.info("shadow_freed", model_version_id=str(version_id))

    def _judge(self, sample: Sample, version: Served) -> None:
        claim = sample.prepared.claim
        try:
            model = self._model(version)
            if model is None:
                self.counts["skipped"] += 1
                return
            (row,) = infer(model, [self._prepared(sample, model)], claimed_at=time.perf_counter())
            if isinstance(row, RejectedInput):
                raise row.error
            self._record(row)
        except LucencyError as error:
            self.counts["failed"] += 1
            log.warning("shadow_failed", error_code=error.code, digest=version.digest, **claim.log_context())
        except Exception:
            # Whatever goes wrong here, the job has its result and the worker goes on.
            self.counts["failed"] += 1
            log.exception("shadow_failed", digest=version.digest, **claim.log_context())

    def _model(self, version: Served) -> LoadedModel | None:
        """Loaded when first wanted. None for a while after that failed. Raises as `Models.make` does."""
        model = self._loaded.get(version.id)
        if model is None:
            if time.monotonic() < self._paused_until.get(version.id, 0.0):
                return None
            self._paused_until[version.id] = time.monotonic() + LOAD_PAUSE_S
            model = self._models.make(version.id, version.digest)
            self._loaded[version.id] = model
            del self._paused_until[version.id]
        return model

    def _prepared(self, sample: Sample, model: LoadedModel) -> PreparedInput:
        """What this model would have got as the active one, without its heatmaps."""
        preprocessing, prepared = model.bundle.preprocessing, sample.prepared
        claim = replace(prepared.claim, explain=(), stability=False)
        if preprocessing.source_longest_side != sample.source_longest_side:
            return self._inputs.read(claim, preprocessing)
        tensor, window = preprocessing.apply(prepared.pixels)
        return replace(prepared, claim=claim, tensor=tensor, window=window)

    def _record(self, row: Inferred) -> None:
        outcome = explain(row).outcome
        found = {finding.label: finding.probability for finding in outcome.findings}
        with self._database.unit_of_work() as session:
            shadow_predictions.record(
                session,
                job_id=outcome.job_id,
                model_version_id=outcome.model_version_id,
                engine=outcome.engine,
                probabilities={**outcome.region_probabilities, **found},
                decisions={finding.label: str(finding.decision) for finding in outcome.findings},
                infer_ms=row.infer_ms,
            )
        self.counts["judged"] += 1
