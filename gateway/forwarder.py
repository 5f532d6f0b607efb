"""From the spool to the HTTP API: several at a time, until each is accepted or refused for good.

The Idempotency-Key is the spool's name, a hash of the SOP Instance UID, the transfer syntax and the data set: an
upload that is repeated after a crash, or an instance that a peer sends again, is the same job.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2

from core.errors import IdempotencyMismatch, LucencyError
from core.logs import logger
from gateway.backlog import Backlog
from gateway.spool import Spool
from lucency.client import Client

log = logger(__name__)

KEY_PREFIX = "gateway-"
# 4xx that say something of us or of the moment, not of the instance: a wrong address, a key, a quota, a slow line.
PASSING = frozenset({401, 403, 404, 405, 407, 408, 421, 423, 425, 429})
# Of 409 only this one passes: the same upload is under way.
IN_PROGRESS = "idempotency_in_progress"
# 5xx that a server gives at one file, where others may pass.
INTERNAL = frozenset({500, 501})


def is_refusal(error: LucencyError) -> bool:
    """Whether the API will never take this instance: a 4xx about the instance itself."""
    status = error.answered
    return status is not None and 400 <= status < 500 and status not in PASSING and error.code != IN_PROGRESS


class Forwarder:
    """Threads that empty the backlog. `counts` says how many were forwarded, refused, and failed tries."""

    def __init__(self, client: Client, spool: Spool, backlog: Backlog, *, threads: int) -> None:
        self.counts: Counter[str] = Counter()
        self.last_error: dict[str, Any] | None = None
        self._client = client
        self._spool = spool
        self._backlog = backlog
        self._threads = [
            threading.Thread(target=self._run, name=f"forwarder-{number}", daemon=True) for number in range(threads)
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self, *, patience: float) -> None:
        """Begin no more uploads and wait for those under way, at most `patience` s: what is cut off comes again."""
        self._backlog.close()
        end = time.monotonic() + patience
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def alive(self) -> bool:
        """Whether every thread runs."""
        return all(thread.is_alive() for thread in self._threads)

    def _run(self) -> None:
        while (name := self._backlog.take()) is not None:
            try:
                self.forward(name)
            except OSError as error:
                # The spool could not be written, as on a full disk: the upload may be repeated, this thread must go on.
                self._note("spool_failed", type(error).__name__)
                self._backlog.failed(name)

    def forward(self, name: str) -> None:
        """Hand one instance over, and record what came of it."""
        began = time.monotonic()
        path = self._spool.path(name)
        try:
            job = self._client.submit(path, idempotency_key=KEY_PREFIX + Path(name).stem)
            identifier = job["id"]
        except FileNotFoundError:
            self._backlog.done(name, accepted=False)
        except IdempotencyMismatch:
            # Our key holds the content: the job exists, asked for with other options by another release of ours.
            self._accepted(name, job_id=None, began=began)
        except LucencyError as error:
            self._not_accepted(name, error)
        except (OSError, ValueError, TypeError, KeyError, httpx2.HTTPError) as error:
            # An answer that is none of our API's, or a spool that cannot be read: it may be right later.
            self._note("answer_unusable", type(error).__name__)
            self._backlog.outage(name, retry_after=None)
        else:
            self._accepted(name, job_id=str(identifier), began=began)

    def _accepted(self, name: str, *, job_id: str | None, began: float) -> None:
        self._spool.forget(name)
        self.counts["forwarded"] += 1
        log.info("instance_forwarded", job=job_id, milliseconds=round((time.monotonic() - began) * 1000, 1))
        self._end(name, accepted=True)

    def _not_accepted(self, name: str, error: LucencyError) -> None:
        if is_refusal(error):
            reason = {"code": error.code, "title": error.title, "detail": error.detail, "status": error.answered}
            self._spool.refuse(name, reason)
            self.counts["refused"] += 1
            log.warning("instance_refused", code=error.code, status=error.answered)
            # The API judged it: it is not out.
            self._end(name, accepted=True)
            return
        self._note(error.code, error.title)
        if error.answered in INTERNAL or error.code == IN_PROGRESS:
            self._backlog.failed(name)
        else:
            self._backlog.outage(name, retry_after=error.retry_after)

    def _end(self, name: str, *, accepted: bool) -> None:
        """Done with it; unless the same instance came again after its file was removed."""
        self._backlog.done(name, accepted=accepted)
        if self._spool.path(name).exists():
            self._backlog.put([name])

    def _note(self, code: str, title: str) -> None:
        self.counts["failed_tries"] += 1
        self.last_error = {"code": code, "title": title, "at": time.time()}
        log.warning("forwarding_failed", code=code, title=title)
