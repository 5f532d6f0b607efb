"""Sending what a batch needs: several contents at once, each read from the disk in pieces, none sent twice.

A content is sent in one request. Where it is not known whether that request arrived, nothing is repeated blindly: the
round ends, and the next one begins with the server's own list of what it still needs.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import BatchClosed, Forbidden, InputRejected, LucencyError, NotFound, NotInManifest, Unauthorized
from lucency.batch.files import CHUNK_BYTES, FileChanged, FileUnreadable, FileVanished, opened
from lucency.client import Client

# A content that the server neither takes nor refuses is given up after so many tries.
TRIES = 5
# What an interrupted round grants the requests under way, in s.
GRACE = 3.0
LOSSES = (FileVanished, FileUnreadable, FileChanged)


@dataclass(slots=True)
class Sent:
    """What this run sent: accepted contents and their bytes."""

    files: int = 0
    bytes: int = 0


@dataclass(slots=True)
class Reading:
    """One file on its way: pieces of it, and whether they are what the manifest says once all are read."""

    root: Path
    path: str
    sha256: str
    size: int = 0
    true: bool = False

    def pieces(self) -> Iterator[bytes]:
        """Raises FileVanished, FileUnreadable, and FileChanged where it is shorter than when it was opened."""
        digest, left = hashlib.sha256(), self.size
        with opened(self.root, self.path) as file:
            while left:
                try:
                    piece = file.read(min(CHUNK_BYTES, left))
                except OSError as error:
                    raise FileUnreadable(f"The file cannot be read: {error.strerror}.") from error
                if not piece:
                    raise FileChanged
                digest.update(piece)
                left -= len(piece)
                yield piece
        self.true = digest.hexdigest() == self.sha256

    def measure(self) -> None:
        """Raises FileVanished, FileUnreadable, FileChanged."""
        with opened(self.root, self.path) as file:
            self.size = file.seek(0, 2)


@dataclass
class Sender:
    """Sends one batch's contents. `paths`: the files of each content; a second one is tried when the first is lost."""

    client: Client
    batch_id: str
    root: Path
    paths: Mapping[str, Sequence[str]]
    jobs: int
    lose: Callable[[str, LucencyError], None]
    sent: Sent
    advance: Callable[[int], None]
    tries: Counter[str] = field(default_factory=Counter)
    given_up: set[str] = field(default_factory=set)
    stop: threading.Event = field(default_factory=threading.Event)

    def round(self, needed: Iterable[str]) -> None:
        """Send all of `needed` once. Raises the first failure that is not one file's own, after the others ended."""
        self.stop.clear()
        queue, guard, failures = iter(needed), threading.Lock(), list[LucencyError]()

        def work() -> None:
            while not self.stop.is_set():
                with guard:
                    sha256 = next(queue, None)
                if sha256 is None:
                    return
                try:
                    self._send(sha256)
                except LucencyError as error:
                    failures.append(error)
                    self.stop.set()

        threads = [threading.Thread(target=work, daemon=True) for _ in range(self.jobs)]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        except KeyboardInterrupt:
            self.stop.set()
            for thread in threads:
                thread.join(GRACE / len(threads))
            raise
        if failures:
            # What ends the run comes before what is worth another round.
            raise min(failures, key=lambda error: error.retryable)

    def _send(self, sha256: str) -> None:
        loss: LucencyError = FileVanished()
        for path in self.paths.get(sha256, ()):
            reading = Reading(self.root, path, sha256)
            try:
                reading.measure()
                self.client.upload_to_batch(self.batch_id, sha256, reading.pieces(), size=reading.size)
            except LOSSES as error:
                loss = error
                continue
            except NotInManifest as error:
                loss = error if reading.true else FileChanged()
                continue
            except InputRejected as error:
                if error.status == 408 or not error.problem:
                    self._unsettled(sha256, error)
                    return
            except (Unauthorized, Forbidden, NotFound, BatchClosed):
                raise
            except LucencyError as error:
                if error.retryable:
                    raise
                self._unsettled(sha256, error)
                return
            self.sent.files += 1
            self.sent.bytes += reading.size
            self.advance(reading.size)
            return
        self._give_up(sha256, loss)

    def _unsettled(self, sha256: str, error: LucencyError) -> None:
        """The next round tries it again, but not for ever."""
        self.tries[sha256] += 1
        if self.tries[sha256] >= TRIES:
            self._give_up(sha256, error)

    def _give_up(self, sha256: str, error: LucencyError) -> None:
        self.given_up.add(sha256)
        self.lose(sha256, error)
        self.advance(0)
