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
    before a byte reaches the disk.
    """

    def __init__(self, folder: Path | None, *, limit: int) -> None:
        self.size = 0
        self.head = b""
        self._limit = limit
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
            raise UploadTooLarge(f"The file is larger than {self._limit} bytes.")
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
        remaining = memoryview(data)
        try:
            while remaining:
                remaining = remaining[os.write(self._raw.fileno(), remaining) :]
        except OSError as error:
            if error.errno in FULL:
                raise DiskFull from error
            raise
