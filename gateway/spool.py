"""The spool: what was taken and has not reached the API. An instance is in it durably before the peer hears success.

`incoming/` holds what is being received and is emptied at every start; `waiting/` what is owed to the API; `refused/`
what the API will never take, each with a reason beside it. Files hold identified data: folders are 0700, files 0600,
and names are hashes.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from core.errors import DiskFull

SUFFIX = ".dcm"
# The start of a data set that is kept in memory: the UIDs to check are in group 0008.
HEAD_BYTES = 64 * 1024
# How much is written between two looks at the disk.
LOOK_BYTES = 4 * 1024 * 1024
# A receiving file untouched for so long belongs to an association that ended without a word.
ABANDONED_S = 3600.0


@dataclass(frozen=True, slots=True)
class Held:
    """What a folder of the spool holds. `oldest` is Unix time."""

    files: int
    bytes: int
    oldest: float | None


class Spool:
    """The folders, the bound and the moves between them. Safe for any number of threads; one process at a time."""

    def __init__(self, folder: Path, *, free_bytes: int, bound_bytes: int) -> None:
        self.folder = folder.absolute()
        self.incoming = self.folder / "incoming"
        self.waiting = self.folder / "waiting"
        self.refused = self.folder / "refused"
        self._free_bytes = free_bytes
        self._bound_bytes = bound_bytes
        self._lock = threading.Lock()
        self._held_bytes = 0

    def prepare(self) -> None:
        """Make the folders, and drop what an earlier process was receiving: nobody was told success of it."""
        for folder in (self.folder, self.incoming, self.waiting, self.refused):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.chmod(0o700)
        for path in self.incoming.iterdir():
            path.unlink(missing_ok=True)
        _sync_folder(self.folder)
        self.measure()

    def measure(self) -> None:
        """Count anew what is held, as people may remove files too; drop abandoned receptions."""
        held = held_in(self.waiting).bytes + held_in(self.refused).bytes
        with self._lock:
            self._held_bytes = held
        for path in self.incoming.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > ABANDONED_S:
                    path.unlink()

    def require_room(self, more: int = 0) -> None:
        """Raises DiskFull when the disk is nearly full, or the spool is with `more` bytes."""
        if shutil.disk_usage(self.folder).free - more < self._free_bytes:
            raise DiskFull("The spool's disk is nearly full.")
        with self._lock:
            full = self._held_bytes + more > self._bound_bytes
        if full:
            raise DiskFull("The spool holds as much as it may.")

    def keep(self, incoming: Incoming) -> str:
        """Make a complete instance durable and owed to the API; its name. Raises OSError.

        A name says content: the same instance sent again is the same file.
        """
        name = incoming.finish() + SUFFIX
        again = (self.waiting / name).exists()
        incoming.path.rename(self.waiting / name)
        _sync_folder(self.waiting)
        if not again:
            with self._lock:
                self._held_bytes += incoming.size
        return name

    def path(self, name: str) -> Path:
        """Where an owed instance lies; it may be gone by now."""
        return self.waiting / name

    def forget(self, name: str) -> None:
        """Remove an instance that the API has accepted. No sync: what a crash brings back is submitted again, once."""
        path = self.path(name)
        with contextlib.suppress(FileNotFoundError):
            size = path.stat().st_size
            path.unlink()
            with self._lock:
                self._held_bytes = max(0, self._held_bytes - size)

    def refuse(self, name: str, reason: dict[str, Any]) -> None:
        """Set an instance aside with why; it is no longer owed."""
        path = self.path(name)
        if not path.exists():
            return
        note = self.refused / (Path(name).stem + ".json")
        descriptor = os.open(note, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(reason | {"refused_at": datetime.now(UTC).isoformat()}, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        path.rename(self.refused / name)
        _sync_folder(self.refused)

    def owed(self) -> list[str]:
        """The names of what waits, oldest first."""
        found: list[tuple[float, str]] = []
        for entry in _files(self.waiting):
            with contextlib.suppress(FileNotFoundError):
                found.append((entry.stat().st_mtime, entry.name))
        return [name for _, name in sorted(found)]

    def take_back(self) -> int:
        """Make everything that was refused owed again; how many. A running gateway finds them by itself."""
        names = [entry.name for entry in _files(self.refused)]
        for name in names:
            (self.refused / name).rename(self.waiting / name)
            (self.refused / name).with_suffix(".json").unlink(missing_ok=True)
        return len(names)

    def drop_refused(self) -> int:
        """Remove everything that was refused, for good; how many."""
        names = [entry.name for entry in _files(self.refused)]
        for path in self.refused.iterdir():
            path.unlink(missing_ok=True)
        return len(names)


class Incoming:
    """One data set on its way to the disk, as the file object that pynetdicom writes fragments to.

    `write` never raises: an exception would end the association where a status can tell the peer why. What went wrong
    is in `failure`, and the rest of the data set is read and dropped.
    """

    def __init__(self, spool: Spool, *, limit: int) -> None:
        self.path = spool.incoming / f"{uuid4().hex}{SUFFIX}"
        # What pynetdicom calls when it is done with the file: `file.flush` a fragment, `close` and the name to unlink.
        self.name = str(self.path)
        self.file = self
        self.failure: Exception | None = None
        self.size = 0
        self.head = bytearray()
        self._spool = spool
        self._limit = limit
        self._descriptor: int | None = None
        self._digest = hashlib.sha256()
        self._looked = 0

    def begin(self, *, meta: bytes, salt: bytes) -> None:
        """Open the file with its meta information; `salt` joins the content in the name's hash."""
        self._digest.update(salt)
        try:
            self._spool.require_room()
            self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            self._put(meta)
        except (DiskFull, OSError) as error:
            self._fail(error)

    def write(self, fragment: bytes) -> int:
        """Append a fragment of the data set."""
        if self.failure is None and self._descriptor is not None:
            try:
                if len(self.head) < HEAD_BYTES:
                    self.head += fragment[: HEAD_BYTES - len(self.head)]
                self._digest.update(fragment)
                self._put(fragment)
            except (DiskFull, OSError) as error:
                self._fail(error)
        return len(fragment)

    def flush(self) -> None:
        """Nothing is buffered."""

    def finish(self) -> str:
        """Sync and close; the name's hash. Raises OSError."""
        if self._descriptor is None:
            raise OSError(errno.EBADF, "no data set was received")
        os.fsync(self._descriptor)
        self._shut()
        return self._digest.hexdigest()

    def close(self) -> None:
        """Close, and remove the file unless it was kept. May be called again."""
        self._shut()
        self.path.unlink(missing_ok=True)

    def _put(self, data: bytes) -> None:
        self.size += len(data)
        if self.size > self._limit:
            raise OSError(errno.EFBIG, "larger than the API takes")
        if self.size - self._looked > LOOK_BYTES:
            self._looked = self.size
            self._spool.require_room(self.size)
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor or 0, view) :]

    def _fail(self, error: Exception) -> None:
        self.failure = error
        self.close()

    def _shut(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def held_in(folder: Path) -> Held:
    """Count a folder's instances."""
    files, size, oldest = 0, 0, None
    for entry in _files(folder):
        with contextlib.suppress(FileNotFoundError):
            found = entry.stat()
            files, size = files + 1, size + found.st_size
            oldest = found.st_mtime if oldest is None else min(oldest, found.st_mtime)
    return Held(files, size, oldest)


def _files(folder: Path) -> Iterator[os.DirEntry[str]]:
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        yield from (entry for entry in entries if entry.name.endswith(SUFFIX))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
