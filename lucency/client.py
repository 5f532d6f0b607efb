"""`lucency.Client`: submit radiographs and fetch results over HTTP. Retries what is safe to retry."""

from __future__ import annotations

import io
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal, Self

import httpx2
import stamina

from core.errors import (
    Forbidden,
    IdentityKeyMissing,
    LucencyError,
    StorageQuotaExceeded,
    Unauthorized,
    Unavailable,
)
from core.settings import load_settings
from core.vocabulary import TERMINAL_STATES
from lucency.responses import BatchDict, ItemDict, JobDict, ManifestEntry, OutcomeDict, ResultDict

View = Literal["overlay", "heatmap", "radiograph"]

POLL_LONGEST = 30.0
TRIES = 6
# Waiting longer than this for a busy server is for the caller to decide.
RETRY_AFTER_LONGEST = 60.0
PATIENCE = 120.0
# To give up on a server that is still at it would mean to send the same again. An archive is judged file by file.
UPLOAD_TIMEOUT, ARCHIVE_TIMEOUT = 300.0, 900.0
RETRIED = frozenset({429, 503, 507})
# These last until a person changes something.
LASTING = (IdentityKeyMissing, StorageQuotaExceeded)
TERMINAL = frozenset(state.value for state in TERMINAL_STATES)


class Unreachable(Unavailable):
    """Nobody answers at the API's address."""

    code, title = "unreachable", "The API cannot be reached"


class WaitTimeout(LucencyError):
    """The job is not done yet; it goes on."""

    code, title, retryable = "wait_timeout", "The job was not done in time", True


