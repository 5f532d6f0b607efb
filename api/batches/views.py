"""From rows to what clients see of batches. Call inside the session."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from api.batches.schemas import BatchLinks, BatchSummary, BatchView, FailureView, ItemView, ThroughputView
from api.jobs.views import ERRORS, headline_view
from core.sealing import SiteKey
from core.vocabulary import BatchItemState, BatchState, JobState
from db.repositories.batches import Item, Tally
from db.tables import Batch

# Rates are of this long; a shorter life of the Batch is all of it.
WINDOW_S = 120.0


def batch_path(batch_id: UUID) -> str:
    return f"/v1/batches/{batch_id}"


def path_context(batch_id: UUID) -> str:
    """The context that the paths of a Batch are sealed with."""
    return f"path {batch_id}"


def title_of(code: str | None) -> str | None:
    """What a code means, in words; codes of a later release and states stand for themselves."""
    known = ERRORS.get(code or "")
    return known.title if known else code


def summary(batch: Batch) -> BatchSummary:
    path = batch_path(batch.id)
    return BatchSummary(
        id=batch.id,
        state=BatchState(batch.state),
        files=batch.files,
        priority=batch.priority,
        explain=batch.explain,
        created_at=batch.created_at,
        closed_at=batch.closed_at,
        links=BatchLinks(
            self=path,
            items=f"{path}/items",
            needed=f"{path}/needed",
            csv=f"{path}/results.csv",
            ndjson=f"{path}/results.ndjson",
            zip=f"{path}/results.zip",
        ),
    )


def batch_view(batch: Batch, tallies: Sequence[Tally]) -> BatchView:
    """`tallies`: over the last WINDOW_S seconds."""
    age = (datetime.now(UTC) - batch.created_at).total_seconds()
    window = min(WINDOW_S, max(age, 1.0))
    through = sum(tally.through for tally in tallies)
    received = sum(tally.received for tally in tallies) / window
    finished = sum(tally.finished for tally in tallies) / window
    left = batch.files - through
    done = batch.state == BatchState.CLOSED.value and left == 0
    eta = 0.0 if left == 0 else left / finished if finished > 0 else None
    return BatchView(
        **dict(summary(batch)),
        counts=_counts(tallies),
        jobs=_jobs(tallies),
        failures=_failures(tallies),
        progress=through / batch.files,
        done=done,
        throughput=ThroughputView(
            window_s=round(window, 1), received_per_s=round(received, 3), finished_per_s=round(finished, 3)
        ),
        eta_s=None if eta is None else round(eta, 1),
        through_at=max((tally.last_at for tally in tallies if tally.last_at is not None), default=None)
        if done
        else None,
    )


def _counts(tallies: Sequence[Tally]) -> dict[BatchItemState, int]:
    counts: Counter[BatchItemState] = Counter()
    for tally in tallies:
        counts[tally.state] += tally.files
    return {state: counts[state] for state in BatchItemState}


def _jobs(tallies: Sequence[Tally]) -> dict[JobState, int]:
    counts: Counter[JobState] = Counter()
    for tally in tallies:
        if tally.state is BatchItemState.JOB and tally.job_state is not None:
            counts[tally.job_state] += tally.files
    return {state: counts[state] for state in JobState}


def _failures(tallies: Sequence[Tally]) -> list[FailureView]:
    causes: Counter[tuple[str, str]] = Counter()
    for tally in tallies:
        if tally.code is not None and tally.state is BatchItemState.REJECTED:
            causes["rejected", tally.code] += tally.files
        elif tally.code is not None:
            causes["job", tally.code] += tally.files
    return [
        FailureView(stage=stage, code=code, title=title_of(code) or code, count=count)
        for (stage, code), count in sorted(causes.items(), key=lambda cause: (-cause[1], cause[0]))
    ]


def item_view(item: Item, *, batch_id: UUID, key: SiteKey | None) -> ItemView:
    """Opens the sealed path where there is a `key`: the caller keeps the record of it. Raises SealBroken."""
    return ItemView(
        position=item.position,
        path=key.open(item.sealed_path, context=path_context(batch_id)).decode() if key is not None else None,
        sha256=item.sha256,
        size=item.size_bytes,
        state=item.state,
        job=item.job_id,
        job_state=item.job_state,
        code=item.code,
        title=title_of(item.code),
        detail=item.detail,
        result=headline_view(item),
    )
