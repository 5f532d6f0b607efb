"""What the API answers and takes, as plain dictionaries: jobs, results, batches (docs/batches.md)."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict


class JobDict(TypedDict):
    """A job, as the API gives it."""

    id: str
    state: str
    priority: int
    attempt: int
    created_at: str
    finished_at: str | None
    problem: dict[str, Any] | None
    links: dict[str, str]
    image: NotRequired[dict[str, Any]]
    replay_of: NotRequired[str | None]


class FindingDict(TypedDict):
    """One finding of a result. Probabilities in [0, 1]; regions of interest in pixels of the original image."""

    label: str
    probability: float
    threshold: float
    decision: str
    three_way: NotRequired[dict[str, Any] | None]
    stability: NotRequired[float | None]
    regions_of_interest: list[dict[str, float]] | None
    explanation: dict[str, str] | None


class ResultDict(TypedDict):
    """The result of a succeeded job. Timings in milliseconds."""

    job_id: str
    image: dict[str, Any]
    model_version: dict[str, Any]
    engine: str
    findings: list[FindingDict]
    region: dict[str, Any]
    probabilities: NotRequired[dict[str, float] | None]
    routing: NotRequired[dict[str, Any] | None]
    sanity: NotRequired[dict[str, Any] | None]
    timings_ms: dict[str, float]
    disclaimer: str


class ManifestEntry(TypedDict):
    """A file of a manifest: a label, the SHA-256 of its content in lower-case hex, its size in bytes."""

    path: str
    sha256: str
    size: NotRequired[int]


class FailureDict(TypedDict):
    """How many files failed for one cause; `stage` is `rejected` or `job`."""

    stage: str
    code: str
    title: str
    count: int


class BatchDict(TypedDict):
    """A batch. `counts` are files by state and add up to `files`; `jobs` by the job's state; `progress` in [0, 1]."""

    id: str
    state: str
    files: int
    created_at: str
    closed_at: str | None
    counts: dict[str, int]
    jobs: dict[str, int]
    failures: list[FailureDict]
    progress: float
    done: bool
    throughput: dict[str, float | None]
    eta_s: float | None
    links: dict[str, str]
    needed: NotRequired[list[str]]
    needed_next: NotRequired[str | None]


class OutcomeDict(TypedDict):
    """What became of one content that was sent."""

    sha256: str
    state: str
    job: str | None
    code: str | None
    title: str | None
    detail: str | None
    retryable: bool


class ItemDict(TypedDict):
    """What became of one file of a manifest. `code` is the rejection's, or that of the failed job."""

    position: int
    path: str
    sha256: str
    state: str
    job: str | None
    job_state: str | None
    code: str | None
    title: str | None
    detail: str | None


Summary = dict[str, Any]
