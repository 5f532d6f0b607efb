"""One run of `lucency batch`: what an earlier run left, then what is new, then (watching) what comes."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import stamina

from core.errors import IdempotencyMismatch, InputRejected, LucencyError, NotFound
from lucency.batch.archive import archive, parts
from lucency.batch.files import FileUnreadable, FileVanished, Found, Skipped, read_content, walk, wire_path
from lucency.batch.journal import Journal, Lost, Planned
from lucency.batch.progress import Bars, Phase
from lucency.batch.upload import LOSSES, Reading, Sender, Sent
from lucency.client import Client, WaitTimeout, try_again
from lucency.responses import BatchDict

# A batch is sent when so many files or bytes are read: to read more first would only delay the first result.
BATCH_FILES, BATCH_BYTES = 10_000, 32 * 1024**3
READ_AHEAD = 512


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked. Times in s."""

    folder: Path
    recursive: bool = False
    zipped: bool = False
    jobs: int = 4
    priority: int = 0
    explain: Sequence[str] | None = None
    patience: float = 900.0
    timeout: float | None = None
    out: Path | None = None
    reports: Sequence[str] = ()


@dataclass
class Run:
    """Reads, sends and waits. Whatever ends it, the next one goes on from the journal and the server's answers."""

    client: Client
    journal: Journal
    order: Order
    bars: Bars
    sent: Sent = field(default_factory=Sent)
    skipped: Counter[Skipped] = field(default_factory=Counter)
    not_images: set[str] = field(default_factory=set)

    # --- Reading --------------------------------------------------------------------------------------------------

    def finish_earlier(self) -> None:
        """Complete the batches that an earlier run did not."""
        for batch in [batch for batch in self.journal.memory.batches.values() if not (batch.complete or batch.gone)]:
            self.bars.say(f"Going on with batch {batch.number} of {len(batch.files)} files.")
            self.deliver(batch)

    def take_all(self) -> None:
        """Everything that is below the folder now and in no batch yet."""
        self.forget_losses()
        self.take(self.listing())

    def forget_losses(self) -> None:
        """What an earlier run could not read and never planned: this one looks itself."""
        for lost in [lost for lost in self.journal.memory.lost.values() if lost.batch is None]:
            self.journal.recover(lost.path)

    def listing(self) -> Iterator[Found]:
        """The files below the folder; what is left out is counted anew, what cannot be read is lost."""
        self.skipped.clear()
        for thing in walk(self.order.folder, recursive=self.order.recursive, without=self.order.out):
            if isinstance(thing, Found):
                yield thing
            elif thing.reason is not None:
                self.skipped[thing.reason] += 1
            else:
                self._lose(thing.path, FileUnreadable())

    def take(self, found: Iterable[Found], *, losing: bool = True) -> None:
        """Read, plan and send, a batch after the other. `losing` False lets pass what went away or changed."""
        for portion in _portions(found):
            files = self._read(portion, losing=losing)
            if files:
                options = {"priority": self.order.priority, "explain": self.order.explain}
                self.deliver(self.journal.plan(files, **options))  # type: ignore[arg-type]

    def _read(self, portion: Sequence[Found], *, losing: bool) -> list[tuple[str, str]]:
        """(path, sha256) of those that are in no batch yet."""
        covered, files = self.journal.covered(), []
        with (
            self.bars.phase("reading", total=len(portion)) as phase,
            ThreadPoolExecutor(max_workers=self.order.jobs, thread_name_prefix="read") as pool,
        ):
            rest = iter(portion)
            try:
                while some := list(islice(rest, READ_AHEAD)):
                    for one, sha256 in zip(some, pool.map(lambda one: self._hash(one, losing), some), strict=True):
                        if sha256 is not None and (one.path, sha256) not in covered:
                            files.append((one.path, sha256))
                        phase.advance(size=one.stamp.size)
            except KeyboardInterrupt:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        self.journal.sync()
        return files

    def _hash(self, found: Found, losing: bool) -> str | None:
        """None where it is no image, or lost."""
        if (known := self.journal.hash_of(found)) is not None:
            return known
        try:
            content = read_content(self.order.folder, found.path)
        except LOSSES as error:
            if losing or isinstance(error, FileUnreadable):
                self._lose(found.path, error)
            return None
        if content.sha256 is None:
            self.not_images.add(found.path)
        else:
            self.journal.hashed(found.path, content.stamp, content.sha256)
        return content.sha256

    def _lose(self, path: str, error: LucencyError, batch: int | None = None) -> None:
        lost = Lost(path, batch, error.code, error.detail)
        if self.journal.memory.lost.get(path) is None:
            self.bars.say(f"{wire_path(path)}: {error.detail}", style="red")
        self.journal.lose(lost)

    # --- Sending --------------------------------------------------------------------------------------------------

    def deliver(self, batch: Planned) -> None:
        """Open it (or find it again), send what the server needs, complete it."""
        identifier = self._open(batch)
        if identifier is None:
            return
        paths: dict[str, list[str]] = defaultdict(list)
        for path, sha256 in batch.files:
            paths[sha256].append(path)

        def lose(sha256: str, error: LucencyError) -> None:
            for path in paths[sha256]:
                self._lose(path, error, batch.number)

        with self.bars.phase("sending", total=None) as phase:
            sender = Sender(
                self.client, identifier, self.order.folder, paths, self.order.jobs, lose, self.sent,
                advance=lambda size: phase.advance(size=size),
            )  # fmt: skip
            while self._round(sender, phase):
                pass
        self._recover(batch, sender)
        self.client.complete_batch(identifier)
        self.journal.completed(batch)

    def _open(self, batch: Planned) -> str | None:
        """The batch's id; None where the server of that id does not know it any more."""
        if batch.id is not None:
            try:
                self.client.batch(batch.id)
            except NotFound:
                self.bars.say(f"The server does not know batch {batch.number} any more; its files begin anew.")
                self.journal.gone(batch)
                return None
            return batch.id
        entries = [
            {"path": wire_path(path), "sha256": sha256} | self._size_of(path, sha256) for path, sha256 in batch.files
        ]
        try:
            made = self.client.create_batch(
                entries,  # type: ignore[arg-type]
                priority=batch.priority,
                explain=batch.explain,
                idempotency_key=batch.key,
            )
        except IdempotencyMismatch:
            self.journal.gone(batch)
            return None
        except InputRejected:
            self.journal.gone(batch)
            raise
        self.journal.opened(batch, made["id"])
        return made["id"]

    def _size_of(self, path: str, sha256: str) -> dict[str, int]:
        stamp, known = self.journal.memory.hashes.get(path, (None, None))
        return {"size": stamp.size} if stamp is not None and known == sha256 else {}

    def _round(self, sender: Sender, phase: Phase) -> bool:
        """Send what is needed now; whether anything is left. The server may be away for `patience` without progress."""
        left = False
        before = self.sent.files
        for attempt in stamina.retry_context(
            on=lambda error: self.sent.files == before and try_again(error),
            attempts=None, timeout=self.order.patience, wait_initial=0.5, wait_max=15.0,
        ):  # fmt: skip
            with attempt:
                needed = [sha for sha in self.client.batch_needed(sender.batch_id) if sha not in sender.given_up]
                phase.expect(len(needed))
                left = bool(needed)
                try:
                    self._send_zipped(sender, needed) if self.order.zipped else sender.round(needed)
                except LucencyError as error:
                    # Some came through: that begins the time anew.
                    if not error.retryable or self.sent.files == before:
                        raise
        return left

    def _send_zipped(self, sender: Sender, needed: Sequence[str]) -> None:
        for part in parts(self._measured(sender, needed)):
            left = {reading.sha256: reading for reading in part}
            try:
                outcomes = self.client.upload_archive(sender.batch_id, archive(part))
            except InputRejected:
                outcomes = []
            for outcome in outcomes:
                if outcome["state"] != "awaiting" and (reading := left.pop(outcome["sha256"], None)) is not None:
                    self.sent.files += 1
                    self.sent.bytes += reading.size
                    sender.advance(reading.size)
            # Those that changed while they were read, and what the server did not want to take this way.
            sender.round(list(left))

    def _measured(self, sender: Sender, needed: Sequence[str]) -> Iterator[Reading]:
        for sha256 in needed:
            loss: LucencyError = FileVanished()
            for path in sender.paths.get(sha256, ()):
                reading = Reading(self.order.folder, path, sha256)
                try:
                    reading.measure()
                except LOSSES as error:
                    loss = error
                    continue
                yield reading
                break
            else:
                sender.given_up.add(sha256)
                sender.lose(sha256, loss)

    def _recover(self, batch: Planned, sender: Sender) -> None:
        """Files of the batch that were lost before, and could be sent now."""
        for path, sha256 in batch.files:
            if sha256 not in sender.given_up:
                self.journal.recover(path)

    # --- Waiting --------------------------------------------------------------------------------------------------

    def batches(self) -> list[tuple[Planned, BatchDict]]:
        """The journal's batches as the server has them now."""
        mine = [batch for batch in self.journal.memory.batches.values() if not batch.gone and batch.id is not None]
        return [(batch, self.client.batch(str(batch.id))) for batch in mine]

    def wait(self) -> None:
        """Until every file is through. Raises WaitTimeout after the order's `timeout`."""
        end = None if self.order.timeout is None else time.monotonic() + self.order.timeout
        open_ = {batch.number: batch for batch in self.journal.memory.batches.values() if not batch.gone}
        through = dict.fromkeys(open_, 0.0)
        total = sum(len(batch.files) for batch in open_.values())
        with self.bars.phase("judging", total=total) as phase:
            while True:
                for number, batch in list(open_.items()):
                    now = self.client.batch(str(batch.id))
                    through[number] = now["progress"] * now["files"]
                    if now["done"] or now["files"] - round(through[number]) == now["jobs"].get("held", 0):
                        del open_[number]  # what is held waits for a person
                phase.reach(round(sum(through.values())), total=total)
                if not open_:
                    return
                if end is not None and time.monotonic() >= end:
                    raise WaitTimeout("The results are not all there in time; the server goes on with them.")
                time.sleep(min(max(0.5, total / 2000), 5.0))


def _portions(found: Iterable[Found]) -> Iterator[list[Found]]:
    portion: list[Found] = []
    size = 0
    for one in found:
        portion.append(one)
        size += one.stamp.size
        if len(portion) >= BATCH_FILES or size >= BATCH_BYTES:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion
