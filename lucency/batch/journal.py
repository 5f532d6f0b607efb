"""The journal of `lucency batch`: what must outlive a kill -9 of the client.

Append-only JSON lines, mode 0600 (paths may name patients), one journal for each pair of folder and API address. It
keeps the SHA-256 of every file (so that a second run reads none again that did not change), each batch's manifest and
Idempotency-Key *before* the batch is asked for (so that the same batch is found again), and the files that were lost on
this side. What has arrived is not in it: the server is asked.

A line counts when it ends; what a crash left of the last one is cut off. A damaged line elsewhere is passed over: the
worst that follows is a second batch, in which the server recognises what it has.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from core.errors import LucencyError
from lucency.batch.files import Found, Stamp

# Hashes are made safe by the hundred: losing a few costs reading these files again.
SYNC_EVERY = 256


class BatchBusy(LucencyError):
    """Another run holds this folder's journal."""

    code, title = "batch_busy", "Another `lucency batch` is at work on this folder"


class JournalUnusable(LucencyError):
    """The journal cannot be written: without it a kill would lose the batch."""

    code, title = "journal_unusable", "The batch's journal cannot be written"


@dataclass(slots=True)
class Planned:
    """One batch: its manifest as (path, sha256), and how far it is known to have come."""

    number: int
    key: str
    files: list[tuple[str, str]]
    priority: int = 0
    explain: list[str] | None = None
    id: str | None = None
    complete: bool = False
    # Files of it that were lost, came back, and are in a later batch: they count there.
    superseded: int = 0
    # The server does not know it (another Site's key, or an emptied database): its files are free again.
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Lost:
    """A file that could not be sent, and why; `batch` None where it never came into a manifest."""

    path: str
    batch: int | None
    code: str
    detail: str


@dataclass(slots=True)
class Memory:
    """What the lines of a journal say together."""

    # When the first run began (s since 1970), and when everything was first seen to be done.
    began: float | None = None
    ended: float | None = None
    hashes: dict[str, tuple[Stamp, str]] = field(default_factory=dict)
    batches: dict[int, Planned] = field(default_factory=dict)
    lost: dict[str, Lost] = field(default_factory=dict)
    damaged: int = 0


class Journal:
    """The one open journal of a folder. Every method may be called from any thread."""

    def __init__(self, path: Path) -> None:
        """Open or make it, and cut off a torn tail. Raises BatchBusy, JournalUnusable."""
        self.path = path
        self._guard = threading.Lock()
        self._unsynced = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            os.fchmod(self._file, 0o600)
        except OSError as error:
            raise JournalUnusable(f"{path}: {error.strerror}.") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            raise BatchBusy(f"Another run holds {path}; wait for it, or stop it.") from error
        self.memory = self._load()
        self._sync_folder()

    @property
    def known(self) -> bool:
        """Whether an earlier run left anything."""
        return bool(self.memory.batches or self.memory.hashes)

    def set_aside(self) -> None:
        """Begin anew; the old lines stay beside it under the time of now."""
        with self._guard:
            moved = self.path.with_name(f"{self.path.name}.{datetime.now(UTC):%Y%m%dT%H%M%S.%f}")
            with moved.open("xb") as copy:
                os.fchmod(copy.fileno(), 0o600)
                copy.write(self.path.read_bytes())
                os.fsync(copy.fileno())
            os.ftruncate(self._file, 0)
            os.fsync(self._file)
            self.memory = Memory()

    # --- What happened --------------------------------------------------------------------------------------------

    def hash_of(self, found: Found) -> str | None:
        """The SHA-256 that was taken when the file looked as it does now."""
        stamp, sha256 = self.memory.hashes.get(found.path, (None, None))
        return sha256 if stamp == found.stamp else None

    def hashed(self, path: str, stamp: Stamp, sha256: str) -> None:
        self._append({"file": path, "stamp": [stamp.size, stamp.mtime_ns, stamp.inode], "sha256": sha256}, sync=False)

    def begin(self) -> None:
        """The first run's time; a later one that has something to do takes the end back."""
        if self.memory.began is None:
            self._append({"began": time.time()})

    def end(self) -> None:
        if self.memory.ended is None:
            self._append({"ended": time.time()})

    def plan(self, files: Sequence[tuple[str, str]], *, priority: int, explain: Sequence[str] | None) -> Planned:
        """A new batch's request, safe on the disk before anyone is asked for it."""
        number = max(self.memory.batches, default=0) + 1
        options = {"priority": priority, "explain": None if explain is None else list(explain)}
        self._append({"batch": number, "key": str(uuid4()), **options, "files": [list(entry) for entry in files]})
        return self.memory.batches[number]

    def opened(self, batch: Planned, identifier: str) -> None:
        self._append({"number": batch.number, "is": "opened", "id": identifier})

    def completed(self, batch: Planned) -> None:
        self._append({"number": batch.number, "is": "completed", "id": batch.id})

    def gone(self, batch: Planned) -> None:
        self._append({"number": batch.number, "is": "gone", "id": batch.id})

    def lose(self, lost: Lost) -> None:
        """A file's rejection on this side. It stands until the file is planned into another batch."""
        if self.memory.lost.get(lost.path) != lost:
            self._append({"lost": lost.path, "batch": lost.batch, "code": lost.code, "detail": lost.detail})

    def recover(self, path: str) -> None:
        """It could be sent after all."""
        if path in self.memory.lost:
            self._append({"recovered": path})

    def covered(self) -> set[tuple[str, str]]:
        """The (path, sha256) that need no other batch."""
        entries = (entry for batch in self.memory.batches.values() if not batch.gone for entry in batch.files)
        return {(path, sha256) for path, sha256 in entries if path not in self.memory.lost}

    # --- The file -------------------------------------------------------------------------------------------------

    def sync(self) -> None:
        """On the disk when it returns."""
        with self._guard:
            os.fsync(self._file)
            self._unsynced = 0

    def close(self) -> None:
        """Write out and unlock. May be called again."""
        with self._guard:
            if self._file >= 0:
                with suppress(OSError):
                    os.fsync(self._file)
                os.close(self._file)
                self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _append(self, entry: dict[str, Any], *, sync: bool = True) -> None:
        line = json.dumps(entry, separators=(",", ":")).encode() + b"\n"
        with self._guard:
            before = os.fstat(self._file).st_size
            try:
                self._write(line)
                self._unsynced += 1
                if sync or self._unsynced >= SYNC_EVERY:
                    os.fsync(self._file)
                    self._unsynced = 0
            except OSError as error:
                with suppress(OSError):  # half a line would spoil the next one
                    os.ftruncate(self._file, before)
                raise JournalUnusable(f"{self.path}: {error.strerror}.") from error
            remember(self.memory, entry)

    def _write(self, line: bytes) -> None:
        while line:
            line = line[os.write(self._file, line) :]

    def _load(self) -> Memory:
        memory, whole = Memory(), 0
        for line in self._lines():
            if not line.endswith(b"\n"):
                break
            whole += len(line)
            try:
                remember(memory, json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError):
                memory.damaged += 1
        os.ftruncate(self._file, whole)
        return memory

    def _lines(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            yield from file

    def _sync_folder(self) -> None:
        """The new name itself survives a power cut."""
        descriptor = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remember(memory: Memory, entry: dict[str, Any]) -> None:
    """Take one line in. Raises ValueError, KeyError, TypeError, AttributeError where it is none of ours."""
    match entry:
        case {"file": str(path), "stamp": [int(size), int(mtime_ns), int(inode)], "sha256": str(sha256)}:
            memory.hashes[path] = Stamp(size, mtime_ns, inode), sha256
        case {"began": float(at)}:
            memory.began = at
        case {"ended": float(at)}:
            memory.ended = at
        case {"batch": int(number), "key": str(key), "files": list(files), "priority": int(priority)}:
            entries = [(str(path), str(sha256)) for path, sha256 in files]
            memory.batches[number] = Planned(number, key, entries, priority, entry.get("explain"))
            memory.ended = None
            for path, _ in entries:
                _supersede(memory, path)
        case {"lost": str(path), "batch": batch, "code": str(code), "detail": str(detail)}:
            memory.lost[path] = Lost(path, batch, code, detail)
        case {"recovered": str(path)}:
            memory.lost.pop(path, None)
        case {"id": str() | None as identifier, "is": str(state), "number": int(number)}:
            _move(memory.batches[number], state, identifier)
        case _:
            raise ValueError("an unknown line")


def _move(batch: Planned, state: str, identifier: str | None) -> None:
    if state == "opened":
        batch.id = identifier
    elif state == "completed":
        batch.complete = True
    elif state == "gone":
        batch.gone = True
    else:
        raise ValueError("an unknown state")


def _supersede(memory: Memory, path: str) -> None:
    lost = memory.lost.pop(path, None)
    if lost is not None and lost.batch in memory.batches:
        memory.batches[lost.batch].superseded += 1


def journal_path(home: Path, *, folder: Path, url: str) -> Path:
    """Where the journal of this folder and this API is: in the state folder, under a name that tells neither."""
    told = hashlib.sha256(f"{folder.resolve()}\n{url}".encode("utf-8", "surrogateescape")).hexdigest()[:24]
    return home.absolute() / "batches" / f"{told}.jsonl"