class Client:
    """The HTTP API in Python. Errors are raised as the error classes of `core.errors`, by their wire code.

    Without arguments it uses the settings LUCENCY_API_URL and LUCENCY_API_KEY, or the running local stack's.
    An API that is away or busy is asked up to `tries` times (None: any number) within `patience` seconds.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float = 60.0,
        tries: int | None = TRIES,
        patience: float = PATIENCE,
    ) -> None:
        settings = load_settings()
        key = api_key or (settings.api_key.get_secret_value() if settings.api_key else None)
        self.base_url = (base_url or settings.api_url).rstrip("/")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx2.Client(base_url=self.base_url, headers=headers, timeout=timeout)
        self._tries, self._patience = tries, patience

    def submit(
        self,
        file: str | Path | bytes,
        *,
        explain: Sequence[str] | None = None,
        priority: int = 0,
        stability: bool = False,
        wait: float | None = None,
        idempotency_key: str | None = None,
    ) -> JobDict:
        """Upload one DICOM, PNG or JPEG file and return its job; `wait` (s, at most 30) for its end on the server.

        `stability` scores each finding by its agreement under small shifts. The idempotency key, generated where none
        is given, makes a repeated upload the same job.
        """
        fields = {"priority": str(priority)} | ({"explain": ",".join(explain)} if explain is not None else {})
        fields |= {"stability": "true"} if stability else {}
        headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())} | _prefer(wait)
        name = "upload" if isinstance(file, bytes) else Path(file).name

        def send() -> httpx2.Response:
            # Opened for every try: the last one has read it.
            with _opened(file) as opened:
                return self._http.post("/v1/jobs", files={"file": (name, opened)}, data=fields, headers=headers)

        job: JobDict = self._attempt(send).json()
        return job

    def job(self, job_id: str, *, wait: float | None = None) -> JobDict:
        """The job's state; with `wait` (s, at most 30) the server answers when it is done."""
        job: JobDict = self._get(f"/v1/jobs/{job_id}", headers=_prefer(wait)).json()
        return job

    def wait(self, job_id: str, *, timeout: float = 300.0) -> JobDict:
        """Wait for the job's end, good or bad. Raises WaitTimeout after `timeout` seconds."""
        end = time.monotonic() + timeout
        while True:
            remaining = end - time.monotonic()
            job = self.job(job_id, wait=min(POLL_LONGEST, max(remaining, 0.0)))
            if job["state"] in TERMINAL:
                return job
            if time.monotonic() >= end:
                raise WaitTimeout(f"Job {job_id} is {job['state']} after {timeout:.0f} s; it goes on.")
            # Only matters where a server does not hold the request open.
            time.sleep(min(0.1, max(0.0, end - time.monotonic())))

    def result(self, job_id: str) -> ResultDict:
        """The result of a succeeded job. Raises ResultNotReady."""
        result: ResultDict = self._get(f"/v1/jobs/{job_id}/result").json()
        return result

    def explanation(self, job_id: str, label: str, *, view: View = "overlay") -> bytes:
        """The Grad-CAM of one finding as PNG: over the radiograph, the bare 16-bit heatmap, or the radiograph alone."""
        return self._get(f"/v1/jobs/{job_id}/explanations/{label}.png", params={"view": view}).content

    def cancel(self, job_id: str) -> JobDict:
        """Cancel the job. Raises TransitionIllegal when it is over."""
        return self._act(job_id, "cancel")

    def retry(self, job_id: str) -> JobDict:
        """Run a failed, dead, cancelled or expired job again, as a new job."""
        return self._act(job_id, "retry")

    def jobs(self, *, limit: int = 50, state: str | None = None) -> Iterator[JobDict]:
        """All jobs, newest first; pages of `limit` are fetched as they are needed."""
        return self._pages("/v1/jobs", limit=limit, state=state)

    def models(self) -> list[dict[str, Any]]:
        """The model versions that the server knows."""
        found = self._get("/v1/models").json()
        listed: list[dict[str, Any]] = found["items"] if isinstance(found, dict) else found
        return listed

    def report(self, job_id: str, kind: str = "pdf", *, identity: bool = False) -> bytes:
        """A succeeded job's result in one of its forms (`core.vocabulary.ReportKind`, docs/reports.md).

        `identity` names the patient; that is audited. Raises NotFound where this form does not exist for the image.
        """
        parameters = {"identity": "true"} if identity else None
        return self._get(f"/v1/jobs/{job_id}/reports/{kind}", params=parameters).content

    # --- Batches (docs/batches.md) ------------------------------------------------------------------------------------

    def create_batch(
        self,
        files: Sequence[ManifestEntry],
        *,
        priority: int = 0,
        explain: Sequence[str] | None = None,
        idempotency_key: str | None = None,
    ) -> BatchDict:
        """Begin a batch of these files. The answer's `needed` are the contents to send, as far as they fit into one
        answer (`batch_needed` gives all). The same key and files give the same batch.
        """
        body: dict[str, Any] = {"files": list(files), "priority": priority}
        body |= {"explain": list(explain)} if explain is not None else {}
        headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        made: BatchDict = self._attempt(lambda: self._http.post("/v1/batches", json=body, headers=headers)).json()
        return made

    def batch(self, batch_id: str) -> BatchDict:
        """How far the batch is: counts, failures by cause, throughput."""
        found: BatchDict = self._get(f"/v1/batches/{batch_id}").json()
        return found

    def batch_needed(self, batch_id: str) -> Iterator[str]:
        """The SHA-256 of every content that is still to be sent."""
        return self._pages(f"/v1/batches/{batch_id}/needed", limit=1000)

    def upload_to_batch(
        self, batch_id: str, sha256: str, content: bytes | Iterable[bytes], *, size: int
    ) -> OutcomeDict:
        """Send one content of `size` bytes. It is tried once: after a failure on the way, `batch_needed` says whether
        it arrived. Raises the rejection as its class, NotInManifest where the bytes have another hash, Unreachable.
        """
        headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        address = f"/v1/batches/{batch_id}/files/{sha256}"
        outcome: OutcomeDict = self._once(
            lambda: self._http.put(address, content=content, headers=headers, timeout=UPLOAD_TIMEOUT)
        ).json()
        return outcome

    def upload_archive(self, batch_id: str, archive: bytes | Iterable[bytes]) -> list[OutcomeDict]:
        """Send a zip of files of the manifest, in any order and under any names; the outcome of each. Tried once."""
        headers = {"Content-Type": "application/zip"}
        address = f"/v1/batches/{batch_id}/archive"
        answer = self._once(
            lambda: self._http.post(address, content=archive, headers=headers, timeout=ARCHIVE_TIMEOUT)
        ).json()
        results: list[OutcomeDict] = answer["results"]
        return results

    def complete_batch(self, batch_id: str) -> BatchDict:
        """Close the batch: what was not sent is rejected as `not_received`. May be called again."""
        closed: BatchDict = self._attempt(lambda: self._http.post(f"/v1/batches/{batch_id}/complete")).json()
        return closed

    def cancel_batch(self, batch_id: str) -> BatchDict:
        """Close the batch and cancel its jobs."""
        closed: BatchDict = self._attempt(lambda: self._http.post(f"/v1/batches/{batch_id}/cancel")).json()
        return closed

    def batch_items(self, batch_id: str, *, state: str | None = None) -> Iterator[ItemDict]:
        """What became of each file, in the manifest's order; of those in one state where `state` is given."""
        return self._pages(f"/v1/batches/{batch_id}/items", limit=1000, state=state)

    def batch_results(self, batch_id: str, kind: Literal["csv", "ndjson", "zip"], file: BinaryIO) -> None:
        """Write the results into `file`, in pieces; from its beginning where a try broke off."""

        def receive() -> httpx2.Response:
            file.seek(0)
            file.truncate()
            with self._http.stream("GET", f"/v1/batches/{batch_id}/results.{kind}") as response:
                if response.is_error:
                    response.read()
                else:
                    for piece in response.iter_bytes():
                        file.write(piece)
            return response

        self._attempt(receive)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _act(self, job_id: str, action: str) -> JobDict:
        job: JobDict = self._attempt(lambda: self._http.post(f"/v1/jobs/{job_id}/{action}")).json()
        return job

    def _get(
        self, path: str, *, params: dict[str, Any] | None = None, headers: dict[str, str] | None = None
    ) -> httpx2.Response:
        return self._attempt(lambda: self._http.get(path, params=params, headers=headers))

    def _pages(self, path: str, *, limit: int, state: str | None = None) -> Iterator[Any]:
        parameters: dict[str, Any] = {"limit": limit} | ({"state": state} if state else {})
        while True:
            page = self._get(path, params=parameters).json()
            yield from page["items"]
            if not page.get("next"):
                return
            parameters["cursor"] = page["next"]

    def _attempt(self, send: Callable[[], httpx2.Response]) -> httpx2.Response:
        for attempt in stamina.retry_context(on=try_again, attempts=self._tries, timeout=self._patience):
            with attempt:
                response = self._once(send)
        return response

    def _once(self, send: Callable[[], httpx2.Response]) -> httpx2.Response:
        try:
            response = send()
        except httpx2.TransportError as error:
            raise Unreachable(
                f"No answer from {self.base_url} ({type(error).__name__}). Is it up? Try `lucency doctor`."
            ) from error
        if response.is_error:
            raise error_of(response)
        return response


# What proxies in front of the API answer without its codes.
_KINDS: dict[int, type[LucencyError]] = {
    401: Unauthorized, 403: Forbidden, 429: Unavailable, 502: Unavailable, 503: Unavailable, 504: Unavailable,
}  # fmt: skip


def error_of(response: httpx2.Response) -> LucencyError:
    """The error that a problem+json answer stands for, with the problem object as `problem`."""
    try:
        problem = response.json()
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    kind = _error_classes().get(str(problem.get("code")))
    if kind is None:
        kind = _KINDS.get(response.status_code, LucencyError)
    detail = str(problem.get("detail") or problem.get("title") or f"The API answered {response.status_code}.")
    error = kind(detail, retry_after=_seconds(response.headers.get("Retry-After")))
    error.problem = problem
    error.answered = response.status_code
    return error


def try_again(error: Exception) -> bool | timedelta:
    """429, 503, 507 and connection faults are worth another try, no sooner than the server says.

    A place without an identity key is not: that is for a person to set.
    """
    if not isinstance(error, LucencyError) or error.status not in RETRIED or isinstance(error, LASTING):
        return False
    if error.retry_after is None:
        return True
    return timedelta(seconds=min(error.retry_after, RETRY_AFTER_LONGEST))


def _error_classes() -> dict[str, type[LucencyError]]:
    found: dict[str, type[LucencyError]] = {}
    waiting: list[type[LucencyError]] = [LucencyError]
    while waiting:
        kind = waiting.pop()
        found.setdefault(kind.code, kind)
        waiting += kind.__subclasses__()
    return found


def _seconds(header: str | None) -> float | None:
    return float(header) if header is not None and header.isdigit() else None


def _prefer(wait: float | None) -> dict[str, str]:
    return {} if wait is None else {"Prefer": f"wait={max(0, min(int(wait), int(POLL_LONGEST)))}"}


def _opened(file: str | Path | bytes) -> BinaryIO:
    return io.BytesIO(file) if isinstance(file, bytes) else Path(file).open("rb")
