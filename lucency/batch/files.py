"""The files below a folder: which of them may be images, and the SHA-256 of each.

Left out, and counted by reason: hidden files and folders (a leading dot), `DICOMDIR` (an index without pixels), what is
no regular file (pipes, sockets, devices), a folder that was entered already (links that lead back), and files that are
no image by content nor by name. Links to files and to folders are followed.

A file that only claims to be an image, or has no telling name, is sent: what is wrong with it is for the server to say.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePath
from typing import BinaryIO

from core.dicom_start import HEAD_BYTES, start_of
from core.errors import LucencyError

CHUNK_BYTES = 1024 * 1024
# By these a file claims to be an image. Archives (PACS) also export names that are UIDs, or nothing with a dot in it.
IMAGE_SUFFIXES = frozenset({".dcm", ".dicom", ".dic", ".ima", ".png", ".jpg", ".jpeg", ".jpe", ".jfif"})


class Skipped(StrEnum):
    """Why something below the folder is no file of the batch. It is counted, and is no failure."""

    HIDDEN = "hidden"
    DICOMDIR = "dicomdir"
    SPECIAL = "no_regular_file"
    SEEN = "folder_seen_before"
    NOT_IMAGE = "not_an_image"


class FileVanished(LucencyError):
    """The file was there when the folder was read, and is not any more."""

    code, title = "file_vanished", "The file went away before it was sent"


class FileChanged(LucencyError):
    """The file's content is not what it was when its SHA-256 was taken."""

    code, title = "file_changed", "The file changed while it was being sent"


class FileUnreadable(LucencyError):
    """The file, or the folder, cannot be read."""

    code, title = "file_unreadable", "The file cannot be read"


@dataclass(frozen=True, slots=True)
class Stamp:
    """What changes when a file does: size in bytes, time of the last change in ns, inode."""

    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp:
        return cls(status.st_size, status.st_mtime_ns, status.st_ino)


@dataclass(frozen=True, slots=True)
class Found:
    """A regular file below the folder: `path` relative to it, as the file system spells it."""

    path: str
    stamp: Stamp


@dataclass(frozen=True, slots=True)
class Aside:
    """What is no file of the batch: left out for a reason, or (`reason` None) a folder or file that nobody can read."""

    path: str
    reason: Skipped | None


def walk(root: Path, *, recursive: bool, without: Path | None = None) -> Iterator[Found | Aside]:
    """Everything below `root` in the order of names, folders after the files beside them.

    `without`: a folder that is never entered (where results are written). Memory is bounded by the largest folder.
    """
    barred = {_identity(without)} if without is not None and without.exists() else set()
    yield from _walk(root, PurePath(), recursive=recursive, seen=barred | {_identity(root)})


def _walk(folder: Path, below: PurePath, *, recursive: bool, seen: set[tuple[int, int]]) -> Iterator[Found | Aside]:
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError:
        yield Aside(str(below), None)
        return
    folders: list[tuple[str, tuple[int, int]]] = []
    for entry in entries:
        path = str(below / entry.name)
        if entry.name.startswith("."):
            yield Aside(path, Skipped.HIDDEN)
            continue
        try:
            status = entry.stat()
        except OSError:  # a link to nothing, or gone since
            yield Aside(path, None)
            continue
        if stat.S_ISDIR(status.st_mode):
            folders.append((entry.name, (status.st_dev, status.st_ino)))
        else:
            yield _judged(path, entry.name, status)
    for name, identity in folders if recursive else ():
        if identity in seen:
            yield Aside(str(below / name), Skipped.SEEN)
            continue
        seen.add(identity)
        yield from _walk(folder / name, below / name, recursive=True, seen=seen)


def _judged(path: str, name: str, status: os.stat_result) -> Found | Aside:
    if not stat.S_ISREG(status.st_mode):
        return Aside(path, Skipped.SPECIAL)
    if name.upper() == "DICOMDIR":
        return Aside(path, Skipped.DICOMDIR)
    return Found(path, Stamp.of(status))


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def is_candidate(path: str, head: bytes) -> bool:
    """Whether a file may be an image by its first 132 bytes, or claims to be one by its name."""
    suffix = PurePath(path).suffix.lower()
    if suffix in IMAGE_SUFFIXES or not suffix or suffix[1:].isdigit():
        return True
    return head.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")) or start_of(head) is not None


def opened(root: Path, path: str) -> BinaryIO:
    """The file, open for reading. Raises FileVanished, FileUnreadable."""
    try:
        # Without waiting: what was a file may be a pipe by now.
        descriptor = os.open(root / path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileVanished from error
    except OSError as error:
        raise FileUnreadable(f"The file cannot be read: {error.strerror}.") from error
    file = os.fdopen(descriptor, "rb")
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise FileChanged
    return file


@dataclass(frozen=True, slots=True)
class Content:
    """What was read: `sha256` is None where the file is no image and was not read to its end."""

    stamp: Stamp
    sha256: str | None


def read_content(root: Path, path: str) -> Content:
    """Hash the file. Raises FileVanished, FileUnreadable, and FileChanged where it was written to meanwhile."""
    with opened(root, path) as file:
        before = Stamp.of(os.fstat(file.fileno()))
        try:
            head = file.read(HEAD_BYTES)
            if not is_candidate(path, head):
                return Content(before, None)
            digest = hashlib.sha256(head)
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
        except OSError as error:
            raise FileUnreadable(f"The file cannot be read: {error.strerror}.") from error
        if Stamp.of(os.fstat(file.fileno())) != before:
            raise FileChanged
    return Content(before, digest.hexdigest())


def wire_path(path: str) -> str:
    """The path as UTF-8 text with `/` between folders: bytes that are none are shown as `\\xNN`."""
    return path.replace(os.sep, "/").encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
