"""A bounded temporary file for one upload, hashed as it is written. Nameless: a killed process leaves nothing."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from core.errors import DiskFull, UploadTooLarge

PREAMBLE_BYTES = 128  # PS3.10 section 7.1: 128 bytes for the application's use, then "DICM"
HEAD_BYTES = PREAMBLE_BYTES + 4
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Spool:
    """The file part on disk. `sha256` is of what is stored, `received_sha256` of what the client sent.

    They differ for a DICOM file whose preamble is not zero: an executable or an archive may hide there, so it is zeroed
    before a byte reaches the disk. With `hash_beyond` what exceeds the limit is hashed and dropped instead of refused:
    then `too_large` is true, and the file must not be used.
    """

    def __init__(self, folder: Path | None, *, limit: int, hash_beyond: bool = False) -> None:
        self.size = 0
        self.head = b""
        self.too_large = False
        self._limit = limit
        self._hash_beyond = hash_beyond
        self._pending = bytearray()
        self._started = False
        self._received = hashlib.sha256()
        self._stored = self._received
        try:
            self._raw = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115
        except OSError as error:
            raise DiskFull from error

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._raw.close()

    def reading(self) -> BinaryIO:
        """A buffered reader at the file's start; close it. Only one at a time: it shares the spool's position."""
        self._raw.seek(0)
        return os.fdopen(os.dup(self._raw.fileno()), "rb")

    @property
    def sha256(self) -> str:
        return self._stored.hexdigest()

    @property
    def received_sha256(self) -> str:
        return self._received.hexdigest()

    def write(self, data: bytes) -> None:
        """Append `data`. Raises UploadTooLarge, DiskFull."""
        self.size += len(data)
        if self.size > self._limit:
            if not self._hash_beyond:
                raise UploadTooLarge(f"The file is larger than {self._limit} bytes.")
            self.too_large = True
            self._received.update(bytes(self._pending) + data)
            self._pending, self._started = bytearray(), True
            return
        if self._started:
            self._append(data)
            return
        self._pending += data
        if len(self._pending) >= HEAD_BYTES:
            self._start()

    def finish(self) -> None:
        """The upload is complete: from now on `head` and `reading` may be used."""
        if not self._started:
            self._start()

    def _start(self) -> None:
        data, self._pending, self._started = bytes(self._pending), bytearray(), True
        preamble = data[:PREAMBLE_BYTES]
        if data[PREAMBLE_BYTES:HEAD_BYTES] == b"DICM" and preamble.strip(b"\0"):
            zeroed = bytes(PREAMBLE_BYTES) + data[PREAMBLE_BYTES:]
            self._received.update(data)
            self._stored = hashlib.sha256(zeroed)
            self._persist(zeroed)
            data = zeroed
        else:
            self._append(data)
        self.head = data[:HEAD_BYTES]

    def _append(self, data: bytes) -> None:
        self._received.update(data)
        if self._stored is not self._received:
            self._stored.update(data)
        self._persist(data)

    def _persist(self, data: bytes) -> None:
        _write_all(self._raw.fileno(), data)


class Scratch:
    """A bounded temporary file for what is read again at once, unchanged and unhashed: a manifest, an archive."""

    def __init__(self, folder: Path | None, *, limit: int) -> None:
        self.size = 0
        self._limit = limit
        try:
            self._raw = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115
        except OSError as error:
            raise DiskFull from error

    def __enter__(self) -> Scratch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._raw.close()

    def write(self, data: bytes) -> None:
        """Append `data`. Raises UploadTooLarge, DiskFull."""
        self.size += len(data)
        if self.size > self._limit:
            raise UploadTooLarge(f"The body is larger than {self._limit} bytes.")
        _write_all(self._raw.fileno(), data)

    def reading(self) -> BinaryIO:
        """A buffered reader at the file's start; close it. Only one at a time: it shares the file's position."""
        self._raw.seek(0)
        return os.fdopen(os.dup(self._raw.fileno()), "rb")


def _write_all(descriptor: int, data: bytes) -> None:
    remaining = memoryview(data)
    try:
        while remaining:
            remaining = remaining[os.write(descriptor, remaining) :]
    except OSError as error:
        if error.errno in FULL:
            raise DiskFull from error
        raise
