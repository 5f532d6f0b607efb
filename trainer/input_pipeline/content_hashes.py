"""SHA-256 of files, remembered beside what the file system says of them: an unchanged file is read once, ever."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

REMEMBERED = "hashes.json"
LOCK = "lock"
# A file that was changed so shortly before it was read may change again within its clock's tick, unseen.
SETTLED_NANOSECONDS = 2_000_000_000

# Size, modification and change time in nanoseconds, inode: an edit that keeps all four is not noticed.
Stamp = tuple[int, int, int, int]


def content_hashes(files: Sequence[Path], *, cache: Path) -> list[str | None]:
    """SHA-256 of each file's content in lower-case hexadecimal, None for one that cannot be read.

    What is remembered in the folder `cache` is taken where size, times and inode are the same as then. A cache that
    cannot be written is no error: the files are read again next time.
    """
    remembered = _read(cache / REMEMBERED)
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        found = list(pool.map(lambda file: _hash(file, remembered), files))
    fresh = {str(file.absolute()): entry for file, (_, entry) in zip(files, found, strict=True) if entry is not None}
    if fresh:
        with suppress(OSError):
            _remember(cache, fresh)
    return [digest for digest, _ in found]


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Only one process at a time is in here for this folder; the lock of a killed one is free again. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def replace_text(file: Path, text: str) -> None:
    """Write a file whole or not at all. For one writer at a time."""
    partial = file.with_name(f"{file.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(file)


Entry = tuple[Stamp, str]


def _hash(file: Path, remembered: dict[str, Entry]) -> tuple[str | None, Entry | None]:
    """The hash, and what is to be remembered where that is new."""
    try:
        stamp = _stamp(file)
        known = remembered.get(str(file.absolute()))
        if known is not None and known[0] == stamp:
            return known[1], None
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        settled = time.time_ns() - max(stamp[1], stamp[2]) > SETTLED_NANOSECONDS and _stamp(file) == stamp
    except OSError:
        return None, None
    return digest, (stamp, digest) if settled else None


def _stamp(file: Path) -> Stamp:
    status = file.stat()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _read(file: Path) -> dict[str, Entry]:
    """What is remembered; nothing where the file is not there or not ours."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        return {path: ((int(a), int(b), int(c), int(d)), str(sha)) for path, (a, b, c, d, sha) in document.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _remember(cache: Path, fresh: dict[str, Entry]) -> None:
    with locked(cache):
        entries = _read(cache / REMEMBERED) | fresh
        replace_text(cache / REMEMBERED, json.dumps({path: [*stamp, sha] for path, (stamp, sha) in entries.items()}))
