"""From a claim to the network's input: fetch, verify, decode in a sandboxed child, preprocess."""

from __future__ import annotations

import hashlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import DecodeFailed, ImageInvalid, InputIntegrity, LucencyError, ObjectMissing
from core.logs import logger
from db.repositories.jobs import Claim
from imaging import reduced
from imaging.radiograph import Radiograph
from imaging.sandbox.pool import DecoderPool
from networks.preprocessing import Preprocessing, Window
from storage.store import ObjectStore, image_key, reduced_key
from worker.inference.claim import Batch

log = logger(__name__)

# More than any copy has: 512 × 512 pixels and a head.
REDUCED_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class PreparedInput:
    """A claim ready for the network: `tensor` (size, size, 1) uint8, `pixels` (h, w) uint8, durations in ms."""

    claim: Claim
    tensor: NDArray[np.uint8]
    pixels: NDArray[np.uint8]
    rows: int
    columns: int
    window: Window
    timings_ms: dict[str, float]


@dataclass(frozen=True, slots=True)
class RejectedInput:
    """A claim that got no further, and why."""

    claim: Claim
    error: LucencyError


class InputLoader:
    """Prepares batches. Fetches run ahead of the decoders, which are the scarce part."""

    def __init__(self, *, store: ObjectStore, decoders: DecoderPool, size: int, bound_s: float) -> None:
        self._store = store
        self._decoders = decoders
        self._free_decoders = threading.BoundedSemaphore(size)
        self._bound = bound_s
        self._threads = ThreadPoolExecutor(size + 1, thread_name_prefix="inputs")

    def prepare(self, batch: Batch) -> list[PreparedInput | RejectedInput | Claim]:
        """In the batch's order; a bare Claim was not begun, because the batch had taken `bound_s` already."""
        return list(self._threads.map(lambda claim: self._prepare(claim, batch), batch.claims))

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)

    def _prepare(self, claim: Claim, batch: Batch) -> PreparedInput | RejectedInput | Claim:
        if time.perf_counter() - batch.claimed_at > self._bound:
            return claim
        try:
            return self.read(claim, batch.model.bundle.preprocessing)
        except LucencyError as error:
            return RejectedInput(claim, error)
        except Exception as error:
            log.exception("prepare_failed", **claim.log_context())
            failed = DecodeFailed()
            failed.__cause__ = error
            return RejectedInput(claim, failed)

    def read(self, claim: Claim, preprocessing: Preprocessing) -> PreparedInput:
        """Fetch, decode and preprocess one; its reduced copy instead, where that is what decoding here would give.

        Raises InputIntegrity, StoreUnavailable, InputRejected, DecodeFailed.
        """
        clock = Stopwatch()
        radiograph = self._reduced(claim, longest_side=preprocessing.source_longest_side)
        if radiograph is None:
            data = self._fetch(claim)
            clock.lap("fetch")
            with self._free_decoders:
                clock.lap("wait")
                radiograph = self._decode(data, longest_side=preprocessing.source_longest_side)
                clock.lap("decode")
        else:
            clock.lap("fetch")
        tensor, window = preprocessing.apply(radiograph.pixels)
        clock.lap("preprocess")
        return PreparedInput(
            claim=claim,
            tensor=tensor,
            pixels=radiograph.pixels,
            rows=radiograph.rows,
            columns=radiograph.columns,
            window=window,
            timings_ms=clock.laps,
        )

    def _reduced(self, claim: Claim, *, longest_side: int) -> Radiograph | None:
        """None where there is none, or none of ours: a copy is never missed. Raises StoreUnavailable."""
        kept = claim.reduced
        if kept is None or kept.revision != reduced.revision() or longest_side != reduced.LONGEST_SIDE:
            return None
        try:
            data = self._store.get(reduced_key(claim.site_id, claim.sha256), limit=REDUCED_BYTES)
            if hashlib.sha256(data).hexdigest() == kept.sha256:
                return reduced.decode(data)
        except (ObjectMissing, ImageInvalid):
            pass
        log.warning("reduced_copy_unusable", **claim.log_context())
        return None

    def _fetch(self, claim: Claim) -> bytes:
        """Raises InputIntegrity where the object is missing or not what was accepted; StoreUnavailable."""
        try:
            data = self._store.get(image_key(claim.site_id, claim.sha256), limit=claim.size_bytes + 1)
        except ObjectMissing as error:
            raise InputIntegrity from error
        if len(data) != claim.size_bytes or hashlib.sha256(data).hexdigest() != claim.sha256:
            raise InputIntegrity
        return data

    def _decode(self, data: bytes, *, longest_side: int) -> Radiograph:
        return self._decoders.decode(data, longest_side=longest_side)


class Stopwatch:
    """Durations of consecutive phases in ms."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name] = round(1000 * (now - self._last), 2)
        self._last = now
